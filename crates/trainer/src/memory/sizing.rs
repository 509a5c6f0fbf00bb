//! Micro-batches whose size follows the memory, and what happens when it runs out.

use std::panic::resume_unwind;

use burn::tensor::Device;

use super::watch::Peaks;
use super::{Controller, Failure, Limits, Move, OutOfMemory, Reason, Watch};
use crate::error::TrainError;
use crate::event::{Event, Purpose};

/// Sizes the micro-batches of one purpose and reports every change.
pub(crate) struct Sizing<'a> {
    pub(crate) watch: &'a Watch<'a>,
    pub(crate) device: &'a Device,
    pub(crate) limits: Limits,
    pub(crate) controller: &'a mut Controller,
    pub(crate) purpose: Purpose,
    pub(crate) step: usize,
    pub(crate) report: &'a mut dyn FnMut(Event) -> Result<(), TrainError>,
}

/// A round of micro-batches that has begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// Samples of each; the last one may have fewer.
    pub(crate) size: usize,
    before: Option<u64>,
}

impl Sizing<'_> {
    /// Decides on the next round of up to `parallel` micro-batches, of a batch of `samples` of which `done` are done.
    pub(crate) fn begin(
        &mut self,
        samples: usize,
        done: usize,
        parallel: usize,
    ) -> Result<Round, TrainError> {
        let before = self.watch.begin_round();
        let mut size = self.controller.size();
        if let Some(live) = before {
            if done > 0 && samples - done < size * parallel {
                size = self.controller.rest(self.limits, live);
            } else if let Some(moved) = self.controller.plan(self.limits, live, parallel) {
                size = moved.to;
                let cause = moved.reason.to_string();
                self.moved(&moved, cause)?;
            }
        }
        Ok(Round { size, before })
    }

    /// Takes note of what a round took that was full: as many micro-batches as there can be, each of the round's size.
    pub(crate) fn ended(&mut self, round: Round) {
        if let Some(before) = round.before {
            let Peaks { all, forward } = self.watch.round_peaks();
            self.controller.measured(
                round.size,
                all.saturating_sub(before),
                forward.saturating_sub(before),
            );
        }
    }

    /// Makes what failed smaller. `largest` is the size of its largest micro-batch, of `side_by_side`.
    ///
    /// # Errors
    ///
    /// When it cannot be made smaller or the device is lost. A panic for any other reason goes on.
    pub(crate) fn failed(
        &mut self,
        failure: Failure,
        largest: usize,
        side_by_side: usize,
    ) -> Result<(), TrainError> {
        let cause = out_of_memory(failure)?;
        match self.controller.ran_out(largest, side_by_side) {
            Some(moved) => self.moved(&moved, cause.to_string()),
            None => Err(TrainError::DoesNotFit { cause }),
        }
    }

    /// Reports a new size. What a pool holds is measured anew with it, so what the old one left there goes back.
    fn moved(&mut self, moved: &Move, cause: String) -> Result<(), TrainError> {
        self.device.memory_cleanup();
        (self.report)(Event::MicroBatch {
            step: self.step,
            purpose: self.purpose,
            from: moved.from,
            to: moved.to,
            out_of_memory: moved.reason == Reason::RanOut,
            cause,
        })
    }
}

/// The failure as one that smaller parts may cure.
///
/// # Errors
///
/// When the device is lost. A panic for any other reason goes on.
pub(crate) fn out_of_memory(failure: Failure) -> Result<OutOfMemory, TrainError> {
    match failure {
        Failure::OutOfMemory(cause) => Ok(cause),
        Failure::Poisoned { reason } => Err(TrainError::DevicePoisoned { reason }),
        Failure::Other(panic) => resume_unwind(panic),
    }
}
