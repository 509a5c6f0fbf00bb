//! One step: the gradient of an effective batch, micro-batch by micro-batch, and the update that follows.
//!
//! This is the only place where micro-batches are trained on. Training, the question-only baseline, `fit` and
//! [`effective_gradient`] differ in the batch that they hand over and in the [`Scheduler`], which sizes micro-batches and
//! decides what happens when memory runs out.

pub(crate) mod dropout;
pub(crate) mod rendezvous;
pub(crate) mod scheduler;

use std::ops::Range;
use std::panic::resume_unwind;
use std::thread;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor};
use burn_frugal::Precision;
use model_api::{DeviceBatch, Model};

use crate::error::TrainError;
use crate::memory::{
    DeviceFailure, OutOfMemory, Phase, Point, Watch, catch_failure, ensure_gradients,
    ensure_weights,
};
use crate::optim::{LossScale, Optimizers, Progress, Update};
use crate::step::rendezvous::Rendezvous;
use crate::step::scheduler::{FixedSizes, Scheduler, Slicing, out_of_memory};

/// The samples of an effective batch, on their way to the device.
pub(crate) trait EffectiveBatch: Sync {
    /// Samples in the batch.
    fn samples(&self) -> usize;

    /// Moves a micro-batch to the device.
    fn upload(&self, slice: &Range<usize>) -> DeviceBatch;
}

/// What a step needs beside model, optimizers and batch.
pub(crate) struct Step<'a> {
    /// Sees the memory at the end of every phase.
    pub(crate) watch: &'a Watch<'a>,
    /// The device, with autodiff.
    pub(crate) device: &'a Device,
    /// Which step of the run it is.
    pub(crate) at: Progress,
}

/// How a step ended.
pub(crate) enum Stepped<M> {
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

impl Step<'_> {
    /// Takes the step.
    ///
    /// # Errors
    ///
    /// When not even the smallest micro-batch fits, when the device is lost, and when loss or gradient is not finite.
    pub(crate) fn take<M: Model>(
        &self,
        model: M,
        optimizers: &mut Optimizers,
        batch: &impl EffectiveBatch,
        scheduler: &mut impl Scheduler,
        loss_scale: &mut Option<LossScale>,
    ) -> Result<Stepped<M>, TrainError> {
        let mut model = model;
        let samples = batch.samples();
        let losses = |model: &M, slice: &Range<usize>| {
            let inputs = batch.upload(slice);
            self.phase_end(Phase::Load, slice, None)?;
            let losses = model.losses(inputs);
            self.phase_end(Phase::Forward, slice, None)?;
            Ok(losses)
        };
        let phase_end = |phase, slice: &Range<usize>| self.phase_end(phase, slice, None);
        if let Some(scale) = loss_scale {
            scale.begin(self.watch.loss_scale(self.at.step, scale.factor()));
        }
        let (model, loss, update) = loop {
            let scale = loss_scale.map_or(1.0, |scale| scale.factor());
            let EffectiveGradient { gradients, loss } =
                gradient(&model, samples, scale, &losses, &phase_end, scheduler)?;
            // A test has a gradient overflow that does not: its norm is then no number.
            let injected = loss_scale.is_some() && self.watch.overflows(self.at.step, scale);
            let divisor = if injected { f64::NAN } else { scale };
            let updated = catch_failure(|| {
                let group_ended = |group| self.phase_end(Phase::Update, &(0..samples), Some(group));
                let (model, update) =
                    optimizers.try_step(model, gradients, divisor, self.at, group_ended)?;
                ensure_weights(&model, self.device)?;
                Ok((model, update))
            });
            let (stepped, update) = match updated {
                Ok(updated) => updated,
                Err(failure) => return Ok(Stepped::Lost(out_of_memory(failure)?)),
            };
            // A loss that is not finite is no matter of the scale.
            if let Some(scale) = loss_scale
                && !update.norm.0.is_finite()
                && loss.is_finite()
            {
                let from = scale.factor();
                if scale.overflowed() {
                    scheduler.overflowed(from, scale.factor())?;
                    model = stepped;
                    continue;
                }
            }
            break (stepped, loss, update);
        };
        if !loss.is_finite() || !update.norm.0.is_finite() {
            return Err(TrainError::Diverged {
                step: self.at.step + 1,
                loss,
                norm: update.norm.0,
            });
        }
        if let Some(scale) = loss_scale {
            scale.step_ended();
        }
        scheduler.step_ended();
        Ok(Stepped::Done {
            model,
            loss,
            update,
        })
    }

