//! What the trainer needs of a model.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use config_schema::Config;
use data_pipeline::{Encoder, Inputs};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::batch::DeviceBatch;
use crate::groups::ParameterGroup;

/// A model that the trainer can train: implement it for a model of your own and name that model where the
/// command line is wired.
pub trait Model: Module + Sync + 'static {
    /// What the model is built from; saved with the run, so that a checkpoint can be opened by itself.
    type Config: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;

    /// Word pieces of the longest answer that the model reads, start and end among them.
    const LONGEST_ANSWER: usize = usize::MAX;

    /// What the model looks at beside the questions, of what the training split has: all of it, if a model does not say
    /// otherwise. Batches carry nothing else.
    fn inputs(_settings: &Config, there: Inputs) -> Inputs {
        there
    }

    /// Which forms of text the model reads: words, if a model does not say otherwise.
    fn texts(_settings: &Config) -> Texts {
        Texts {
            words: true,
            word_pieces: false,
        }
    }

    /// The model's configuration for a run on data of a certain shape.
    ///
    /// # Errors
    ///
    /// When the settings do not describe a model that can be built.
    fn configure(settings: &Config, data: &DataShape) -> Result<Self::Config, ConfigureError>;

    /// Creates the model with freshly drawn weights on `device`.
    fn init(config: &Self::Config, device: &Device) -> Self;

    /// Whether the settings name published weights to begin with.
    fn names_pretrained(_settings: &Config) -> bool {
        false
    }

    /// Takes over the published weights that the settings name, in front of the first step, and says what became of
    /// them. A model that knows none keeps its own.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or does not have all of the part that it is for.
    fn pretrained(self, _settings: &Config) -> Result<(Self, Option<Pretrained>), PretrainedError> {
        Ok((self, None))
    }

    /// The model as the settings want it carried out: what it keeps for the backward pass, say. Nothing else may come of
    /// it, so the settings of a resumed run may differ.
    #[must_use]
    fn carried_out(self, _settings: &Config) -> Self {
        self
    }

    /// Loss of every sample, `[batch]`. The trainer weighs and sums them, so the loss must not be averaged
    /// over the batch and must not depend on what else is in it.
    fn losses(&self, batch: DeviceBatch) -> Tensor<1>;

    /// What the model answers.
    fn answer(&self, batch: DeviceBatch) -> ModelOutput;

    /// The groups that parameters are optimized in, in the order in which they are stepped and saved. A single one, if a
    /// model does not say otherwise.
    fn groups(settings: &Config) -> Vec<ParameterGroup> {
        vec![ParameterGroup::fine(settings)]
    }

    /// The name of the group that the parameter at `path` (`module.submodule.weight`) is in.
    fn group(_path: &str) -> &'static str {
        ParameterGroup::FINE
    }

    /// Settings with which this model takes less memory in training, beyond those that the trainer knows of, each with the
    /// assignment that makes it, such as `training.tune_xvlm=false`. `aoa plan` says what each would save.
    fn memory_switches(_settings: &Config) -> Vec<(&'static str, Config)> {
        Vec::new()
    }
}

/// Why the settings do not describe a model, for the user.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ConfigureError(pub String);

/// Why published weights could not be taken over.
#[derive(Debug)]
pub struct PretrainedError {
    /// What is to be changed.
    pub fault: PretrainedFault,
    /// What is wrong, and with which file.
    pub problem: Box<dyn Error + Send + Sync>,
    /// What to do about it.
    pub help: Option<&'static str>,
}

/// What keeps published weights from being taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PretrainedFault {
    /// The file cannot be used.
    File,
    /// The settings describe a model that has no part for the weights.
    Settings,
}

impl fmt::Display for PretrainedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl Error for PretrainedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.problem.source()
    }
}

/// Published weights that a model took over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pretrained {
    /// The file.
    pub path: PathBuf,
    /// What became of each weight, for the user.
    pub report: String,
}

/// What a model must know of the data before it can be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataShape {
    /// Word ids, padding and unknown among them.
    pub vocabulary: usize,
    /// Answers of the answer list.
    pub answers: usize,
    /// Tokens of the word-piece vocabulary; none if the run has no word pieces.
    pub word_pieces: Option<usize>,
    /// What batches carry beside the questions.
    pub inputs: Inputs,
}

impl DataShape {
    /// The shape of what an encoder makes.
    pub fn of(encoder: &Encoder) -> Self {
        Self {
            vocabulary: encoder.vocabulary.len(),
            answers: encoder.answers.len(),
            word_pieces: encoder
                .pieces
                .as_ref()
                .map(|pieces| pieces.tokenizer().len()),
            inputs: encoder.inputs,
        }
    }
}

/// Forms of text that a model reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Texts {
    /// Words of the training split.
    pub words: bool,
    /// Word pieces, as BERT splits words.
    pub word_pieces: bool,
}

/// What a model answers.
#[derive(Debug, Clone)]
pub struct ModelOutput {
    /// Probability of every answer, `[batch, answers]`.
    pub probabilities: Tensor<2>,
    /// The same from each of the model's branches by itself, where it has several; empty otherwise.
    pub branches: Vec<(&'static str, Tensor<2>)>,
}
