//! Where events go.

use super::told::{Told, last_step};
use crate::checkpoint::Rejected;
use crate::error::TrainError;
use crate::event::{Event, Observer, Purpose};
use crate::memory::MemorySample;
use crate::run_dir::RunDir;
use crate::run_dir::json_lines::JsonLines;
use crate::run_dir::names::{MEMORY, METRICS, UNDONE};

/// Passes events on to the observer and to `metrics.jsonl`, and samples of memory to `memory.jsonl`.
pub(super) struct Reporter<'a> {
    observer: &'a mut dyn Observer,
    pub(super) run_dir: RunDir,
    metrics: JsonLines,
    memory: JsonLines,
    /// Times that memory ran out in training.
    pub(super) ran_out: usize,
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
        for one in rejected {
            self.warn(format!("skipped the checkpoint {one}"))?;
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
        Ok(last_step(&self.metrics.read()?, event))
    }

    /// Takes what will be told again out of both logs, for a run that goes on after `step`. All else stays: it happened.
    pub(super) fn take_back(&mut self, step: usize) -> Result<(), TrainError> {
        let undone = self.run_dir.path().join(UNDONE);
        let comes_again =
            |line: &[u8]| Told::parse(line).is_some_and(|told| told.comes_again(step));
        self.metrics.move_lines(&undone, comes_again)?;
        self.memory.move_lines(&undone, comes_again)
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
