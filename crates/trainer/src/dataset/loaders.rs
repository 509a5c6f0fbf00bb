//! How the splits of a run are loaded: batches, order, and what is kept.

use std::sync::Arc;

use config_schema::{Config, Preload, Streaming, count};
use data_pipeline::{
    Augmentation, DataError, Encoder, Loader, LoaderConfig, Order, Preload as Keep, Source,
};

use crate::randomness::{Stream, seed};

/// Loader of the training split: effective batches in keyed order. Of its images at most `limit` bytes are kept.
///
/// # Errors
///
/// When the split cannot be preloaded.
pub fn training_loader(
    settings: &Config,
    source: Arc<dyn Source>,
    encoder: Arc<Encoder>,
    limit: u64,
) -> Result<Loader, DataError> {
    let batches = training_batches(settings, &encoder, source.as_ref(), limit);
    Loader::new(source, encoder, batches)
}

/// Loader of a split that is evaluated again and again: batches of `evaluation.batch_size` in storage order. Of its images
/// at most `limit` bytes are kept.
///
/// # Errors
///
/// When the split cannot be preloaded.
pub fn validation_loader(
    settings: &Config,
    source: Arc<dyn Source>,
    encoder: Arc<Encoder>,
    limit: u64,
) -> Result<Loader, DataError> {
    let batches = evaluation_batches(settings, &encoder, source.as_ref(), limit);
    Loader::new(source, encoder, batches)
}

/// Loader of a split that is evaluated once, so that nothing of it is kept.
///
/// # Errors
///
/// When the split lacks an input of the encoder's, or has no samples.
pub fn evaluation_loader(
    settings: &Config,
    source: Arc<dyn Source>,
    encoder: Arc<Encoder>,
) -> Result<Loader, DataError> {
    let batches = LoaderConfig {
        preload: Keep::Nothing,
        ..evaluation_batches(settings, &encoder, source.as_ref(), 0)
    };
    Loader::new(source, encoder, batches)
}

/// Loader of a split that is answered once, in batches of this many samples in storage order. Nothing of it is kept.
///
/// # Errors
///
/// When the split lacks an input of the encoder's, or has no samples.
pub(crate) fn prediction_loader(
    settings: &Config,
    source: Arc<dyn Source>,
    encoder: Arc<Encoder>,
    batch: usize,
) -> Result<Loader, DataError> {
    let batches = LoaderConfig {
        effective_batch: batch,
        preload: Keep::Nothing,
        ..evaluation_batches(settings, &encoder, source.as_ref(), 0)
    };
    Loader::new(source, encoder, batches)
}

/// Whether training samples go through a shuffle buffer.
fn streams(settings: &Config, train: &dyn Source) -> bool {
    match settings.data_loading.streaming {
        Streaming::Off => false,
        Streaming::On => true,
        Streaming::Auto => train.in_shard(0).is_some(),
    }
}

/// The order of training samples in words, and whether `data_loading.shuffle_buffer_size` is in effect.
pub fn order_in_words(settings: &Config, train: &dyn Source) -> String {
    let shards = train.in_shard(0).map(|place| place.shards.len());
    let buffer = settings.data_loading.shuffle_buffer_size;
    match (streams(settings, train), shards) {
        (true, Some(shards)) => format!(
            "order: streamed from {} through a buffer of {}",
            count(shards, "shard"),
            count(buffer, "sample")
        ),
        (true, None) => format!(
            "order: streamed from files of images through a buffer of {}",
            count(buffer, "sample")
        ),
        (false, shards) => {
            let why = match shards {
                Some(_) => "`data_loading.streaming` is off",
                None => "images are not in shards",
            };
            format!(
                "order: a permutation of all samples each epoch; {why}, so `data_loading.shuffle_buffer_size` is not in effect"
            )
        }
    }
}

/// How the training split is loaded.
pub(crate) fn training_batches(
    settings: &Config,
    encoder: &Encoder,
    train: &dyn Source,
    limit: u64,
) -> LoaderConfig {
    let key = seed(settings.training.seed, Stream::Order, 0, 0);
    let shuffle = match settings.data_loading.image_group_size {
        group if streams(settings, train) => Order::Streamed {
            seed: key,
            buffer: settings.data_loading.shuffle_buffer_size,
            group,
        },
        1 => Order::Permutation { seed: key },
        group => Order::Grouped { seed: key, group },
    };
    LoaderConfig {
        effective_batch: settings.effective_batch(),
        chunk: settings.training.batch_size,
        num_workers: settings.memory_optimization.num_workers,
        prefetch_factor: settings.memory_optimization.prefetch_factor,
        preload: match settings.data_loading.preload_data {
            Preload::Off => Keep::Nothing,
            // Nothing is granted where not even training fits; it says so, and loading must not before.
            Preload::On if limit == 0 => Keep::Nothing,
            Preload::On => Keep::All { limit },
            Preload::Auto => Keep::UpTo { limit },
        },
        use_compression: settings.data_loading.use_compression,
        shuffle,
        augmentation: augmentation(settings, encoder),
    }
}

/// How training images are varied: as configured, and not at all where that cannot be, which [`augmentation_warning`] says.
fn augmentation(settings: &Config, encoder: &Encoder) -> Option<Augmentation> {
    let keys = &settings.augmentation;
    (keys.is_on() && encoder.inputs.can_be_augmented()).then(|| Augmentation {
        seed: seed(settings.training.seed, Stream::Augmentation, 0, 0),
        crop_scale: keys.crop_scale,
        flip: keys.flip,
        operations: keys.operations,
        magnitude: keys.magnitude,
    })
}

/// That images are not varied although that is configured, and why.
pub(crate) fn augmentation_warning(settings: &Config, encoder: &Encoder) -> Option<String> {
    let inputs = &encoder.inputs;
    let off = settings.augmentation.is_on() && !inputs.can_be_augmented();
    off.then(|| {
        let why = if inputs.images {
            "the model looks at region features beside the images, which cannot be cropped or mirrored with them"
        } else {
            "the model looks at region features and at no image"
        };
        format!(
            "images are not augmented: {why}; to silence this warning, set `augmentation.crop_scale = 1`, \
             `augmentation.flip = 0` and `augmentation.operations = 0`"
        )
    })
}

/// How a split is loaded that is evaluated.
pub(crate) fn evaluation_batches(
    settings: &Config,
    encoder: &Encoder,
    split: &dyn Source,
    limit: u64,
) -> LoaderConfig {
    let batch = settings.evaluation_batch_size();
    LoaderConfig {
        effective_batch: batch,
        chunk: batch,
        shuffle: Order::Sequential,
        augmentation: None,
        ..training_batches(settings, encoder, split, limit)
    }
}
