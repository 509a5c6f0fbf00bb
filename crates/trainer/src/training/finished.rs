//! A run that has nothing left to do.

use super::run::Run;
use crate::checkpoint::Checkpoints;
use crate::dataset::Dataset;
use crate::event::Summary;
use crate::run_dir::names::SUMMARY;
use crate::run_dir::read;
use crate::training::steps::{Steps, has_ended};

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
