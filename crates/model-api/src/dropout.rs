//! What dropout of a micro-batch is drawn by.

use burn_frugal::RowKeys;

/// What dropout in one pass over a micro-batch is drawn by: a key for each sample, image and right answer.
///
/// Whether a number is dropped is a function of the key, of the layer and of its place within the sample, and of nothing
/// else. The same samples therefore meet the same masks in whatever micro-batches they are, when a micro-batch is replayed
/// and when a segment is rebuilt, on every backend.
#[derive(Debug, Clone)]
pub struct DropoutKeys {
    /// Keys of the samples, `[batch]`.
    pub samples: RowKeys,
    /// Keys of the images, `[images]`: what is computed once an image is dropped once for all samples about it.
    pub images: RowKeys,
    /// Keys of the right answers, `[right answers]`.
    pub answers: RowKeys,
}

impl DropoutKeys {
    /// Keys of a layer, or of a group of layers: another `index`, other masks.
    #[must_use]
    pub fn fold_in(&self, index: usize) -> Self {
        Self {
            samples: self.samples.fold_in(index),
            images: self.images.fold_in(index),
            answers: self.answers.fold_in(index),
        }
    }
}
