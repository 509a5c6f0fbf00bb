//! The data set of a run.

use std::path::Path;
use std::sync::Arc;

use config_schema::{
    AnswerNormalisation, Config, DatasetName, ExifOrientation, Preload, ShapesLanguage,
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

/// What can be read of a data set.
pub struct ReadableSplits {
    /// Splits, or what can be read of them, the training split first where it is among them.
    pub splits: Vec<Arc<dyn Source>>,
    /// All that is wrong with the rest.
    pub error: Option<DataError>,
}

const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

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
}

impl Fingerprints {
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

    /// The splits of the data set that the configuration names as far as they can be read, and all that is wrong with the rest.
    pub fn readable(settings: &Config) -> ReadableSplits {
        let opened = match settings.dataset.name {
            DatasetName::Folder => {
                let root = Path::new(&settings.dataset.root);
                let reading = reading_of(settings, root);
                SPLITS.map(|split| {
                    let (part, rest) = Folder::readable(root, split, &reading)?.unzip();
                    let part = part.map(|part| Arc::new(part) as Arc<dyn Source>);
                    Ok::<_, DataError>((part, rest.unwrap_or(Ok(()))))
                })
            }
            DatasetName::Shapes | DatasetName::EasyVqa => {
                Self::splits(settings).map(|split| Ok((Some(split?), Ok(()))))
            }
        };
        let mut splits = Vec::new();
        let opened = opened.map(|split| {
            let (part, rest) = split?;
            splits.extend(part);
            rest
        });
        ReadableSplits {
            error: DataError::all(opened).err(),
            splits,
        }
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
            DatasetName::Folder => reading_of(settings, root),
            DatasetName::Shapes | DatasetName::EasyVqa => AnswerReading::default(),
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
                DatasetName::Folder => {
                    Arc::new(Folder::open_with(root, split, hold_out, &reading)?)
                }
            })
        };
        SPLITS.map(split)
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
        }
    }
}

/// How the answers of a folder are read.
fn reading_of(settings: &Config, root: &Path) -> AnswerReading {
    let normalisation = match settings.dataset.answer_normalisation {
        AnswerNormalisation::Vqa => data_pipeline::AnswerNormalisation::Vqa,
        AnswerNormalisation::None => data_pipeline::AnswerNormalisation::None,
    };
    Folder::reading_of(root, normalisation)
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
    Loader::new(source, encoder, training_batches(settings, limit))
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
    Loader::new(source, encoder, evaluation_batches(settings, limit))
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
        ..evaluation_batches(settings, 0)
    };
    Loader::new(source, encoder, batches)
}

/// How the training split is loaded.
pub(crate) fn training_batches(settings: &Config, limit: u64) -> LoaderConfig {
    let key = seed(settings.training.seed, Stream::Order, 0, 0);
    let shuffle = if settings.data_loading.streaming {
        Order::Buffered {
            seed: key,
            buffer: settings.data_loading.shuffle_buffer_size,
        }
    } else {
        match settings.data_loading.image_group_size {
            1 => Order::Permutation { seed: key },
            group => Order::Grouped { seed: key, group },
        }
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
pub(crate) fn evaluation_batches(settings: &Config, limit: u64) -> LoaderConfig {
    let batch = settings.evaluation_batch_size();
    LoaderConfig {
        effective_batch: batch,
        chunk: batch,
        shuffle: Order::Sequential,
        ..training_batches(settings, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_decides_which_way_up_images_are() {
        let mut settings = Config::default();
        let default = exif_orientation(&settings);
        assert_eq!(default, data_pipeline::ExifOrientation::Apply);
        settings.dataset.exif_orientation = ExifOrientation::Ignore;
        let ignored = exif_orientation(&settings);
        assert_eq!(ignored, data_pipeline::ExifOrientation::Ignore);
    }
}
