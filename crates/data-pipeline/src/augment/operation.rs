use super::affine::{self, Affine};
use super::draw::Draw;
use super::{levels, sharpness};
use crate::image::RgbImage;

/// The strongest operations have this magnitude.
pub(super) const MAX_MAGNITUDE: usize = 10;

/// Part of the drawn operations that are done.
const DONE: f64 = 0.5;

/// What may be done to an image, with its strength.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operation {
    /// Nothing.
    Identity,
    /// Each channel stretched to all levels.
    AutoContrast,
    /// Each channel with a flat histogram.
    Equalize,
    /// Levels times the factor.
    Brightness(f32),
    /// Away from the smoothed image, by the factor.
    Sharpness(f32),
    /// Rows shifted in proportion to their height.
    ShearX(f64),
    /// Columns shifted likewise.
    ShearY(f64),
    /// Shifted to the left by this many pixels.
    TranslateX(f64),
    /// Shifted upwards by this many pixels.
    TranslateY(f64),
    /// Turned counter-clockwise by this many degrees.
    Rotate(f64),
}

/// Draws operations of a magnitude, with replacement, and which of them are done. The scales are X-VLM's: a factor of 0.1 to
/// 1.9, a shear of up to 0.3, up to 10 pixels and up to 30 degrees, in either direction.
pub(super) fn draw(draw: &mut Draw, count: usize, magnitude: usize) -> Vec<Operation> {
    (0..count)
        .filter_map(|_| {
            let operation = draw.below(10);
            let backwards = draw.chance(0.5);
            let done = draw.chance(DONE);
            done.then(|| Operation::of(operation, magnitude, backwards))
        })
        .collect()
}

impl Operation {
    /// One of the ten.
    pub(super) fn of(number: usize, magnitude: usize, backwards: bool) -> Self {
        let strength = magnitude as f64 / MAX_MAGNITUDE as f64;
        let factor = (strength * 1.8 + 0.1) as f32;
        let up_to = |most: f64| if backwards { -most } else { most } * strength;
        match number {
            0 => Self::Identity,
            1 => Self::AutoContrast,
            2 => Self::Equalize,
            3 => Self::Brightness(factor),
            4 => Self::Sharpness(factor),
            5 => Self::ShearX(up_to(0.3)),
            6 => Self::ShearY(up_to(0.3)),
            7 => Self::TranslateX(up_to(10.0)),
            8 => Self::TranslateY(up_to(10.0)),
            _ => Self::Rotate(up_to(30.0)),
        }
    }

    pub(super) fn apply(self, mut image: RgbImage) -> RgbImage {
        let moved = |map: Affine| affine::transform(&image, &map);
        match self {
            Self::Identity => {}
            Self::AutoContrast => levels::auto_contrast(&mut image.pixels),
            Self::Equalize => levels::equalize(&mut image.pixels),
            Self::Brightness(factor) => levels::brightness(&mut image.pixels, factor),
            Self::Sharpness(factor) => return sharpness::sharpen(&image, factor),
            Self::ShearX(shear) => return moved([1.0, shear, 0.0, 0.0, 1.0, 0.0]),
            Self::ShearY(shear) => return moved([1.0, 0.0, 0.0, shear, 1.0, 0.0]),
            Self::TranslateX(pixels) => return moved([1.0, 0.0, pixels, 0.0, 1.0, 0.0]),
            Self::TranslateY(pixels) => return moved([1.0, 0.0, 0.0, 0.0, 1.0, pixels]),
            Self::Rotate(degrees) => {
                return moved(affine::rotation(degrees, image.width, image.height));
            }
        }
        image
    }
}
