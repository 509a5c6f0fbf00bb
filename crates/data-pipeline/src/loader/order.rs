use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::source::Source;
use crate::stream::Sequence;

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
    /// As a stream that cannot be read at any place: shards come in any order, eight are read side by side, and what is read of
    /// them goes through a buffer that hands out one of its samples at random and takes in the next. Where a source has no
    /// shards, blocks of 256 images stand for them.
    Streamed {
        /// Key of the order, together with the epoch.
        seed: u64,
        /// Samples in the buffer, whose encoded images are held. More mix better.
        buffer: usize,
        /// Samples of one image that stay together at most.
        group: usize,
    },
}

impl Order {
    /// The order of an epoch: a matter of seed and epoch alone, and of the shards where they are streamed. Also the order in
    /// which images are read then.
    pub(super) fn sequence(self, source: &dyn Source, epoch: u64) -> Sequence {
        let stored = source.samples();
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
            Self::Streamed {
                seed,
                buffer,
                group,
            } => return Sequence::of(source, buffer, group, &mut stream(seed, epoch)),
        }
        Sequence {
            samples,
            images: Vec::new(),
        }
    }
}

fn stream(seed: u64, epoch: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(epoch);
    rng
}
