//! Encoded bytes to model input: decode, resize, normalise.

mod decode;
mod error;
mod normalise;
mod png;
mod resize;

pub use decode::{MAX_PIXELS, RgbImage};
pub use error::ImageError;
pub use normalise::{IMAGE_MEAN, IMAGE_STD, normalise};
pub(crate) use png::encode_png;
