use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::image::{LoadedImage, in_use};
use super::store::Store;
use crate::batch::{Batch, EncodedText};
use crate::encoder::Encoder;
use crate::error::DataError;
use crate::source::Source;
use crate::stream::Held;

/// Makes chunks of samples; shared by the workers.
pub(super) struct Preparer {
    pub(super) source: Arc<dyn Source>,
    pub(super) encoder: Arc<Encoder>,
    /// The preloaded images, if there are any.
    pub(super) store: Option<Store>,
    /// Whether the images of a chunk are compressed while it waits.
    pub(super) compress: bool,
}

/// Samples ready to be put into a batch.
pub(super) struct Chunk {
    samples: Vec<Prepared>,
    /// Every image of the samples once, by its index in the source.
    images: HashMap<usize, LoadedImage>,
}

/// Bytes of a sample in a chunk, beside its lists.
pub(super) const PREPARED: usize = size_of::<Prepared>();

struct Prepared {
    sample: usize,
    image: usize,
    text: EncodedText,
}

impl Preparer {
    /// `held`: encoded images that were read already.
    pub(super) fn prepare(&self, samples: &[usize], held: &Held) -> Result<Chunk, DataError> {
        let stored = self.source.samples();
        let mut images = HashMap::new();
        let mut prepared = Vec::with_capacity(samples.len());
        for &index in samples {
            let sample = &stored[index];
            let image = sample.image;
            if let Entry::Vacant(new) = images.entry(image) {
                new.insert(
                    self.image(image, held.get(&image).map(AsRef::as_ref))
                        .map_err(|error| in_use(self.source.as_ref(), image, error))?,
                );
            }
            prepared.push(Prepared {
                sample: index,
                image,
                text: self.encoder.text(sample),
            });
        }
        Ok(Chunk {
            samples: prepared,
            images,
        })
    }

    /// An image that is preloaded.
    pub(super) fn kept(&self, image: usize) -> Option<LoadedImage> {
        self.store.as_ref().and_then(|store| store.image(image))
    }

    fn image(&self, image: usize, held: Option<&[u8]>) -> Result<LoadedImage, DataError> {
        match self.kept(image) {
            Some(kept) => Ok(kept),
            None => LoadedImage::load(
                self.source.as_ref(),
                &self.encoder,
                image,
                held,
                self.compress,
            ),
        }
    }
}

/// A batch while chunks are added to it.
pub(super) struct Assembly {
    batch: Batch,
    /// Row of each image in the batch, by its index in the source.
    rows: HashMap<usize, usize>,
}

impl Assembly {
    /// For so many images: growing as they come would take up to three times their memory.
    pub(super) fn new(epoch: u64, index: usize, images: usize, encoder: &Encoder) -> Self {
        let mut batch = encoder.empty_batch(epoch, index);
        batch.reserve(images);
        Self {
            batch,
            rows: HashMap::new(),
        }
    }

    pub(super) fn add(&mut self, chunk: Chunk) {
        let Self { batch, rows } = self;
        for prepared in chunk.samples {
            let next = rows.len();
            let row = *rows.entry(prepared.image).or_insert_with(|| {
                chunk.images[&prepared.image].append_to(batch);
                next
            });
            batch.push(prepared.sample, row, prepared.text);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.batch.len()
    }

    pub(super) fn finish(self) -> Batch {
        self.batch
    }
}
