//! The public data set of the Python package easy-vqa: one or two shapes an image, 13 answers.

mod fetch;
mod read;
mod source;

pub use fetch::{Fetched, fetch};
pub use source::EasyVqa;
