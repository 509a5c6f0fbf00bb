use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::image::{Form, LoadedImage, in_use};
use super::store::Store;
use crate::augment::{Augmentation, View, Views};
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
    /// How images are varied.
    pub(super) augmentation: Option<Augmentation>,
}

/// What a worker prepares at a time.
pub(super) struct Piece {
    /// Samples of one effective batch.
    pub(super) samples: Vec<usize>,
    /// The views of that batch, where images are varied.
    pub(super) views: Option<Arc<Views>>,
    /// Encoded images that were read already.
    pub(super) held: Held,
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
    pub(super) fn prepare(&self, piece: &Piece) -> Result<Chunk, DataError> {
        let Piece {
            samples,
            views,
            held,
        } = piece;
        let stored = self.source.samples();
        let mut images = HashMap::new();
        let mut prepared = Vec::with_capacity(samples.len());
        for &index in samples {
            let sample = &stored[index];
            let image = sample.image;
            if let Entry::Vacant(new) = images.entry(image) {
                let view = views.as_ref().and_then(|views| views.get(&image));
                new.insert(
                    self.image(image, held.get(&image).map(AsRef::as_ref), view.copied())
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

    fn image(
        &self,
        image: usize,
        held: Option<&[u8]>,
        view: Option<View>,
    ) -> Result<LoadedImage, DataError> {
        let (source, encoder) = (self.source.as_ref(), self.encoder.as_ref());
        match (self.kept(image), self.augmentation.as_ref().zip(view)) {
            (Some(kept), None) => Ok(kept),
            (Some(kept), Some((augmentation, view))) => kept
                .varied(augmentation, view, encoder.image_size, self.compress)
                .map_err(|error| DataError::Image {
                    image: source.image_name(image),
                    source: error,
                }),
            (None, varied) => {
                let form = varied.map_or(Form::Resized, |(augmentation, view)| {
                    Form::Varied(*augmentation, view)
                });
                LoadedImage::load(source, encoder, image, held, self.compress, form)
            }
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
    /// For this many images: growing as they come would take up to three times their memory.
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
