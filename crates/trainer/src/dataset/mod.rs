//! The data set of a run.

pub(crate) mod usable;

use std::path::Path;
use std::sync::Arc;
use std::thread;

use config_schema::{
    AnswerNormalisation, Config, DatasetName, ExifOrientation, Preload, ShapesLanguage, Streaming,
    count,
};
use data_pipeline::{
    AnswerList, AnswerReading, DataError, EasyVqa, Encoder, Folder, HoldOut, Language, Loader,
    LoaderConfig, Order, Pieces, Preload as Keep, ReadingFacts, Shapes, ShapesConfig, Source,
    Split, WordPiece, WordPieceForm, fingerprint,
};
use model_api::Model;
use serde::{Deserialize, Serialize};

use crate::randomness::{Stream, seed};

/// The three splits of a data set.
#[derive(Clone)]
pub struct Dataset {
    /// Learned from.
    pub train: Arc<dyn Source>,
    /// Chooses the best checkpoint.
    pub validation: Arc<dyn Source>,
    /// Reported.
    pub test: Arc<dyn Source>,
}

/// Opens the data set of a run from its configuration. Equal configurations give equal data sets.
///
/// # Errors
///
/// When the data set is not there or not valid.
pub type OpenDataset = fn(&Config) -> Result<Dataset, DataError>;

/// [`fingerprint`] of each split: what a run saves to know its data set again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprints {
    train: u32,
    validation: u32,
    test: u32,
    /// What lies in which shard of the training split, if its images lie in shards: the order of a stream depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shards: Option<u32>,
}

impl Fingerprints {
    /// Of what lies in which shard of the training split, if its images lie in shards.
    pub fn shards(&self) -> Option<u32> {
        self.shards
    }

    /// Of one split.
    pub fn of(&self, split: Split) -> u32 {
        match split {
            Split::Train => self.train,
            Split::Validation => self.validation,
            Split::Test => self.test,
        }
    }
}

impl Dataset {
    /// Opens the data set that the configuration names.
    ///
    /// # Errors
    ///
    /// When it is not there or not valid, or when a split lacks an input of the training split's.
    pub fn open(settings: &Config) -> Result<Self, DataError> {
        DataError::all(Self::splits(settings)).and_then(Self::of)
    }

    /// Of splits for training, validation and test.
    ///
    /// # Errors
    ///
    /// When one lacks an input of the training split's.
    pub fn of([train, validation, test]: [Arc<dyn Source>; 3]) -> Result<Self, DataError> {
        let inputs = train.inputs();
        inputs.check(validation.as_ref())?;
        inputs.check(test.as_ref())?;
        Ok(Self {
            train,
            validation,
            test,
        })
    }

    /// Opens each split of the data set that the configuration names, training, validation and test, or says what is wrong
    /// with it.
    pub fn splits(settings: &Config) -> [Result<Arc<dyn Source>, DataError>; 3] {
        let keys = &settings.dataset;
        let hold_out = HoldOut {
            fraction: keys.validation_fraction,
            seed: seed(settings.training.seed, Stream::HoldOut, 0, 0),
        };
        let root = Path::new(&keys.root);
        let reading = match keys.name {
            DatasetName::Shapes | DatasetName::EasyVqa => AnswerReading::default(),
            _ => Folder::reading_of(
                root,
                match keys.answer_normalisation {
                    AnswerNormalisation::Vqa => data_pipeline::AnswerNormalisation::Vqa,
                    AnswerNormalisation::None => data_pipeline::AnswerNormalisation::None,
                },
            ),
        };
        let split = |split| -> Result<Arc<dyn Source>, DataError> {
            Ok(match keys.name {
                DatasetName::Shapes => {
                    let images = match split {
                        Split::Train => keys.shapes_train_images,
                        Split::Validation => keys.shapes_validation_images,
                        Split::Test => keys.shapes_test_images,
                    };
                    let questions_per_image = keys.shapes_questions_per_image;
                    let config = ShapesConfig {
                        seed: keys.shapes_seed,
                        images,
                        questions_per_image,
                    };
                    let shapes =
                        Shapes::new(config, split)?.in_language(match keys.shapes_language {
                            ShapesLanguage::En => Language::En,
                            ShapesLanguage::Zh => Language::Zh,
                        });
                    if keys.shapes_described {
                        Arc::new(shapes.described())
                    } else {
                        Arc::new(shapes)
                    }
                }
                DatasetName::EasyVqa => {
                    Arc::new(EasyVqa::open(&root.join("easy-vqa"), split, hold_out)?)
                }
                // Official files are a folder, too, when they have been imported.
                _ => Arc::new(Folder::open_with(root, split, hold_out, &reading)?),
            })
        };
        side_by_side([Split::Train, Split::Validation, Split::Test], split)
    }

