//! The whole configuration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sections::{
    Answers, Augmentation, Checkpoint, DataLoading, Dataset, Evaluation, Family, Hardware, Logging,
    MemoryOptimization, Model, Optimizer, Precision, PresetInfo, Schedule, Training, Xvlm,
};

/// Everything that decides a run, one field a section.
///
/// [`Default`] is the bottom layer of every resolution. In a configuration that came out of
/// [`resolve`](crate::resolve()), `training.update_freq` and `memory_optimization.gradient_accumulation_steps` are
/// both `Some` and equal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What the preset is for.
    pub preset: PresetInfo,
    /// The presets that promise the same effective batch.
    pub family: Family,
    /// The device that trains.
    pub hardware: Hardware,
    /// The data set, and the size to which its images and questions are cut.
    pub dataset: Dataset,
    /// How training images are varied.
    pub augmentation: Augmentation,
    /// The answers that a model can give.
    pub answers: Answers,
    /// The branches of the model, and the size of the fine one.
    pub model: Model,
    /// Size of X-VLM.
    pub xvlm: Xvlm,
    /// Micro-batch, learning rates and length of the run.
    pub training: Training,
    /// Adamax for the fine branch, `AdamW` for the encoders.
    pub optimizer: Optimizer,
    /// How the learning rates change over the run.
    pub schedule: Schedule,
    /// Number formats.
    pub precision: Precision,
    /// What is traded against device memory, and how samples are fetched ahead.
    pub memory_optimization: MemoryOptimization,
    /// How samples travel from storage to the device, and in which order.
    pub data_loading: DataLoading,
    /// How the model is measured while it trains.
    pub evaluation: Evaluation,
    /// When the state of a run is saved.
    pub checkpoint: Checkpoint,
    /// Where a run writes and how often it reports.
    pub logging: Logging,
}

impl Config {
    /// Micro-batches of one optimizer update: `training.update_freq`, else
    /// `memory_optimization.gradient_accumulation_steps`, else 1.
    pub fn accumulation_steps(&self) -> usize {
        self.training
            .update_freq
            .or(self.memory_optimization.gradient_accumulation_steps)
            .unwrap_or(1)
    }

    /// The samples of one optimizer update: `batch_size` × [`accumulation_steps`](Self::accumulation_steps).
    pub fn effective_batch(&self) -> usize {
        self.training.batch_size * self.accumulation_steps()
    }

    /// Micro-batches that are computed at the same time: `hardware.parallel_micro_batches`, and no more than an effective batch
    /// has of `training.batch_size` samples. More would have to be smaller, which changes sums to rounding.
    pub fn parallel_micro_batches(&self) -> usize {
        let micro_batches = self.accumulation_steps().max(1);
        self.hardware.parallel_micro_batches.min(micro_batches)
    }

    /// The key that freezes image encoder and coarse branch, if one does.
    pub(crate) fn freezing_key(&self) -> Option<&'static str> {
        match self.training {
            Training {
                tune_xvlm: false, ..
            } => Some("training.tune_xvlm"),
            Training { xvlm_lr, .. } if xvlm_lr <= 0.0 => Some("training.xvlm_lr"),
            _ => None,
        }
    }

    /// Samples of one forward pass in evaluation: `evaluation.batch_size`, or `training.batch_size` where that is 0.
    pub fn evaluation_batch_size(&self) -> usize {
        match self.evaluation.batch_size {
            0 => self.training.batch_size,
            size => size,
        }
    }
}
