//! Decoded pixels.

use super::error::ImageError;
use super::orientation::{ExifOrientation, Orientation};
use super::warning::ImageWarning;

/// Most pixels an image may have, 64 Mi: a few bytes of header must not claim all memory.
pub const MAX_PIXELS: usize = 64 << 20;

/// A decoded image: 8 bits a channel, red, green, blue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbImage {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `[height, width, 3]`.
    pub pixels: Vec<u8>,
}

/// Pixels, and what was odd about their file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The pixels, turned as asked for.
    pub image: RgbImage,
    /// Oddities that leave no doubt about the pixels.
    pub warnings: Vec<ImageWarning>,
}

impl Decoded {
    /// Stored pixels, turned by the file's tag where that is wanted.
    pub(super) fn turned(
        stored: RgbImage,
        tag: Orientation,
        wanted: ExifOrientation,
        mut warnings: Vec<ImageWarning>,
    ) -> Self {
        let image = match wanted {
            ExifOrientation::Apply => stored.upright(tag),
            ExifOrientation::Ignore => {
                // Nobody asked for what the damaged data say.
                warnings.retain(|warning| *warning != ImageWarning::UnreadableExif);
                stored
            }
        };
        Self { image, warnings }
    }
}

impl RgbImage {
    /// Swaps left and right.
    pub(crate) fn mirror(&mut self) {
        for row in self.pixels.chunks_exact_mut(self.width.max(1) * 3) {
            row.as_chunks_mut::<3>().0.reverse();
        }
    }

    /// Turns stored pixels upright, which have the orientation of the tag.
    fn upright(self, tag: Orientation) -> Self {
        if tag == Orientation::UPRIGHT {
            return self;
        }
        let (width, height) = (self.width, self.height);
        let (to_width, to_height) = if tag.swaps_sides() {
            (height, width)
        } else {
            (width, height)
        };
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for y in 0..to_height {
            for x in 0..to_width {
                let (from_x, from_y) = match tag.value() {
                    2 => (width - 1 - x, y),
                    3 => (width - 1 - x, height - 1 - y),
                    4 => (x, height - 1 - y),
                    5 => (y, x),
                    6 => (y, height - 1 - x),
                    7 => (width - 1 - y, height - 1 - x),
                    _ => (width - 1 - y, x),
                };
                let at = (from_y * width + from_x) * 3;
                pixels.extend_from_slice(&self.pixels[at..at + 3]);
            }
        }
        Self {
            width: to_width,
            height: to_height,
            pixels,
        }
    }
}

/// # Errors
/// When `width x height` is above [`MAX_PIXELS`].
pub(super) fn check_size((width, height): (usize, usize)) -> Result<(), ImageError> {
    if width.saturating_mul(height) > MAX_PIXELS {
        return Err(ImageError::TooLarge {
            width,
            height,
            limit: MAX_PIXELS,
        });
    }
    Ok(())
}
