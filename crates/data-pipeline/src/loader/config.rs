use super::image::Form;
use super::order::Order;
use crate::augment::Augmentation;
use crate::error::DataError;

/// Which images a loader decodes once, at the start, and keeps in memory, `image_size² x 3` bytes each; where they
/// are cropped at random, as they are stored, since a crop needs every pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preload {
    /// None.
    Nothing,
    /// Every one, within this many bytes; an error where they take more.
    All {
        /// Most bytes to keep.
        limit: u64,
    },
    /// As many as this many bytes hold, from the first on.
    UpTo {
        /// Most bytes to keep.
        limit: u64,
    },
}

impl Preload {
    /// Every image, whatever they take.
    pub const ALL: Self = Self::All { limit: u64::MAX };
}

/// How a [`Loader`](crate::Loader) works. Only `effective_batch`, `shuffle` and `augmentation` have a say
/// in what it delivers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoaderConfig {
    /// Samples of a batch; the last one of an epoch may have fewer.
    pub effective_batch: usize,
    /// Samples a worker prepares at a time (`training.batch_size`).
    pub chunk: usize,
    /// Threads that prepare chunks; 0 prepares them in the calling thread, none ahead.
    pub num_workers: usize,
    /// Chunks a worker may be ahead: at most `num_workers x prefetch_factor` chunks are in work or wait.
    pub prefetch_factor: usize,
    /// Which images are decoded once, at the start, and kept.
    pub preload: Preload,
    /// Keep preloaded images and waiting chunks LZ4-compressed where that makes them smaller: a little more time.
    pub use_compression: bool,
    /// Order of the samples.
    pub shuffle: Order,
    /// How images are varied; nothing for images as they are.
    pub augmentation: Option<Augmentation>,
}

impl LoaderConfig {
    /// In which form images are kept.
    pub(super) fn kept_form(&self) -> Form {
        match self.augmentation {
            Some(augmentation) if augmentation.crops() => Form::Stored,
            _ => Form::Resized,
        }
    }

    /// Chunks in work or waiting at most.
    pub(super) fn prefetched_chunks(&self) -> usize {
        self.num_workers.saturating_mul(self.prefetch_factor)
    }

    /// # Errors
    /// When a size is 0 that must not be, or the augmentation is out of range.
    pub(super) fn check(&self) -> Result<(), DataError> {
        if let Some(augmentation) = &self.augmentation {
            augmentation.check()?;
        }
        let (group, buffer) = match self.shuffle {
            Order::Sequential | Order::Permutation { .. } => (1, 1),
            Order::Grouped { group, .. } => (group, 1),
            Order::Streamed { group, buffer, .. } => (group, buffer),
        };
        let sizes = [
            ("effective_batch", self.effective_batch),
            ("chunk", self.chunk),
            ("prefetch_factor", self.prefetch_factor),
            ("shuffle group", group),
            ("shuffle buffer", buffer),
        ];
        DataError::unless_positive(sizes)
    }
}