    fn phase_end(
        &self,
        phase: Phase,
        samples: &Range<usize>,
        group: Option<&'static str>,
    ) -> Result<(), DeviceFailure> {
        self.watch.phase_end(&Point {
            phase,
            step: self.at.step,
            samples: samples.clone(),
            group,
        })?;
        Ok(())
    }
}

/// Gradient and loss of an effective batch.
#[derive(Debug)]
pub struct EffectiveGradient {
    /// Gradient of the mean loss over the samples.
    pub gradients: GradientsParams,
    /// Mean loss over the samples.
    pub loss: f64,
}

/// Sums the gradients of an effective batch of `samples` that goes through `model` in micro-batches of a fixed size.
///
/// `losses` runs one micro-batch through the model it is given and returns the loss of each of its samples,
/// `[micro-batch]`. Every sample weighs `1 / samples`, in whichever micro-batch it is: the sum of a micro-batch's
/// losses is divided by the size of the effective batch, not by its own.
///
/// # Panics
///
/// When either number of `slicing` is 0, when `losses` panics, and when memory runs out.
pub fn effective_gradient<M: Module + Sync>(
    model: &M,
    samples: usize,
    slicing: Slicing,
    losses: impl Fn(&M, Range<usize>) -> Tensor<1> + Sync,
) -> EffectiveGradient {
    let losses = |model: &M, slice: &Range<usize>| Ok(losses(model, slice.clone()));
    let mut sizes = FixedSizes {
        slicing,
        in_step: false,
    };
    let gradient = gradient(model, samples, 1.0, &losses, &|_, _| Ok(()), &mut sizes);
    gradient.unwrap_or_else(|error| panic!("{error}"))
}

/// Goes through the effective batch round by round. The gradients are those of the loss times `loss_scale`, and the loss is
/// itself. Whatever the rounds, micro-batches are added in the order of their
/// samples; a round that memory did not suffice for leaves nothing behind and is tried again as the scheduler says.
fn gradient<M: Module + Sync>(
    model: &M,
    samples: usize,
    loss_scale: f64,
    losses: &(impl Fn(&M, &Range<usize>) -> Result<Tensor<1>, DeviceFailure> + Sync),
    phase_end: &(impl Fn(Phase, &Range<usize>) -> Result<(), DeviceFailure> + Sync),
    scheduler: &mut impl Scheduler,
) -> Result<EffectiveGradient, TrainError> {
    let mut sum = Accumulation::new();
    while sum.done < samples {
        let round = scheduler.next(samples, sum.done)?;
        let slices = round.slices(samples, sum.done);
        let micro_batch = |slice: &Range<usize>, rendezvous: &Rendezvous| {
            // The scale is a power of two: nothing is rounded.
            let divisor = samples as f64 / loss_scale;
            let share = share(model, divisor, slice, losses, rendezvous)?;
            phase_end(Phase::Backward, slice)?;
            Ok(share)
        };
        let computed = side_by_side(&slices, round.in_step, &micro_batch);
        let added = computed.and_then(|shares| {
            let whole = catch_failure(|| {
                sum.add(model, shares);
                phase_end(Phase::Accumulation, &covered(&slices))
            });
            if whole.is_err() {
                // The sum may be half-done: the step begins anew.
                sum = Accumulation::new();
            }
            whole
        });
        match added {
            Ok(()) => scheduler.round_ended(round, &slices),
            Err(failure) => scheduler.failed(failure, &slices)?,
        }
    }
    Ok(sum.finish(loss_scale))
}

