//! What the log of a run tells of its steps.

use std::path::Path;

use serde::Deserialize;

use crate::checkpoint::{Checkpoints, Rejected, Verified};
use crate::error::TrainError;

/// What is read of a line of `metrics.jsonl` or `memory.jsonl`.
#[derive(Deserialize)]
pub(super) struct Told {
    /// Nothing in `memory.jsonl`.
    #[serde(default)]
    event: String,
    step: Option<usize>,
    split: Option<String>,
}

impl Told {
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// Whether a run that goes on after `step` will tell this again.
    pub(super) fn comes_again(&self, step: usize) -> bool {
        let later = self.step.is_some_and(|told| told > step);
        match self.event.as_str() {
            "step" | "checkpoint" | "early_end" | "" => later,
            // The test split is evaluated after the last step.
            "evaluation" => later || self.split.as_deref() == Some("test"),
            "question_only" => true,
            _ => false,
        }
    }
}

/// The step of the last event of a kind.
pub(super) fn last_step(log: &[u8], event: &str) -> Option<usize> {
    let lines = log.split(|&byte| byte == b'\n').rev();
    let mut told = lines.filter_map(Told::parse);
    told.find(|told| told.event == event)
        .and_then(|told| told.step)
}

/// The newest whole checkpoint, and those passed over; none if the run has not come to its first. `told` is the step of
/// the last one that the log tells of.
///
/// # Errors
///
/// When there was one and none is left.
pub(super) fn newest_checkpoint(
    run_dir: &Path,
    told: Option<usize>,
) -> Result<(Option<Verified>, Vec<Rejected>), TrainError> {
    let checkpoints = Checkpoints::of(run_dir);
    let (newest, mut rejected) = checkpoints.newest();
    let there = newest.as_ref().map(|newest| newest.state.step);
    if let Some(told) = told.filter(|told| rejected.is_empty() && there < Some(*told)) {
        rejected.push(Rejected::gone(checkpoints.path(told)));
    }
    Rejected::require_readable(&rejected)?;
    if newest.is_none() && !rejected.is_empty() {
        return Err(TrainError::no_checkpoint(run_dir, rejected));
    }
    Ok((newest, rejected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_stays_and_what_comes_again_goes() {
        for (line, comes_again) in [
            (r#"{"event":"start","step":9}"#, false),
            (r#"{"step":5,"budget_bytes":1}"#, false),
            (r#"{"step":6,"budget_bytes":1}"#, true),
            (r#"{"event":"step","step":5}"#, false),
            (r#"{"event":"step","step":6}"#, true),
            (r#"{"event":"checkpoint","step":5}"#, false),
            (r#"{"event":"checkpoint","step":6}"#, true),
            (
                r#"{"event":"evaluation","split":"validation","step":5}"#,
                false,
            ),
            (
                r#"{"event":"evaluation","split":"validation","step":6}"#,
                true,
            ),
            (r#"{"event":"evaluation","split":"test","step":5}"#, true),
            (r#"{"event":"early_end","step":5}"#, false),
            (r#"{"event":"early_end","step":6}"#, true),
            (r#"{"event":"question_only"}"#, true),
            (r#"{"event":"micro_batch","step":6}"#, false),
            (r#"{"event":"warning","message":"step"}"#, false),
            (r#"{"event":"went_back","from":6,"to":5}"#, false),
            (r#"{"event":"summary","steps":6}"#, false),
        ] {
            let told = Told::parse(line.as_bytes()).expect("a line of the log");
            assert_eq!(told.comes_again(5), comes_again, "{line}");
        }
    }
}
