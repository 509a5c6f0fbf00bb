use std::sync::Arc;

use super::config::LoaderConfig;
use super::epoch::Epoch;
use super::prepare::Preparer;
use super::store::Store;
use crate::encoder::Encoder;
use crate::error::DataError;
use crate::sample::Source;

/// Delivers the samples of a source as whole effective batches.
///
/// The batches of an epoch depend on the source, the encoder, the effective batch, the order's seed and the epoch: not
/// on the number of workers, how far they read ahead, what is preloaded or compressed, or on how many batches were
/// skipped.
pub struct Loader {
    preparer: Arc<Preparer>,
    config: LoaderConfig,
}

impl Loader {
    /// Checks settings and samples, and reads every image when `preload_data` is set.
    ///
    /// # Errors
    /// When a setting is out of range, the source lacks an input of the encoder's, has no samples or
    /// a sample names no image, or, with `preload_data`,
    /// when an image cannot be read.
    pub fn new(
        source: Arc<dyn Source>,
        encoder: Arc<Encoder>,
        config: LoaderConfig,
    ) -> Result<Self, DataError> {
        config.check()?;
        encoder.check()?;
        encoder.inputs.check(source.as_ref())?;
        let images = source.image_count();
        if source.samples().is_empty() {
            return Err(DataError::EmptySplit { images });
        }
        let mut samples = source.samples().iter().enumerate();
        if let Some((sample, lost)) = samples.find(|(_, sample)| sample.image >= images) {
            return Err(DataError::ImageIndex {
                sample,
                image: lost.image,
                images,
            });
        }
        let store = config
            .preload_data
            .then(|| {
                let threads = config.num_workers.max(1);
                Store::load(source.as_ref(), &encoder, threads, config.use_compression)
            })
            .transpose()?;
        let preparer = Preparer {
            source,
            encoder,
            store,
            // Without workers no chunk waits.
            compress: config.use_compression && config.num_workers > 0,
        };
        Ok(Self {
            preparer: Arc::new(preparer),
            config,
        })
    }

    /// The batches of an epoch, from the given one on, as a resumed run needs them. Workers begin to read ahead now.
    ///
    /// # Errors
    /// When the worker threads cannot be started.
    pub fn epoch(&self, epoch: u64, skip_batches: usize) -> Result<Epoch, DataError> {
        Epoch::start(&self.preparer, &self.config, epoch, skip_batches)
    }

    /// Samples in an epoch.
    pub fn samples_per_epoch(&self) -> usize {
        self.preparer.source.samples().len()
    }

    /// Batches in an epoch, the last, smaller one included.
    pub fn batches_per_epoch(&self) -> usize {
        self.samples_per_epoch()
            .div_ceil(self.config.effective_batch)
    }

    /// Bytes of images and region features that stay in memory for as long as the loader: 0 without `preload_data`.
    pub fn resident_bytes(&self) -> usize {
        self.preparer.store.as_ref().map_or(0, Store::bytes)
    }

    /// The samples and images it loads.
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.preparer.source
    }

    /// How it turns them into numbers.
    pub fn encoder(&self) -> &Arc<Encoder> {
        &self.preparer.encoder
    }
}
