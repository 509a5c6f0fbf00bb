use rayon::ThreadPool;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::config::Preload;
use super::image::{Form, LoadedImage, in_use};
use crate::check::{Fault, Faults, Use};
use crate::encoder::Encoder;
use crate::error::DataError;
use crate::inputs::{BOX_SIZE, Regions};
use crate::source::Source;
use crate::threads::thread_pool;

/// Images read at a time for each thread: enough to keep all of them busy.
const BLOCK: usize = 16;

/// Blocks of the largest images so far that must fit for a whole block of images of unknown size.
const MARGIN: usize = 4;

/// Images of a source, decoded: all of them, or the first ones.
pub(super) struct Store {
    kept: Vec<LoadedImage>,
}

/// What reads images.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) encoder: &'a Encoder,
    pub(super) threads: usize,
    pub(super) compress: bool,
    /// The form in which images are kept.
    pub(super) form: Form,
}

impl Store {
    /// Reads images in blocks that fit into what is left of the limit, so that it holds at any time. Nothing for
    /// [`Preload::Nothing`].
    ///
    /// # Errors
    /// All images that cannot be read, from the first of them on, also those that would not be kept; when all are to be
    /// kept and the limit is reached before; when the threads cannot be started or the system has no memory for the list.
    pub(super) fn load(reading: Reading, preload: Preload) -> Result<Option<Self>, DataError> {
        let (limit, all) = match preload {
            Preload::Nothing => return Ok(None),
            Preload::All { limit } => (limit, true),
            Preload::UpTo { limit } => (limit, false),
        };
        let images = reading.source.image_count();
        let threads = reading.threads.clamp(1, images.max(1));
        let pool = thread_pool(threads)?;
        // The largest of the images that come next: known where they are resized, else what there was.
        let mut most = match reading.form {
            Form::Stored => u64::MAX,
            Form::Resized | Form::Varied(..) => kept_bytes(reading.encoder),
        };
        // The list of images is there before the first of them.
        let mut bytes = (images * size_of::<LoadedImage>()) as u64;
        let room = |bytes: u64| limit.checked_sub(bytes);
        let mut kept = Vec::with_capacity(room(bytes).map_or(0, |_| images));
        while kept.len() < images {
            let next = match room(bytes) {
                None => Vec::new(),
                Some(left) => {
                    let fit = usize::try_from(left / most).unwrap_or(usize::MAX);
                    let fit = match reading.form {
                        // Near the limit no more than are decoded at a time, for which there is room.
                        Form::Stored if fit < MARGIN * BLOCK * threads => threads,
                        _ => fit.max(1),
                    };
                    let block = (BLOCK * threads).min(images - kept.len()).min(fit);
                    let block = reading.block(&pool, kept.len()..kept.len() + block);
                    block.map_err(|error| reading.broken(&pool, kept.len(), error))?
                }
            };
            let before = kept.len();
            for image in next {
                let grown = bytes + image.allocated() as u64;
                if grown > limit {
                    break;
                }
                bytes = grown;
                if reading.form == Form::Stored {
                    let stored = image.allocated() as u64;
                    most = if most == u64::MAX {
                        stored
                    } else {
                        most.max(stored)
                    };
                }
                kept.push(image);
            }
            if kept.len() == before {
                if !all {
                    break;
                }
                return Err(DataError::PreloadLimit {
                    kept: before,
                    images,
                    limit,
                });
            }
        }
        Ok(Some(Self { kept }))
    }

    /// An image, where it was kept.
    pub(super) fn image(&self, image: usize) -> Option<LoadedImage> {
        self.kept.get(image).cloned()
    }

    /// Images kept.
    pub(super) fn images(&self) -> usize {
        self.kept.len()
    }

    /// Bytes of pixels and region features.
    pub(super) fn bytes(&self) -> usize {
        self.kept.iter().map(LoadedImage::bytes).sum()
    }
}

impl Reading<'_> {
    /// Some images, read in parallel.
    fn block(
        self,
        pool: &ThreadPool,
        images: std::ops::Range<usize>,
    ) -> Result<Vec<LoadedImage>, DataError> {
        pool.install(|| {
            images
                .into_par_iter()
                .map(|image| self.one(image))
                .collect()
        })
    }

    /// What is wrong with all images from one on, the first error given.
    fn broken(self, pool: &ThreadPool, from: usize, first: DataError) -> DataError {
        let files = self.source.image_count();
        let fault = |image: usize| {
            let error = LoadedImage::load(self.source, self.encoder, image, None, false, self.form)
                .err()?;
            let used_by = Use::of_image(self.source, image);
            Some(Fault::of(
                self.source.image_name(image),
                &error,
                vec![used_by],
            ))
        };
        let images = (from..files).into_par_iter().with_max_len(1);
        let faults: Vec<_> = pool.install(|| images.filter_map(fault).collect());
        if faults.is_empty() {
            return first;
        }
        DataError::BadFiles {
            faults: Faults(faults),
            files,
            begun: false,
        }
    }

    pub(super) fn one(self, image: usize) -> Result<LoadedImage, DataError> {
        let (encoder, compress) = (self.encoder, self.compress);
        LoadedImage::load(self.source, encoder, image, None, compress, self.form)
            .map_err(|error| in_use(self.source, image, error))
    }
}

/// Most bytes that a resized image can take beside its place in the list: compression never makes it larger.
pub(super) fn kept_bytes(encoder: &Encoder) -> u64 {
    /// The two counts in front of what an `Arc` shares, for pixels, regions and words.
    const COUNTS: usize = 3 * 2 * size_of::<usize>();
    let side = encoder.image_size as u64;
    let inputs = encoder.inputs;
    let pixels = if inputs.images { side * side * 3 } else { 0 };
    let regions = inputs.regions.map_or(0, |shape| {
        let numbers = shape.regions * (shape.dim + BOX_SIZE);
        numbers * size_of::<f32>() + size_of::<usize>() + size_of::<Regions>()
    });
    let words = inputs.statistical_words.unwrap_or(0) * size_of::<u32>();
    pixels + (regions + words + COUNTS) as u64
}
