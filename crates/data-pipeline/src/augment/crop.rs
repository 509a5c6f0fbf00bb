use super::draw::Draw;
use crate::image::Part;

/// Least and largest ratio of width to height of a crop.
const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

/// Crops that are drawn before the fallback is taken.
const TRIES: usize = 10;

/// Draws a part of an image: its area evenly between a part of the image's and all of it, the logarithm of its ratio evenly
/// within [`RATIO`], its place anywhere. Where [`TRIES`] such parts do not fit, it is the largest one in the middle whose ratio
/// lies within [`RATIO`]. These are the rules of torchvision's `RandomResizedCrop`.
pub(super) fn draw(draw: &mut Draw, (width, height): (usize, usize), scale: f64) -> Part {
    let area = (width * height) as f64;
    let [low, high] = RATIO;
    for _ in 0..TRIES {
        let target = area * draw.between(scale, 1.0);
        let ratio = draw.between(low.ln(), high.ln()).exp();
        let part_width = (target * ratio).sqrt().round_ties_even() as usize;
        let part_height = (target / ratio).sqrt().round_ties_even() as usize;
        if (1..=width).contains(&part_width) && (1..=height).contains(&part_height) {
            return Part {
                top: draw.below(height - part_height + 1),
                left: draw.below(width - part_width + 1),
                width: part_width,
                height: part_height,
            };
        }
    }
    middle(width, height)
}

/// The largest part in the middle whose ratio lies within [`RATIO`].
pub(super) fn middle(width: usize, height: usize) -> Part {
    let [low, high] = RATIO;
    let ratio = width as f64 / height as f64;
    let side = |pixels: f64| (pixels.round_ties_even() as usize).max(1);
    let (part_width, part_height) = if ratio < low {
        (width, side(width as f64 / low).min(height))
    } else if ratio > high {
        (side(height as f64 * high).min(width), height)
    } else {
        (width, height)
    };
    Part {
        left: (width - part_width) / 2,
        top: (height - part_height) / 2,
        width: part_width,
        height: part_height,
    }
}
