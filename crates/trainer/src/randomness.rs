//! Random numbers by key instead of by carried state.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a random number is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Stream {
    /// Drawing the model's first weights.
    Weights = 1,
    /// Dropout in what is computed once a sample.
    Dropout = 2,
    /// Order of the training samples.
    Order = 3,
    /// Choice of the samples held out for validation.
    HoldOut = 4,
    /// Dropout in what is computed once an image.
    ImageDropout = 5,
    /// Dropout in what is computed once a right answer.
    AnswerDropout = 6,
    /// Variation of the training images.
    Augmentation = 7,
}

/// Seed of one use of randomness: the key (run seed, stream, step or epoch, index) is the key of a ChaCha8
/// generator, whose first number is the seed.
///
/// Nothing is carried from one use to the next, so replaying a micro-batch, rebuilding a segment in the
/// backward pass and resuming a run need no saved generator state.
pub fn seed(run_seed: u64, stream: Stream, step: u64, index: u64) -> u64 {
    let mut key = [0; 32];
    for (bytes, part) in key
        .chunks_exact_mut(8)
        .zip([run_seed, stream as u64, step, index])
    {
        bytes.copy_from_slice(&part.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key).next_u64()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_part_of_the_key_changes_the_seed() {
        let mut seen = HashSet::new();
        for run_seed in [0, 1, u64::MAX] {
            for stream in [
                Stream::Weights,
                Stream::Dropout,
                Stream::Order,
                Stream::HoldOut,
                Stream::ImageDropout,
                Stream::AnswerDropout,
                Stream::Augmentation,
            ] {
                for step in 0..20 {
                    for index in 0..20 {
                        assert!(seen.insert(seed(run_seed, stream, step, index)));
                    }
                }
            }
        }
    }

    #[test]
    fn the_same_key_gives_the_same_seed() {
        assert_eq!(
            seed(7, Stream::Dropout, 3, 5),
            seed(7, Stream::Dropout, 3, 5)
        );
    }
}
