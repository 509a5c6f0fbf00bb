use rayon::ThreadPoolBuilder;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::image::LoadedImage;
use super::prepare::in_use;
use crate::encoder::Encoder;
use crate::error::DataError;
use crate::sample::Source;

/// Every image of a source, decoded and resized.
pub(super) struct Store(Vec<LoadedImage>);

impl Store {
    /// # Errors
    /// Of an image that cannot be read, if there is one; when the threads cannot be started.
    pub(super) fn load(
        source: &dyn Source,
        encoder: &Encoder,
        threads: usize,
        compress: bool,
    ) -> Result<Self, DataError> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|error| DataError::Threads {
                threads,
                problem: error.to_string(),
            })?;
        let load = |image| {
            LoadedImage::load(source, encoder, image, compress)
                .map_err(|error| in_use(source, image, error))
        };
        let images = 0..source.image_count();
        pool.install(|| images.into_par_iter().map(load).collect::<Result<_, _>>())
            .map(Self)
    }

    pub(super) fn image(&self, image: usize) -> LoadedImage {
        self.0[image].clone()
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(LoadedImage::bytes).sum()
    }
}
