//! Encoded bytes to model input: decode, resize, normalise.

mod bmp;
mod bytes;
mod decode;
mod error;
mod format;
mod gif;
mod header;
mod jpeg;
mod normalise;
mod orientation;
mod png;
mod png_data;
mod resize;
mod rgb;
mod tiff;
mod warning;
mod webp;

pub use error::ImageError;
pub use format::ImageFormat;
pub use header::ImageHeader;
pub use normalise::{IMAGE_MEAN, IMAGE_STD, normalise};
pub use orientation::{ExifOrientation, Orientation};
pub(crate) use png::encode_png;
pub(crate) use resize::{Part, PixelView};
pub use rgb::{Decoded, MAX_PIXELS, RgbImage};
pub use warning::ImageWarning;
