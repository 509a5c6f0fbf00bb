//! Where events go.

use crate::checkpoint::{Rejected, RunState};
use crate::error::TrainError;
use crate::event::{Event, Observer, Purpose};
use crate::json_lines::JsonLines;
use crate::memory::{MEMORY, MemorySample};
use crate::run_dir::{METRICS, RunDir};

/// Passes events on to the observer and to `metrics.jsonl`, and samples of memory to `memory.jsonl`.
pub(super) struct Reporter<'a> {
    observer: &'a mut dyn Observer,
    pub(super) run_dir: RunDir,
    metrics: JsonLines,
    memory: JsonLines,
    /// Changes for want of memory since the last checkpoint, which the logs still name after the run went back to it.
    unsaved: Vec<Event>,
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
            unsaved: Vec::new(),
            ran_out: 0,
        })
    }

    pub(super) fn report(&mut self, event: &Event) -> Result<(), TrainError> {
        if matches!(event, Event::MicroBatch { .. } | Event::WentBack { .. }) {
            self.unsaved.push(event.clone());
        }
        self.ran_out += usize::from(ran_out_in_training(event));
        self.observer.observe(event);
        self.metrics.append(event)
    }

    pub(super) fn tick(&mut self, step: usize) {
        self.observer.tick(step);
    }

    pub(super) fn warn_of(&mut self, rejected: Vec<Rejected>) -> Result<(), TrainError> {
        for Rejected { path, reason } in rejected {
            let message = format!("passed over the checkpoint {}: {reason}", path.display());
            self.report(&Event::Warning { message })?;
        }
        Ok(())
    }

    pub(super) fn memory(&mut self, sample: &MemorySample) -> Result<(), TrainError> {
        self.memory.append(sample)
    }

    /// Brings both logs to the disk and notes their lengths.
    pub(super) fn sync(&mut self, state: &mut RunState) -> Result<(), TrainError> {
        state.metrics_bytes = self.metrics.sync()?;
        state.memory_bytes = self.memory.sync()?;
        self.unsaved.clear();
        Ok(())
    }

    /// Cuts both logs back to what a checkpoint vouches for.
    pub(super) fn rewind(&mut self, state: &RunState) -> Result<(), TrainError> {
        self.metrics.rewind(state.metrics_bytes)?;
        self.memory.rewind(state.memory_bytes)?;
        for event in &self.unsaved {
            self.metrics.append(event)?;
        }
        Ok(())
    }
}

fn ran_out_in_training(event: &Event) -> bool {
    match event {
        Event::MicroBatch {
            purpose,
            out_of_memory,
            ..
        } => *purpose == Purpose::Training && *out_of_memory,
        Event::WentBack { .. } => true,
        _ => false,
    }
}
