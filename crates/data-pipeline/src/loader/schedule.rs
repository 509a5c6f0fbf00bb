use std::collections::HashSet;
use std::ops::Range;

use crate::sample::Sample;

/// Cuts the samples of an epoch into batches, and these into chunks.
#[derive(Debug)]
pub(super) struct Schedule {
    samples: Vec<usize>,
    effective_batch: usize,
    chunk: usize,
    /// Place of the first sample not handed out.
    next: usize,
}

impl Schedule {
    /// `samples` in the order of the epoch, of which whole batches are skipped.
    pub(super) fn new(
        samples: Vec<usize>,
        effective_batch: usize,
        chunk: usize,
        skip_batches: usize,
    ) -> Self {
        let next = skip_batches
            .saturating_mul(effective_batch)
            .min(samples.len());
        Self {
            samples,
            effective_batch,
            chunk,
            next,
        }
    }

    /// Number of the batch that the next chunk belongs to.
    pub(super) fn next_batch(&self) -> usize {
        self.next / self.effective_batch
    }

    /// The samples of a batch: none behind the last.
    pub(super) fn samples(&self, index: usize) -> &[usize] {
        &self.samples[self.batch(index)]
    }

    /// Number of samples in a batch: none behind the last.
    pub(super) fn batch_len(&self, index: usize) -> usize {
        self.samples(index).len()
    }

    /// Samples not handed out.
    pub(super) fn left(&self) -> &[usize] {
        &self.samples[self.next..]
    }

    /// Chunks not handed out, or a few less.
    pub(super) fn chunks_left(&self) -> usize {
        (self.samples.len() - self.next).div_ceil(self.chunk)
    }

    /// Distinct images of the samples of a batch.
    pub(super) fn images(&self, index: usize, stored: &[Sample]) -> usize {
        distinct_images(self.samples(index), stored)
    }

    fn batch(&self, index: usize) -> Range<usize> {
        let place = |batch: usize| {
            batch
                .saturating_mul(self.effective_batch)
                .min(self.samples.len())
        };
        place(index)..place(index.saturating_add(1))
    }
}

impl Iterator for Schedule {
    type Item = Vec<usize>;

    /// The samples of the next chunk. A chunk never reaches into the next batch.
    fn next(&mut self) -> Option<Vec<usize>> {
        let batch = self.batch(self.next_batch());
        let end = self.next.saturating_add(self.chunk).min(batch.end);
        let chunk = self.samples[self.next..end].to_vec();
        self.next = end;
        (!chunk.is_empty()).then_some(chunk)
    }
}

/// Number of distinct images of some samples.
pub(super) fn distinct_images(samples: &[usize], stored: &[Sample]) -> usize {
    let images: HashSet<usize> = samples.iter().map(|&sample| stored[sample].image).collect();
    images.len()
}
