//! A run that has nothing left to do.

use std::fs;

use super::run::Run;
use crate::checkpoint::Checkpoints;
use crate::event::Summary;
use crate::run_dir::SUMMARY;
use crate::steps::Steps;

/// The result of an earlier part of the run. A file that cannot be read is as none: all in it can be had again.
pub(super) fn earlier(run: &Run) -> Option<Summary> {
    let text = fs::read(run.run_dir.join(SUMMARY)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The result of a run over `samples` training samples that took all of its steps and measured all that it was asked for.
pub(super) fn finished(run: &Run, samples: usize) -> Option<Summary> {
    let summary = earlier(run)?;
    let total = Steps::of(run.settings, samples).total;
    let asked = run.settings.evaluation.question_only_epochs > 0;
    let measured =
        summary.test_accuracy.is_some() && (summary.question_only_accuracy.is_some() || !asked);
    let (newest, _) = Checkpoints::of(run.run_dir).newest();
    let whole = measured && newest?.state.step == total && summary.steps == total;
    whole.then(|| Summary {
        run_dir: run.run_dir.to_owned(),
        ..summary
    })
}
