//! Encoded bytes to model input: decode, resize, normalise.

mod decode;
mod error;
mod glance;
mod normalise;
mod png;
mod resize;

pub use decode::{MAX_PIXELS, RgbImage};
pub use error::ImageError;
pub(crate) use glance::looks_whole;
pub use normalise::{IMAGE_MEAN, IMAGE_STD, normalise};
pub(crate) use png::encode_png;
