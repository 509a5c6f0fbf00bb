use std::sync::Arc;

use rayon::ThreadPoolBuilder;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::prepare::load_image;
use crate::encoder::Encoder;
use crate::error::DataError;
use crate::sample::Source;

/// The pixels of a resized image as they are kept in memory; a clone shares them.
#[derive(Clone)]
pub(super) enum Pixels {
    Plain(Arc<[u8]>),
    Lz4(Arc<[u8]>),
}

impl Pixels {
    pub(super) fn keep(pixels: Vec<u8>, compress: bool) -> Self {
        if compress {
            Self::Lz4(lz4_flex::compress_prepend_size(&pixels).into())
        } else {
            Self::Plain(pixels.into())
        }
    }

    pub(super) fn append_to(&self, images: &mut Vec<u8>) {
        match self {
            Self::Plain(pixels) => images.extend_from_slice(pixels),
            Self::Lz4(block) => images.extend(
                lz4_flex::decompress_size_prepended(block)
                    .expect("the block was compressed by this process"),
            ),
        }
    }

    /// Bytes held in memory.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Plain(bytes) | Self::Lz4(bytes) => bytes.len(),
        }
    }
}

/// Every image of a source, decoded and resized.
pub(super) struct Store(Vec<Pixels>);

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
        let keep = |image| Ok(Pixels::keep(load_image(source, encoder, image)?, compress));
        let images = 0..source.image_count();
        pool.install(|| images.into_par_iter().map(keep).collect::<Result<_, _>>())
            .map(Self)
    }

    pub(super) fn image(&self, image: usize) -> Pixels {
        self.0[image].clone()
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(Pixels::bytes).sum()
    }
}
