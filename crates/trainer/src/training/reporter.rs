//! Where events go.

use serde::Deserialize;

use crate::checkpoint::Rejected;
use crate::error::TrainError;
use crate::event::{Event, Observer, Purpose};
use crate::json_lines::JsonLines;
use crate::memory::{MEMORY, MemorySample};
use crate::run_dir::{METRICS, RunDir};

/// What was told of steps that were taken again, as it was told the first time.
const UNDONE: &str = "undone.jsonl";

/// Passes events on to the observer and to `metrics.jsonl`, and samples of memory to `memory.jsonl`.
pub(super) struct Reporter<'a> {
    observer: &'a mut dyn Observer,
    pub(super) run_dir: RunDir,
    metrics: JsonLines,
    memory: JsonLines,
    /// Times that memory ran out in training.
    pub(super) ran_out: usize,
}

/// What is read of a line of `metrics.jsonl`.
#[derive(Deserialize)]
struct Told {
    event: String,
    step: Option<usize>,
    split: Option<String>,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(observer: &'a mut dyn Observer, run_dir: RunDir) -> Result<Self, TrainError> {
        let open = |name| JsonLines::open(run_dir.path().join(name));
        Ok(Self {
            observer,
            metrics: open(METRICS)?,
            memory: open(MEMORY)?,
            run_dir,
            ran_out: 0,
        })
    }

    pub(super) fn report(&mut self, event: &Event) -> Result<(), TrainError> {
        self.ran_out += usize::from(ran_out_in_training(event));
        self.run_dir.require_in_place()?;
        self.observer.observe(event);
        self.metrics.append(event)
    }

    pub(super) fn tick(&mut self, step: usize) {
        self.observer.tick(step);
    }

    pub(super) fn warn(&mut self, message: String) -> Result<(), TrainError> {
        self.report(&Event::Warning { message })
    }

    pub(super) fn warn_of(&mut self, rejected: Vec<Rejected>) -> Result<(), TrainError> {
        for Rejected { path, reason } in rejected {
            self.warn(format!(
                "passed over the checkpoint {}: {reason}",
                path.display()
            ))?;
        }
        Ok(())
    }

    pub(super) fn memory(&mut self, sample: &MemorySample) -> Result<(), TrainError> {
        self.memory.append(sample)
    }

    /// Brings both logs to the disk.
    pub(super) fn sync(&self) -> Result<(), TrainError> {
        self.run_dir.require_in_place()?;
        self.metrics.sync()?;
        self.memory.sync()
    }

    /// The last step that a checkpoint was reported of.
    pub(super) fn last_checkpoint(&self) -> Result<Option<usize>, TrainError> {
        self.last("checkpoint")
    }

    /// The last step that was reported.
    pub(super) fn last_step(&self) -> Result<Option<usize>, TrainError> {
        self.last("step")
    }

    fn last(&self, event: &str) -> Result<Option<usize>, TrainError> {
        let text = self.metrics.read()?;
        let lines = text.split(|&byte| byte == b'\n').rev();
        let mut told = lines.filter_map(Told::parse);
        Ok(told
            .find(|told| told.event == event)
            .and_then(|told| told.step))
    }

    /// Takes what will be told again out of the log, for a run that goes on after `step`. All else stays: it happened.
    pub(super) fn take_back(&mut self, step: usize) -> Result<(), TrainError> {
        let undone = self.run_dir.path().join(UNDONE);
        self.metrics.move_lines(&undone, |line| {
            Told::parse(line).is_some_and(|told| told.comes_again(step))
        })
    }
}

impl Told {
    fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// Whether a run that goes on after `step` will tell this again.
    fn comes_again(&self, step: usize) -> bool {
        let later = self.step.is_some_and(|told| told > step);
        match self.event.as_str() {
            "step" | "checkpoint" => later,
            // The test split is evaluated after the last step.
            "evaluation" => later || self.split.as_deref() == Some("test"),
            "question_only" => true,
            _ => false,
        }
    }
}

fn ran_out_in_training(event: &Event) -> bool {
    match event {
        Event::MicroBatch {
            purpose,
            out_of_memory,
            ..
        } => *purpose == Purpose::Training && *out_of_memory,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_stays_and_what_comes_again_goes() {
        for (line, comes_again) in [
            (r#"{"event":"start","step":9}"#, false),
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
