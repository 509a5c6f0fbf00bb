//! The data set of a run.

mod loaders;
pub(crate) mod usable;

use std::path::Path;
use std::sync::Arc;
use std::thread;

use config_schema::{AnswerNormalisation, Config, DatasetName, ExifOrientation, ShapesLanguage};
use data_pipeline::{
    AnswerList, AnswerReading, DataError, EasyVqa, Encoder, Folder, HoldOut, Language, Pieces,
    ReadingFacts, Shapes, ShapesConfig, Source, Split, WordPiece, WordPieceForm, fingerprint,
};
use model_api::Model;
use serde::{Deserialize, Serialize};

use crate::randomness::{Stream, seed};

pub(crate) use loaders::{
    augmentation_warning, evaluation_batches, prediction_loader, training_batches,
};
pub use loaders::{evaluation_loader, order_in_words, training_loader, validation_loader};

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

    /// The splits of the data set that the configuration names as far as they can be read, and all that is wrong with the rest.
    pub fn readable(settings: &Config) -> ReadableSplits {
        let opened = match settings.dataset.name {
            DatasetName::Shapes | DatasetName::EasyVqa => {
                Self::splits(settings).map(|split| Ok((Some(split?), Ok(()))))
            }
            _ => {
                let root = Path::new(&settings.dataset.root);
                let reading = reading_of(settings, root);
                side_by_side(SPLITS, |split| {
                    let (part, rest) = Folder::readable(root, split, &reading)?.unzip();
                    let part = part.map(|part| Arc::new(part) as Arc<dyn Source>);
                    Ok::<_, DataError>((part, rest.unwrap_or(Ok(()))))
                })
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
        let shapes = |split| -> Result<Arc<dyn Source>, DataError> {
            let images = match split {
                Split::Train => keys.shapes_train_images,
                Split::Validation => keys.shapes_validation_images,
                Split::Test => keys.shapes_test_images,
            };
            let config = ShapesConfig {
                seed: keys.shapes_seed,
                images,
                questions_per_image: keys.shapes_questions_per_image,
            };
            let shapes = Shapes::new(config, split)?.in_language(match keys.shapes_language {
                ShapesLanguage::En => Language::En,
                ShapesLanguage::Zh => Language::Zh,
            });
            if keys.shapes_described {
                Ok(Arc::new(shapes.described()))
            } else {
                Ok(Arc::new(shapes))
            }
        };
        let easy_vqa = |split| {
            let split = EasyVqa::open(&root.join("easy-vqa"), split, hold_out)?;
            Ok(Arc::new(split) as Arc<dyn Source>)
        };
        match keys.name {
            DatasetName::Shapes => side_by_side(SPLITS, shapes),
            DatasetName::EasyVqa => side_by_side(SPLITS, easy_vqa),
            // Official files are a folder, too, when they have been imported.
            _ => Folder::open_all(root, hold_out, &reading_of(settings, root))
                .map(|split| Ok(Arc::new(split?) as Arc<dyn Source>)),
        }
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
        let [train, validation, test] =
            side_by_side(SPLITS, |split| fingerprint(self.split(split).as_ref()));
        Fingerprints {
            train,
            validation,
            test,
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

#[cfg(test)]
mod tests;
