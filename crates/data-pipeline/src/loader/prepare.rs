use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::store::{Pixels, Store};
use crate::batch::Batch;
use crate::encoder::{EncodedText, Encoder};
use crate::error::DataError;
use crate::sample::Source;

/// Makes chunks of samples; shared by the workers.
pub(super) struct Preparer {
    pub(super) source: Arc<dyn Source>,
    pub(super) encoder: Arc<Encoder>,
    /// The preloaded images, if they are.
    pub(super) store: Option<Store>,
    /// Whether the images of a chunk are compressed while it waits.
    pub(super) compress: bool,
}

/// Samples ready to be put into a batch.
pub(super) struct Chunk {
    samples: Vec<Prepared>,
    /// Every image of the samples once, by its index in the source.
    images: HashMap<usize, Pixels>,
}

struct Prepared {
    sample: usize,
    image: usize,
    text: EncodedText,
}

impl Preparer {
    pub(super) fn prepare(&self, samples: &[usize]) -> Result<Chunk, DataError> {
        let stored = self.source.samples();
        let mut images = HashMap::new();
        let mut prepared = Vec::with_capacity(samples.len());
        for &index in samples {
            let sample = &stored[index];
            let image = sample.image;
            if let Entry::Vacant(new) = images.entry(image) {
                new.insert(self.image(image)?);
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

    fn image(&self, image: usize) -> Result<Pixels, DataError> {
        match &self.store {
            Some(store) => Ok(store.image(image)),
            None => load_image(self.source.as_ref(), &self.encoder, image)
                .map(|pixels| Pixels::keep(pixels, self.compress)),
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
    pub(super) fn new(epoch: u64, index: usize, encoder: &Encoder) -> Self {
        Self {
            batch: Batch::empty(epoch, index, encoder),
            rows: HashMap::new(),
        }
    }

    pub(super) fn add(&mut self, chunk: Chunk) {
        let Self { batch, rows } = self;
        for prepared in chunk.samples {
            let next = rows.len();
            let row = *rows.entry(prepared.image).or_insert_with(|| {
                chunk.images[&prepared.image].append_to(&mut batch.images);
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

/// The pixels of an image, `[image_size, image_size, 3]`. A panic in the source or a decoder becomes an error, as one
/// damaged file must not take a worker with it.
pub(super) fn load_image(
    source: &dyn Source,
    encoder: &Encoder,
    image: usize,
) -> Result<Vec<u8>, DataError> {
    let load = || {
        let encoded = source.encoded_image(image)?;
        encoder.pixels(&encoded).map_err(|error| DataError::Image {
            image: source.image_name(image),
            source: error,
        })
    };
    catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|panic| {
        Err(DataError::Panicked {
            image: source.image_name(image),
            message: message_of(panic.as_ref()),
        })
    })
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
        .to_owned()
}
