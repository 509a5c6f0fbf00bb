use std::collections::HashMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::sides::says_left_or_right;
use crate::sample::Sample;

/// What numbers are drawn for. Each use has its own, so a switch for one changes no other.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub(super) enum Use {
    Crop = 1,
    Flip = 2,
    Operations = 3,
}

/// The key of what is drawn for an image of an effective batch, and what its samples allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    pub(super) epoch: u64,
    /// The first sample of the effective batch that is about the image.
    pub(super) sample: usize,
    /// Whether no sample about it speaks of left or right.
    pub(super) may_flip: bool,
}

/// The views of an effective batch, by the index of the image in its source.
pub(crate) type Views = HashMap<usize, View>;

impl View {
    /// The views of the images of an effective batch. Samples about one image share its view, in whichever order and
    /// chunks they are prepared.
    pub(crate) fn of_batch(epoch: u64, batch: &[usize], stored: &[Sample]) -> Views {
        let mut views = Views::new();
        for &index in batch {
            let sample = &stored[index];
            let view = views.entry(sample.image).or_insert(Self {
                epoch,
                sample: index,
                may_flip: true,
            });
            view.may_flip &= !says_left_or_right(sample);
        }
        views
    }

    pub(super) fn draw(self, seed: u64, purpose: Use) -> Draw {
        let mut key = [0; 32];
        let parts = [seed, purpose as u64, self.epoch, self.sample as u64];
        for (bytes, part) in key.chunks_exact_mut(8).zip(parts) {
            bytes.copy_from_slice(&part.to_le_bytes());
        }
        Draw(ChaCha8Rng::from_seed(key))
    }
}

/// Random numbers of one use.
pub(super) struct Draw(ChaCha8Rng);

impl Draw {
    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.0.random::<f64>() < probability
    }

    /// Any number between two.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.random::<f64>()
    }

    /// Any of this many numbers from 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        self.0.random_range(0..count)
    }
}
