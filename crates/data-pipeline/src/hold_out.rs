use std::path::PathBuf;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::error::DataError;
use crate::sample::Split;

/// Which part of the training images makes up a validation split, for data sets that come without one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HoldOut {
    /// Fraction of the images to hold out, `0.0..1.0`. Above 0, at least one image is held out and one is kept.
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

    /// Of the images, those that are in a split, [`Split::Validation`] those held out and otherwise the others, in rising
    /// order. `questions` is the file that names the images.
    ///
    /// # Errors
    /// When images are to be held out, and there are not two.
    pub(crate) fn divide(
        self,
        mut images: Vec<usize>,
        split: Split,
        questions: PathBuf,
    ) -> Result<Vec<usize>, DataError> {
        let count = images.len();
        let share = (count as f64 * self.fraction).round() as usize;
        let held_out = match count {
            _ if self.fraction <= 0.0 => 0,
            0 | 1 => {
                return Err(DataError::NothingToHoldOut { path: questions });
            }
            _ => share.clamp(1, count - 1),
        };
        images.shuffle(&mut ChaCha8Rng::seed_from_u64(self.seed));
        let train = images.split_off(held_out);
        let mut part = if split == Split::Validation {
            images
        } else {
            train
        };
        part.sort_unstable();
        Ok(part)
    }
}
