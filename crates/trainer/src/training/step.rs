//! One optimizer update.

use std::ops::Range;

use data_pipeline::Batch;
use model_api::{DeviceBatch, Model, Sight};

use super::trainer::Trainer;
use crate::checkpoint::RunState;
use crate::dropout::dropout_keys;
use crate::error::TrainError;
use crate::event::Purpose;
use crate::gradient::{Accumulation, EffectiveGradient, Slicing};
use crate::memory::{OutOfMemory, Phase, Point, attempt, ensure_weights, out_of_memory};
use crate::optim::Progress;
use crate::optimizers::{Optimizers, Update};

/// How a step ended.
pub(super) enum Stepped<M> {
    /// The weights are new.
    Done {
        model: M,
        /// Mean loss of the effective batch.
        loss: f64,
        update: Update,
    },
    /// Memory ran out within the update, and model and optimizers are lost.
    Lost(OutOfMemory),
}

impl<M: Model> Trainer<'_, M> {
    /// One update from one effective batch.
    pub(super) fn step(
        &mut self,
        model: M,
        optimizers: &mut Optimizers,
        batch: &Batch,
        state: &mut RunState,
        sight: Sight,
    ) -> Result<Stepped<M>, TrainError> {
        let EffectiveGradient { gradients, loss } = self.gradient(&model, batch, state, sight)?;
        let at = Progress {
            step: state.step,
            total_steps: self.steps.total,
            epoch: state.epoch,
        };
        let updated = attempt(|| {
            let (model, update) = optimizers.step_watched(model, gradients, at, |group| {
                self.memory.watch.border(&Point {
                    phase: Phase::Update,
                    step: state.step,
                    samples: 0..batch.len(),
                    group: Some(group),
                });
            });
            ensure_weights(&model, &self.device)?;
            Ok((model, update))
        });
        let (model, update) = match updated {
            Ok(updated) => updated,
            Err(failure) => return Ok(Stepped::Lost(out_of_memory(failure)?)),
        };
        if !loss.is_finite() || !update.norm.0.is_finite() {
            return Err(TrainError::Diverged {
                step: state.step + 1,
                loss,
                norm: update.norm.0,
            });
        }
        state.micro_batches.training.step_ended();
        Ok(Stepped::Done {
            model,
            loss,
            update,
        })
    }

    /// The gradient of an effective batch, in micro-batches of whatever size fits.
    fn gradient(
        &mut self,
        model: &M,
        batch: &Batch,
        state: &mut RunState,
        sight: Sight,
    ) -> Result<EffectiveGradient, TrainError> {
        let settings = self.run.settings;
        let asked = settings.parallel_micro_batches();
        let (device, encoder, watch) = (&self.device, &self.encoder, &self.memory.watch);
        let step = state.step;
        let border = |phase, samples: &Range<usize>| {
            watch.border(&Point {
                phase,
                step,
                samples: samples.clone(),
                group: None,
            });
        };
        let losses = |model: &M, slice: Range<usize>| {
            let samples = batch.slice(slice.clone());
            let inputs = DeviceBatch::upload(&samples, encoder, sight, device);
            let seed = settings.training.seed;
            let inputs = DeviceBatch {
                dropout: Some(dropout_keys(&samples, sight, seed, step, device)),
                ..inputs
            };
            drop(samples);
            border(Phase::Load, &slice);
            let losses = model.losses(inputs);
            border(Phase::Forward, &slice);
            losses
        };
        let reporter = &mut self.reporter;
        let mut report = |event| reporter.report(&event);
        let mut sizing = self.memory.sizing(
            Purpose::Training,
            &mut state.micro_batches,
            device,
            step,
            &mut report,
        );

        let mut sum = Accumulation::new(batch.len());
        while !sum.is_whole() {
            let parallel = sizing.controller.parallel(asked);
            let begun = sizing.begin(batch.len(), sum.done(), parallel)?;
            let round = sum.round(Slicing {
                micro_batch: watch.micro_batch(step, sum.done(), begun.size),
                parallel,
            });
            let full =
                round.len() == parallel && round.iter().all(|slice| slice.len() == begun.size);
            let largest = round.first().map_or(0, ExactSizeIterator::len);
            let backward_ended = |slice: &Range<usize>| border(Phase::Backward, slice);
            let failure = match sum.compute(model, &round, &losses, &backward_ended) {
                Ok(shares) => {
                    let samples = covered(&round);
                    let added = attempt(|| {
                        sum.add(model, shares);
                        border(Phase::Accumulation, &samples);
                        Ok(())
                    });
                    if added.is_err() {
                        // It may be half-done: the step begins anew.
                        sum = Accumulation::new(batch.len());
                    }
                    added.err()
                }
                Err(failure) => Some(failure),
            };
            match failure {
                None if full => sizing.ended(begun),
                None => {}
                Some(failure) => sizing.failed(failure, largest, round.len())?,
            }
        }
        Ok(sum.finish())
    }
}

/// All samples of a round of micro-batches, which follow one another.
fn covered(round: &[Range<usize>]) -> Range<usize> {
    let start = round.first().map_or(0, |slice| slice.start);
    start..round.last().map_or(start, |slice| slice.end)
}