    /// The data of a split.
    pub fn split(&self, split: Split) -> &Arc<dyn Source> {
        match split {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }

    /// How each of its files of questions was read; splits of one file have it once.
    pub fn readings(&self) -> Vec<&ReadingFacts> {
        let splits = [&self.train, &self.validation, &self.test];
        let mut readings: Vec<&ReadingFacts> =
            splits.iter().filter_map(|split| split.reading()).collect();
        readings.dedup_by(|a, b| a.file == b.file);
        readings
    }

    /// What tells this data set from another one.
    pub fn fingerprints(&self) -> Fingerprints {
        Fingerprints {
            train: fingerprint(self.train.as_ref()),
            validation: fingerprint(self.validation.as_ref()),
            test: fingerprint(self.test.as_ref()),
            shards: self.shard_layout(),
        }
    }

    /// A checksum of what lies in which shard of the training split, if its images lie in shards.
    pub(crate) fn shard_layout(&self) -> Option<u32> {
        self.train.in_shard(0).map(|place| place.shards.layout())
    }
}

/// What comes of each split, each in a thread of its own where the system has one: reading half a million questions takes seconds.
fn side_by_side<T: Send, const N: usize>(
    splits: [Split; N],
    of: impl Fn(Split) -> T + Sync,
) -> [T; N] {
    thread::scope(|scope| {
        let of = &of;
        let threads = splits.map(|split| {
            let thread = thread::Builder::new().spawn_scoped(scope, move || of(split));
            (split, thread)
        });
        threads.map(|(split, thread)| match thread {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => of(split),
        })
    })
}

/// How the texts and images of a run become numbers: with the words and answers of its training split, and with word
/// pieces where the model has a coarse branch. Of the inputs that the data set has, those that the model looks at.
///
/// # Errors
///
/// When the split has no word or no answer, the word-piece vocabulary cannot be read or used, or an answer is longer than
/// the model reads.
pub fn training_encoder<M: Model>(
    settings: &Config,
    train: &dyn Source,
) -> Result<Encoder, DataError> {
    let tokens = settings.dataset.max_question_tokens;
    let mut encoder = Encoder::build(train, tokens, settings.dataset.image_size)?;
    encoder.answers = answer_list(settings, train, encoder.answers)?;
    encoder.exif_orientation = exif_orientation(settings);
    encoder.inputs = M::inputs(settings, encoder.inputs);
    if M::texts(settings).word_pieces {
        let tokenizer = match settings.xvlm.vocabulary.as_str() {
            "" => WordPiece::build(train.samples(), WordPieceForm::Xvlm),
            path => WordPiece::read(Path::new(path), WordPieceForm::Xvlm),
        }?;
        encoder.pieces = Some(Pieces::of_training(
            tokenizer,
            tokens,
            M::LONGEST_ANSWER,
            &encoder.answers,
            train,
        )?);
    }
    Ok(encoder)
}

/// The answers that the configuration keeps of those of the training split, or of those of its file.
fn answer_list(
    settings: &Config,
    train: &dyn Source,
    all: AnswerList,
) -> Result<AnswerList, DataError> {
    let keys = &settings.answers;
    let list = match keys.file.as_str() {
        "" => all,
        path => AnswerList::read(Path::new(path))?,
    };
    let fixed = !keys.file.is_empty();
    list.limited(train.samples(), keys.min_count, keys.top, fixed)
}

/// Which way up the configured images are.
pub(crate) fn exif_orientation(settings: &Config) -> data_pipeline::ExifOrientation {
    match settings.dataset.exif_orientation {
        ExifOrientation::Apply => data_pipeline::ExifOrientation::Apply,
        ExifOrientation::Ignore => data_pipeline::ExifOrientation::Ignore,
    }
}

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
    let batches = training_batches(settings, source.as_ref(), limit);
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
    let batches = evaluation_batches(settings, source.as_ref(), limit);
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
        ..evaluation_batches(settings, source.as_ref(), 0)
    };
    Loader::new(source, encoder, batches)
}

/// Loader of a split that is answered once, in batches of so many samples in storage order. Nothing of it is kept.
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
        ..evaluation_batches(settings, source.as_ref(), 0)
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
pub(crate) fn training_batches(settings: &Config, train: &dyn Source, limit: u64) -> LoaderConfig {
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
    }
}

/// How a split is loaded that is evaluated.
pub(crate) fn evaluation_batches(
    settings: &Config,
    split: &dyn Source,
    limit: u64,
) -> LoaderConfig {
    let batch = settings.evaluation_batch_size();
    LoaderConfig {
        effective_batch: batch,
        chunk: batch,
        shuffle: Order::Sequential,
        ..training_batches(settings, split, limit)
    }
}

#[cfg(test)]
mod tests;
