//! The size of micro-batches, and what happens when memory runs out.

use std::ops::Range;
use std::panic::resume_unwind;

use burn::tensor::Device;

use crate::error::TrainError;
use crate::event::{Event, Purpose};
use crate::memory::{Controller, DeviceFailure, Limits, Move, OutOfMemory, Peaks, Reason, Watch};

/// How an effective batch is computed. The result depends on `micro_batch` to rounding and on `parallel` not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slicing {
    /// Samples of a micro-batch; the last one may be smaller.
    pub micro_batch: usize,
    /// Micro-batches computed at the same time, each on a thread of its own.
    pub parallel: usize,
}

/// Decides how a batch goes through the model.
pub(crate) trait Scheduler {
    /// The next round of micro-batches of a batch of `samples`, of which `done` are done.
    ///
    /// # Errors
    ///
    /// When a change of the size cannot be reported.
    fn next(&mut self, samples: usize, done: usize) -> Result<Round, TrainError>;

    /// Takes note of a round that was computed.
    fn round_ended(&mut self, round: Round, slices: &[Range<usize>]);

    /// Takes note of a round that failed, so that the next one is smaller.
    ///
    /// # Errors
    ///
    /// When it cannot be smaller or the device is lost. A panic for any other reason goes on.
    fn failed(&mut self, failure: DeviceFailure, slices: &[Range<usize>])
    -> Result<(), TrainError>;

    /// Takes note that a gradient overflowed, so that the batch is taken again with another loss scale.
    ///
    /// # Errors
    ///
    /// When that cannot be reported.
    fn overflowed(&mut self, from: f64, to: f64) -> Result<(), TrainError>;

    /// Takes note that all of a batch was computed.
    fn step_ended(&mut self);
}

/// Micro-batches that are computed at the same time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) slicing: Slicing,
    /// Whether each waits after its forward pass until all have come so far.
    pub(crate) in_step: bool,
    /// Bytes in use before the round, where they are measured.
    before: Option<u64>,
}

impl Round {
    /// The micro-batches, by their samples.
    pub(crate) fn slices(&self, samples: usize, done: usize) -> Vec<Range<usize>> {
        let Slicing {
            micro_batch,
            parallel,
        } = self.slicing;
        (done..samples)
            .step_by(micro_batch)
            .take(parallel)
            .map(|start| start..samples.min(start + micro_batch))
            .collect()
    }

    /// Whether there were as many micro-batches as there can be, each as large as it can be.
    fn was_full(&self, slices: &[Range<usize>]) -> bool {
        let full = |slice: &Range<usize>| slice.len() == self.slicing.micro_batch;
        slices.len() == self.slicing.parallel && slices.iter().all(full)
    }
}

/// Micro-batches of one size. When memory runs out, they do not fit.
pub(crate) struct FixedSizes {
    pub(crate) slicing: Slicing,
    /// Whether micro-batches that are computed at the same time wait for one another where each holds most.
    pub(crate) in_step: bool,
}

impl Scheduler for FixedSizes {
    fn next(&mut self, _samples: usize, _done: usize) -> Result<Round, TrainError> {
        Ok(Round {
            slicing: self.slicing,
            in_step: self.in_step,
            before: None,
        })
    }

    fn round_ended(&mut self, _round: Round, _slices: &[Range<usize>]) {}

    fn failed(
        &mut self,
        failure: DeviceFailure,
        _slices: &[Range<usize>],
    ) -> Result<(), TrainError> {
        let cause = out_of_memory(failure)?;
        Err(TrainError::DoesNotFit { cause })
    }

    fn overflowed(&mut self, _from: f64, _to: f64) -> Result<(), TrainError> {
        Ok(())
    }

    fn step_ended(&mut self) {}
}

/// Micro-batches of one purpose whose size follows the memory. Every change is reported.
pub(crate) struct MicroBatchScheduler<'a> {
    pub(crate) watch: &'a Watch<'a>,
    pub(crate) device: &'a Device,
    pub(crate) limits: Limits,
    pub(crate) controller: &'a mut Controller,
    pub(crate) purpose: Purpose,
    /// Micro-batches that may be computed at the same time.
    pub(crate) parallel: usize,
    pub(crate) step: usize,
    pub(crate) report: &'a mut dyn FnMut(Event) -> Result<(), TrainError>,
}

impl Scheduler for MicroBatchScheduler<'_> {
    fn next(&mut self, samples: usize, done: usize) -> Result<Round, TrainError> {
        let parallel = self.controller.parallel(self.parallel);
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
        if self.purpose == Purpose::Training {
            size = self.watch.micro_batch(self.step, done, size);
        }
        Ok(Round {
            slicing: Slicing {
                micro_batch: size,
                parallel,
            },
            in_step: false,
            before,
        })
    }

    fn round_ended(&mut self, round: Round, slices: &[Range<usize>]) {
        if let Some(before) = round.before
            && round.was_full(slices)
        {
            let Peaks { all, forward } = self.watch.round_peaks();
            self.controller.measured(
                round.slicing.micro_batch,
                all.saturating_sub(before),
                forward.saturating_sub(before),
            );
        }
    }

    fn failed(
        &mut self,
        failure: DeviceFailure,
        slices: &[Range<usize>],
    ) -> Result<(), TrainError> {
        let cause = out_of_memory(failure)?;
        let largest = slices.first().map_or(0, ExactSizeIterator::len);
        match self.controller.ran_out(largest, slices.len()) {
            Some(moved) => self.moved(&moved, cause.to_string()),
            None => Err(TrainError::DoesNotFit { cause }),
        }
    }

    fn overflowed(&mut self, from: f64, to: f64) -> Result<(), TrainError> {
        (self.report)(Event::Overflow {
            step: self.step,
            from,
            to,
        })
    }

    fn step_ended(&mut self) {
        self.controller.step_ended();
    }
}

impl MicroBatchScheduler<'_> {
    /// Reports a new size. What a pool holds is measured anew with it, so what the old one left there goes back.
    fn moved(&mut self, moved: &Move, cause: String) -> Result<(), TrainError> {
        self.device.memory_cleanup();
        let from = match moved.reason {
            // Before the plan was looked at there was only the size of the configuration.
            Reason::Planned { .. } => self.limits.configured,
            _ => moved.from,
        };
        if from == moved.to && moved.from != moved.to {
            return Ok(());
        }
        (self.report)(Event::MicroBatch {
            step: self.step,
            purpose: self.purpose,
            from,
            to: moved.to,
            parallel: self.controller.parallel(self.parallel),
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
pub(crate) fn out_of_memory(failure: DeviceFailure) -> Result<OutOfMemory, TrainError> {
    match failure {
        DeviceFailure::OutOfMemory(cause) => Ok(cause),
        DeviceFailure::Poisoned { reason } => Err(TrainError::DevicePoisoned { reason }),
        DeviceFailure::Other(panic) => resume_unwind(panic),
    }
}
