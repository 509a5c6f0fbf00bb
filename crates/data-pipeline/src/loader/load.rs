use std::sync::Arc;

use super::config::LoaderConfig;
use super::epoch::Epoch;
use super::prepare::Preparer;
use super::store::{Reading, Store};
use crate::encoder::Encoder;
use crate::error::DataError;
use crate::source::Source;

/// Delivers the samples of a source as whole effective batches.
///
/// The batches of an epoch depend on the source, the encoder, the effective batch, the order, the augmentation and the epoch: not
/// on the number of workers, how far they read ahead, what is preloaded or compressed, or on how many batches were
/// skipped.
pub struct Loader {
    preparer: Arc<Preparer>,
    config: LoaderConfig,
}

impl Loader {
    /// Checks settings and samples, and reads the images to preload.
    ///
    /// # Errors
    /// When a setting is out of range, images are to be augmented and there are region features or no images, the source lacks an input of the encoder's, has no samples or a sample names no
    /// image; when an image to preload cannot be read, or all are to be kept and take more than their limit.
    pub fn new(
        source: Arc<dyn Source>,
        encoder: Arc<Encoder>,
        config: LoaderConfig,
    ) -> Result<Self, DataError> {
        config.check()?;
        encoder.check()?;
        encoder.inputs.check(source.as_ref())?;
        unless_apart(&config, &encoder)?;
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
        let reading = Reading {
            source: source.as_ref(),
            encoder: &encoder,
            threads: config.num_workers,
            compress: config.use_compression,
            form: config.kept_form(),
        };
        let store = Store::load(reading, config.preload)?;
        let preparer = Preparer {
            source,
            encoder,
            store,
            // Without workers no chunk waits.
            compress: config.use_compression && config.num_workers > 0,
            augmentation: config.augmentation,
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

    /// Images that stay in memory for as long as the loader.
    pub fn preloaded_images(&self) -> usize {
        self.preparer.store.as_ref().map_or(0, Store::images)
    }

    /// Bytes of the pixels and region features of these images.
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

/// # Errors
/// When images are to be varied and there are none, or region features that would have to be varied with them.
fn unless_apart(config: &LoaderConfig, encoder: &Encoder) -> Result<(), DataError> {
    if config.augmentation.is_none() || encoder.inputs.can_be_augmented() {
        return Ok(());
    }
    let without = if encoder.inputs.images {
        "on beside region features"
    } else {
        "on without images"
    };
    Err(DataError::Setting {
        setting: "augmentation",
        value: without.to_owned(),
        expected: "images without region features, which cannot be cropped or mirrored with them",
    })
}