/// The sum of gradients of an effective batch while it grows.
struct Accumulation<M> {
    /// Samples in the sum.
    done: usize,
    loss: f64,
    gradients: GradientsAccumulator<M>,
}

/// What a micro-batch adds: its part of the loss and the gradient of that.
struct Share {
    samples: usize,
    loss: f64,
    gradients: GradientsParams,
}

impl<M: Module> Accumulation<M> {
    fn new() -> Self {
        Self {
            done: 0,
            loss: 0.0,
            gradients: GradientsAccumulator::new(),
        }
    }

    fn add(&mut self, model: &M, shares: Vec<Share>) {
        for share in shares {
            self.gradients.accumulate(model, share.gradients);
            self.loss += share.loss;
            self.done += share.samples;
        }
    }

    fn finish(mut self, loss_scale: f64) -> EffectiveGradient {
        EffectiveGradient {
            gradients: self.gradients.grads(),
            loss: self.loss / loss_scale,
        }
    }
}

/// Forward and backward pass of one micro-batch, the sum of whose losses is divided by `divisor`.
fn share<M: Module>(
    model: &M,
    divisor: f64,
    slice: &Range<usize>,
    losses: &impl Fn(&M, &Range<usize>) -> Result<Tensor<1>, DeviceFailure>,
    rendezvous: &Rendezvous,
) -> Result<Share, DeviceFailure> {
    // A graph of its own: two graphs that shared a parameter would be one, and one that is given up is freed by
    // its parameters. The weights themselves are shared.
    let own = model.valid().train();
    let computed = catch_failure(|| {
        let guest = rendezvous.expect();
        let losses = losses(&own, slice)?;
        guest.arrive();
        let share = losses.sum().div_scalar(divisor);
        let loss = share.clone().inner();
        let device = loss.device();
        let gradients = GradientsParams::from_grads(share.backward(), &own);
        ensure_gradients(&own, &gradients, &device)?;
        let loss = loss
            .try_into_scalar::<f32>()
            .map_err(|error| DeviceFailure::of_error(&error.to_string()))?;
        Ok(Share {
            samples: slice.len(),
            loss: f64::from(loss),
            gradients,
        })
    });
    if computed.is_err() {
        // Where there is no memory for this either, the graph goes with a later backward pass.
        let _ = catch_failure(|| {
            free_graph(&own);
            Ok(())
        });
    }
    computed
}

/// Computes micro-batches at the same time, each on a thread of its own. All of them end before the first failure is
/// reported. `in_step` makes each wait after its forward pass until all have come so far.
fn side_by_side<T: Send>(
    slices: &[Range<usize>],
    in_step: bool,
    compute: &(impl Fn(&Range<usize>, &Rendezvous) -> Result<T, DeviceFailure> + Sync),
) -> Result<Vec<T>, DeviceFailure> {
    let rendezvous = Rendezvous::of(if in_step { slices.len() } else { 0 });
    let compute = &|slice| catch_failure(|| compute(slice, &rendezvous));
    let precision = Precision::current();
    if let [alone] = slices {
        return Ok(vec![compute(alone)?]);
    }
    thread::scope(|scope| {
        let threads: Vec<_> = slices
            .iter()
            .map(|slice| scope.spawn(move || precision.run(|| compute(slice))))
            .collect();
        let ended: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect();
        ended.into_iter().collect()
    })
}

/// All samples of a round of micro-batches, which follow one another.
fn covered(slices: &[Range<usize>]) -> Range<usize> {
    let start = slices.first().map_or(0, |slice| slice.start);
    start..slices.last().map_or(start, |slice| slice.end)
}

/// Frees the activations of a forward pass that was given up: Burn keeps them until a backward pass goes through the same
/// graph. That of something else that is made of the parameters does, without any of the work.
fn free_graph<M: Module>(model: &M) {
    struct Leaves;
    impl ModuleVisitor for Leaves {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                param.val().neg().backward();
            }
        }
    }
    model.visit(&mut Leaves);
}
