use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::sample::Sample;

/// In which order the samples of an epoch come. Every sample comes exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As stored: for evaluation.
    Sequential,
    /// Any order, each equally likely.
    Permutation {
        /// Key of the order, together with the epoch.
        seed: u64,
    },
    /// A permutation of groups of samples that show the same image: an image is decoded and encoded once for its group,
    /// at the price of fewer different images in a batch.
    Grouped {
        /// Key of the order, together with the epoch.
        seed: u64,
        /// Samples of a group at most. Which samples of an image share a group changes with the epoch.
        group: usize,
    },
    /// Storage order through a buffer that hands out one of its samples at random and takes in the next: what a stream
    /// allows that cannot be read at any place.
    Buffered {
        /// Key of the order, together with the epoch.
        seed: u64,
        /// Samples in the buffer. 1 is storage order; as many as there are samples is a permutation.
        buffer: usize,
    },
}

impl Order {
    /// Sample indices in the order of the epoch: a matter of seed and epoch alone.
    pub(super) fn samples(self, stored: &[Sample], epoch: u64) -> Vec<usize> {
        let count = stored.len();
        let mut samples: Vec<_> = (0..count).collect();
        match self {
            Self::Sequential => {}
            Self::Permutation { seed } => samples.shuffle(&mut stream(seed, epoch)),
            Self::Grouped { seed, group } => {
                let rng = &mut stream(seed, epoch);
                samples.shuffle(rng);
                samples.sort_by_key(|&sample| stored[sample].image);
                let of_one_image = samples.chunk_by(|&a, &b| stored[a].image == stored[b].image);
                let mut groups: Vec<_> = of_one_image.flat_map(|of| of.chunks(group)).collect();
                groups.shuffle(rng);
                samples = groups.concat();
            }
            Self::Buffered { seed, buffer } => {
                let rng = &mut stream(seed, epoch);
                // The buffer lies at the front of what has not been handed out yet.
                for first in 0..count {
                    let size = buffer.min(count - first);
                    samples.swap(first, first + rng.random_range(0..size));
                }
            }
        }
        samples
    }
}

fn stream(seed: u64, epoch: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(epoch);
    rng
}
