//! What a run reports while it goes on.

use std::collections::BTreeMap;
use std::path::PathBuf;

use config_schema::PrecisionMode;
use data_pipeline::DataReport;
use model_api::Pretrained;
use serde::{Deserialize, Serialize};

use crate::advice::Advice;
use crate::plan::SegmentChoice;

/// Something that happened in a run. The same events make up `metrics.jsonl`, the lines of
/// `aoa train --json` and what the progress bar shows.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run begins or goes on.
    Start {
        /// Where the run writes to.
        run_dir: PathBuf,
        /// Device it runs on.
        device: String,
        /// Data set.
        dataset: String,
        /// Samples of the training, validation and test split.
        samples: [usize; 3],
        /// Words of the vocabulary.
        vocabulary: usize,
        /// Answers of the answer list.
        answers: usize,
        /// Trainable parameters.
        parameters: usize,
        /// Number format of products, as `precision.mode` has it.
        precision: PrecisionMode,
        /// Samples of an update.
        effective_batch: usize,
        /// Samples of a micro-batch as configured.
        micro_batch: usize,
        /// Bytes of device memory that may be used; absent where there is no budget.
        budget_bytes: Option<u64>,
        /// Steps of the whole run.
        total_steps: usize,
        /// Steps taken already.
        step: usize,
    },
    /// What the data set lets a model learn and reach; once, when the run begins.
    Data(Box<DataReport>),
    /// The budget decided on the length of the segments that are computed twice.
    Segments(SegmentChoice),
    /// Images were preloaded as far as they fit.
    Preloaded {
        /// Images that are kept in host memory.
        images: usize,
        /// Images that could be.
        of: usize,
        /// Bytes of their pixels and region features.
        bytes: usize,
    },
    /// The model took over published weights.
    Pretrained(Pretrained),
    /// How the data set was read.
    Note {
        /// The sentence.
        message: String,
    },
    /// Something the user should know.
    Warning {
        /// The sentence.
        message: String,
    },
    /// Steps were taken; figures are means since the last report.
    Step {
        /// Steps taken.
        step: usize,
        /// Epoch, counted from 0.
        epoch: usize,
        /// Mean loss a sample.
        loss: f64,
        /// Global gradient norm before clipping.
        gradient_norm: f64,
        /// Learning rate of the first parameter group.
        lr: f64,
        /// Learning rates of the other groups, each as `<group>_lr`.
        #[serde(flatten)]
        other_rates: BTreeMap<String, f64>,
        /// Loss scale of the last step; absent but in f16.
        #[serde(skip_serializing_if = "Option::is_none")]
        loss_scale: Option<f64>,
        /// Samples a second.
        samples_per_second: f64,
        /// The most device memory in use since the last report, in bytes; absent where unknown.
        memory_bytes: Option<u64>,
    },
    /// Micro-batches have another size from now on. The effective batch stays as it is.
    MicroBatch {
        /// Steps taken.
        step: usize,
        /// Those of what.
        purpose: Purpose,
        /// Samples before.
        from: usize,
        /// Samples from now on. As many as before where `parallel` changed.
        to: usize,
        /// Micro-batches that are computed at the same time from now on.
        parallel: usize,
        /// Whether memory ran out, so that the samples of the micro-batch were taken again.
        out_of_memory: bool,
        /// Why, in a sentence.
        cause: String,
    },
    /// A gradient overflowed in 16 bits: the samples of the step are taken again with a smaller loss scale.
    Overflow {
        /// Steps taken.
        step: usize,
        /// Loss scale before.
        from: f64,
        /// Loss scale from now on.
        to: f64,
    },
    /// Work was lost, and the run goes on from an earlier step.
    WentBack {
        /// Steps taken before.
        from: usize,
        /// Steps taken now.
        to: usize,
        /// Why, in a sentence.
        cause: String,
    },
    /// A split was evaluated.
    Evaluation {
        /// Steps taken.
        step: usize,
        /// `validation` or `test`.
        split: &'static str,
        /// Mean score of the model's first answer, 0 to 1.
        accuracy: f64,
        /// The same of each of the model's branches by itself; empty where it has one only.
        branches: BTreeMap<&'static str, f64>,
        /// Samples evaluated.
        samples: usize,
    },
    /// Patience ran out: training ends here, and the best checkpoint is the result.
    EarlyEnd {
        /// Steps taken.
        step: usize,
        /// Evaluations since the best one.
        since_best: usize,
        /// Step of the best one.
        best_step: usize,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Steps taken.
        step: usize,
        /// Its folder.
        path: PathBuf,
    },
    /// The question-only baseline begins.
    QuestionOnly {
        /// Its steps.
        total_steps: usize,
    },
    /// The run that is to go on was finished before: its result follows, and nothing is done again.
    Finished,
    /// The run is over.
    Summary(Box<Summary>),
}

/// What micro-batches are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Gradients.
    Training,
    /// Answers.
    Evaluation,
}

/// Result of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    /// Mean score of the best checkpoint's first answer on the test split, 0 to 1; absent when the run was
    /// stopped before its last step.
    pub test_accuracy: Option<f64>,
    /// Why it was not measured although the run took its last step; absent otherwise.
    #[serde(default)]
    pub test_unmeasured: Option<String>,
    /// The same of each of the model's branches by itself; empty where it has one only.
    pub branch_accuracy: BTreeMap<String, f64>,
    /// Best validation accuracy, 0 to 1.
    pub validation_accuracy: Option<f64>,
    /// Test accuracy of always giving the most common training answer, 0 to 1; absent where the split has no answers.
    pub majority_accuracy: Option<f64>,
    /// That answer.
    pub majority_answer: String,
    /// Test accuracy of the same model trained with the image zeroed, 0 to 1; absent when it was not asked
    /// for or the run was stopped early.
    pub question_only_accuracy: Option<f64>,
    /// Why it was not measured although it was asked for; absent where it was, or where the run was stopped.
    pub question_only_unmeasured: Option<String>,
    /// Steps taken.
    pub steps: usize,
    /// Steps of the whole run.
    pub total_steps: usize,
    /// Whether training ended before the last step for want of a better evaluation.
    #[serde(default)]
    pub ended_early: bool,
    /// Seconds of training, with evaluation on the validation split and checkpoints, without baselines.
    pub train_seconds: f64,
    /// Where the run wrote to.
    pub run_dir: PathBuf,
    /// What to set otherwise next time.
    pub advice: Advice,
}

/// Receives the events of a run.
pub trait Observer {
    /// Called while the files of the data set are looked at, before the run: how many were, of how many.
    fn checking(&mut self, _done: usize, _of: usize) {}

    /// Takes note of an event.
    fn observe(&mut self, event: &Event);

    /// Called after every step; cheap enough to move a progress bar.
    fn tick(&mut self, step: usize);
}
