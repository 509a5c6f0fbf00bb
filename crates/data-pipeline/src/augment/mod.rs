//! Random variation of training images, as X-VLM trains: crop, flip, two of ten operations.
//!
//! Each operation gives the pixels of Pillow. What is drawn follows from the key (seed, epoch, sample) alone.

mod affine;
mod crop;
mod draw;
mod levels;
mod operation;
mod settings;
mod sharpness;
mod sides;

#[cfg(test)]
mod tests;

pub(crate) use draw::{View, Views};
pub use settings::Augmentation;
