use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::error::DataError;

/// Which part of the training images makes up a validation split, for data sets that come without one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HoldOut {
    /// The share of the images, `0.0..1.0`.
    pub fraction: f64,
    /// Says which images.
    pub seed: u64,
}

impl HoldOut {
    /// # Errors
    /// When the share is no part of the images.
    pub(crate) fn check(self) -> Result<(), DataError> {
        if (0.0..1.0).contains(&self.fraction) {
            return Ok(());
        }
        Err(DataError::Setting {
            setting: "validation_fraction",
            value: self.fraction.to_string(),
            expected: "at least 0 and less than 1",
        })
    }

    /// The images to train on and the images held out, each in rising order.
    pub(crate) fn divide(self, mut images: Vec<usize>) -> (Vec<usize>, Vec<usize>) {
        images.shuffle(&mut ChaCha8Rng::seed_from_u64(self.seed));
        let held_out = (images.len() as f64 * self.fraction).round() as usize;
        let mut train = images.split_off(held_out);
        train.sort_unstable();
        images.sort_unstable();
        (train, images)
    }
}
