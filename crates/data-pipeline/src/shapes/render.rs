use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::scene::{Object, SIDE, Scene, Shape};
use crate::image::RgbImage;

/// Points looked at along each side of a pixel: the edge of a shape is smoothed over 16 levels.
const POINTS: usize = 4;

/// Largest change of a background level by noise.
const NOISE: f32 = 6.0;

pub(super) fn render(scene: &Scene, noise: &mut ChaCha8Rng) -> RgbImage {
    let mut pixels = Vec::with_capacity(SIDE * SIDE * 3);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let mut levels = scene.background;
            for object in &scene.objects {
                let coverage = coverage(object, x, y);
                for (level, paint) in levels.iter_mut().zip(object.paint) {
                    *level += coverage * (paint - *level);
                }
            }
            let shift = noise.random_range(-NOISE..NOISE);
            pixels.extend(levels.map(|level| (level + shift).round().clamp(0.0, 255.0) as u8));
        }
    }
    RgbImage {
        width: SIDE,
        height: SIDE,
        pixels,
    }
}

/// The part of pixel (x, y) that lies in the object, `0.0..=1.0`.
fn coverage(object: &Object, x: usize, y: usize) -> f32 {
    let [dx, dy] = [x as f32 - object.centre[0], y as f32 - object.centre[1]];
    let reach = object.radius + 1.0;
    if dx.abs() > reach || dy.abs() > reach {
        return 0.0;
    }
    let offset = |point: usize| (point as f32 + 0.5) / POINTS as f32;
    let points = (0..POINTS).flat_map(|j| (0..POINTS).map(move |i| (i, j)));
    let inside = points
        .filter(|&(i, j)| contains(object, dx + offset(i), dy + offset(j)))
        .count();
    inside as f32 / (POINTS * POINTS) as f32
}

/// Whether the point `(dx, dy)` from the object's centre lies in it.
fn contains(object: &Object, dx: f32, dy: f32) -> bool {
    let (sin, cos) = object.angle.sin_cos();
    // In units of the radius, turned back: all shapes lie in the unit circle.
    let x = (dx * cos + dy * sin) / object.radius;
    let y = (dy * cos - dx * sin) / object.radius;
    match object.shape {
        Shape::Circle => x.hypot(y) <= 0.9,
        Shape::Square => x.abs().max(y.abs()) <= std::f32::consts::FRAC_1_SQRT_2,
        // Equilateral, a corner at the top.
        Shape::Triangle => y <= 0.5 && y >= 3.0_f32.sqrt() * x.abs() - 1.0,
    }
}
