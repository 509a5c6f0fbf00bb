//! What the trainer needs of a model.

use std::path::PathBuf;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use config_schema::Config;
use data_pipeline::{Encoder, Inputs};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::batch::DeviceBatch;
use crate::error::TrainError;

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

    /// The model's configuration for a run on data of a certain shape.
    ///
    /// # Errors
    ///
    /// A sentence for the user when the settings do not describe a model that can be built.
    fn configure(settings: &Config, data: &DataShape) -> Result<Self::Config, String>;

    /// Creates the model with freshly drawn weights on `device`.
    fn init(config: &Self::Config, device: &Device) -> Self;

    /// Takes over the published weights that the settings name, in front of the first step, and says what became of
    /// them. A model that knows none keeps its own.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or does not have all of the part that it is for.
    fn pretrained(self, _settings: &Config) -> Result<(Self, Option<Pretrained>), TrainError> {
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

    /// The group that the parameter at `path` (`module.submodule.weight`) is optimized in.
    fn group(path: &str) -> Group;
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
    /// Tokens of the word-piece vocabulary; none where the run has no word pieces.
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

/// What a model answers.
#[derive(Debug, Clone)]
pub struct ModelOutput {
    /// Probability of every answer, `[batch, answers]`.
    pub probabilities: Tensor<2>,
    /// The same from each of the model's branches by itself, where it has several; empty otherwise.
    pub branches: Vec<(&'static str, Tensor<2>)>,
}

/// Parameter groups; each has its own optimizer, base learning rate and schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Everything but X-VLM: Adamax at `training.lr`.
    Fine,
    /// X-VLM, or the image encoder in its place: `AdamW` at `training.xvlm_lr`.
    Xvlm,
}

impl Group {
    /// All groups, in the order in which they are stepped and saved.
    pub const ALL: [Self; 2] = [Self::Fine, Self::Xvlm];

    /// Name in file names and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Xvlm => "xvlm",
        }
    }
}
