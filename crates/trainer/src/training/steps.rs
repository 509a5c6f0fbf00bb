//! How many steps a run takes, and whether it has taken them.

use config_schema::Config;

use super::run::Run;
use crate::checkpoint::{Checkpoints, RunState};
use crate::dataset::Dataset;
use crate::event::Summary;
use crate::run_dir::names::SUMMARY;
use crate::run_dir::read;

/// Steps of a run from its first to its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// Effective batches of an epoch; the last one may be smaller.
    pub per_epoch: usize,
    /// All epochs, or `training.max_steps` where that is less.
    pub total: usize,
}

impl Steps {
    /// Counts the steps over `samples` training samples.
    pub fn of(settings: &Config, samples: usize) -> Self {
        let per_epoch = samples.div_ceil(settings.effective_batch());
        let planned = settings.training.epochs * per_epoch;
        let total = match settings.training.max_steps {
            0 => planned,
            limit => planned.min(limit),
        };
        Self { per_epoch, total }
    }
}

/// Whether a run has nothing left to learn: all of its steps are taken, or its patience has run out.
pub(super) fn has_ended(settings: &Config, state: &RunState, total: usize) -> bool {
    let patience = settings.evaluation.patience;
    state.step >= total || (patience > 0 && state.since_best >= patience)
}

/// The result of an earlier part of the run. A file that cannot be read is as none: all in it can be had again.
pub(super) fn earlier(run: &Run) -> Option<Summary> {
    let text = read(&run.run_dir.join(SUMMARY)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The result of a run that took all of its steps and measured all that it was asked for and that can be measured.
pub(super) fn finished(run: &Run, dataset: &Dataset) -> Option<Summary> {
    let summary = earlier(run)?;
    let total = Steps::of(run.settings, dataset.train.samples().len()).total;
    let asked = run.settings.evaluation.question_only_epochs > 0;
    let measured = if dataset.test.has_answers() {
        summary.test_accuracy.is_some() && (summary.question_only_accuracy.is_some() || !asked)
    } else {
        summary.test_unmeasured.is_some()
    };
    let (newest, _) = Checkpoints::of(run.run_dir).newest();
    let state = newest?.state;
    let whole = measured && has_ended(run.settings, &state, total) && summary.steps == state.step;
    whole.then(|| Summary {
        run_dir: run.run_dir.to_owned(),
        ..summary
    })
}
