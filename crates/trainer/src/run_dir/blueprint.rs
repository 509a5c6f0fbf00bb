//! What a run's checkpoints need beside them, and what its data was when it began.

use std::path::Path;
use std::sync::Arc;

use config_schema::Config;
use data_pipeline::{AnswerList, Encoder, Pieces, Split, Vocabulary, WordPiece, WordPieceForm};
use serde::de::DeserializeOwned;

use crate::dataset::{Dataset, Fingerprints, exif_orientation};
use crate::error::TrainError;
use crate::run_dir::files::write_json;
use crate::run_dir::names::{ANSWERS, DATA, INPUTS, MODEL, VOCABULARY, WORD_PIECES};
use crate::run_dir::seal::Sealed;

/// What a checkpoint needs beside it to be used.
#[derive(Debug, Clone)]
pub struct Blueprint<C> {
    /// How texts and images become numbers.
    pub encoder: Arc<Encoder>,
    /// The model's configuration.
    pub model: C,
}

/// Reads what a run's checkpoints need beside them.
///
/// # Errors
///
/// When a file is missing or does not hold what it should.
pub fn read_blueprint<C: DeserializeOwned>(
    run_dir: &Path,
    settings: &Config,
) -> Result<Blueprint<C>, TrainError> {
    let sealed = Sealed::of(run_dir)?;
    let vocabulary = run_dir.join(VOCABULARY);
    let answers = run_dir.join(ANSWERS);
    let answers = AnswerList::from_json(&sealed.text(ANSWERS)?, &answers)?;
    let word_pieces = run_dir.join(WORD_PIECES);
    let tokens = settings.dataset.max_question_tokens;
    let pieces = if sealed.contains(WORD_PIECES) {
        let text = sealed.text(WORD_PIECES)?;
        let tokenizer = WordPiece::from_text(&text, &word_pieces, WordPieceForm::Xvlm)?;
        // How long an answer may be was seen to when the run began.
        Some(Pieces::new(tokenizer, tokens, usize::MAX, &answers)?)
    } else {
        None
    };
    Ok(Blueprint {
        encoder: Arc::new(Encoder {
            vocabulary: Vocabulary::from_json(&sealed.text(VOCABULARY)?, &vocabulary)?,
            answers,
            max_question_tokens: tokens,
            image_size: settings.dataset.image_size,
            exif_orientation: exif_orientation(settings),
            inputs: sealed.parse(INPUTS)?,
            pieces,
        }),
        model: sealed.parse(MODEL)?,
    })
}

/// Saves in a run's directory what tells its data set from another one. Once it has its blueprint, the file is sealed.
///
/// # Errors
///
/// When the file system refuses.
pub fn write_fingerprints(run_dir: &Path, dataset: &Dataset) -> Result<(), TrainError> {
    write_json(run_dir, DATA, &dataset.fingerprints())
}

/// The splits that are not what they were when the run began. None for a run of an earlier version, which did not write
/// down what they were.
///
/// # Errors
///
/// When the folder is not a run, or what it wrote down was changed.
pub fn changed_splits(run_dir: &Path, dataset: &Dataset) -> Result<Vec<Split>, TrainError> {
    let sealed = Sealed::of(run_dir)?;
    if !sealed.contains(DATA) {
        return Ok(Vec::new());
    }
    let began: Fingerprints = sealed.parse(DATA)?;
    let now = dataset.fingerprints();
    let splits = [Split::Train, Split::Validation, Split::Test].into_iter();
    Ok(splits
        .filter(|split| began.of(*split) != now.of(*split))
        .collect())
}

/// Checks that a run to be continued learns from the data it began with, in the shards that it began with, and chooses its
/// best checkpoint by it.
///
/// # Errors
///
/// Names the training or validation split when it is another one; what [`changed_splits`] fails for.
pub fn require_same_data(run_dir: &Path, dataset: &Dataset) -> Result<(), TrainError> {
    let sealed = Sealed::of(run_dir)?;
    if sealed.contains(DATA) {
        let began: Fingerprints = sealed.parse(DATA)?;
        if began.shards() != dataset.shard_layout() {
            return Err(TrainError::OtherShards {
                run_dir: run_dir.to_owned(),
            });
        }
    }
    let changed = changed_splits(run_dir, dataset)?;
    match changed.into_iter().find(|split| *split != Split::Test) {
        None => Ok(()),
        Some(split) => Err(TrainError::OtherData {
            run_dir: run_dir.to_owned(),
            split: split.name(),
        }),
    }
}
