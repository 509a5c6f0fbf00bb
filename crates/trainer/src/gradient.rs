//! The gradient of an effective batch, whatever its slicing.

use std::ops::Range;
use std::panic::resume_unwind;
use std::thread;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;

use crate::memory::{Failure, attempt, ensure_gradients};

/// Gradient and loss of an effective batch.
#[derive(Debug)]
pub struct EffectiveGradient {
    /// Gradient of the mean loss over the samples.
    pub gradients: GradientsParams,
    /// Mean loss over the samples.
    pub loss: f64,
}

/// How an effective batch is computed. The result depends on `micro_batch` to rounding and on `parallel` not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slicing {
    /// Samples of a micro-batch; the last one may be smaller.
    pub micro_batch: usize,
    /// Micro-batches computed at the same time, each on a thread of its own.
    pub parallel: usize,
}

/// Sums the gradients of an effective batch of `samples` that goes through `model` in micro-batches.
///
/// `losses` runs one micro-batch through the model it is given and returns the loss of each of its samples,
/// `[micro-batch]`. Every sample weighs `1 / samples`, in whichever micro-batch it is: the sum of a micro-batch's
/// losses is divided by the size of the effective batch, not by its own.
///
/// # Panics
///
/// When either number of `slicing` is 0, and when `losses` panics.
pub fn effective_gradient<M: Module + Sync>(
    model: &M,
    samples: usize,
    slicing: Slicing,
    losses: impl Fn(&M, Range<usize>) -> Tensor<1> + Sync,
) -> EffectiveGradient {
    let mut sum = Accumulation::new(samples);
    while !sum.is_whole() {
        let round = sum.round(slicing);
        match sum.compute(model, &round, &losses, &|_| ()) {
            Ok(shares) => sum.add(model, shares),
            Err(Failure::Other(panic)) => resume_unwind(panic),
            Err(failure) => panic!("{failure:?}"),
        }
    }
    sum.finish()
}

/// The sum of gradients of an effective batch while it grows, micro-batch by micro-batch in the order of the samples.
pub(crate) struct Accumulation<M> {
    samples: usize,
    done: usize,
    loss: f64,
    gradients: GradientsAccumulator<M>,
}

/// What a micro-batch adds: its part of the loss and the gradient of that.
pub(crate) struct Share {
    samples: usize,
    loss: f64,
    gradients: GradientsParams,
}

impl<M: Module + Sync> Accumulation<M> {
    /// The empty sum over an effective batch of `samples`.
    pub(crate) fn new(samples: usize) -> Self {
        Self {
            samples,
            done: 0,
            loss: 0.0,
            gradients: GradientsAccumulator::new(),
        }
    }

    /// Samples in the sum.
    pub(crate) fn done(&self) -> usize {
        self.done
    }

    /// Whether every sample is in the sum.
    pub(crate) fn is_whole(&self) -> bool {
        self.done == self.samples
    }

    /// The micro-batches that come next and are computed side by side.
    pub(crate) fn round(&self, slicing: Slicing) -> Vec<Range<usize>> {
        (self.done..self.samples)
            .step_by(slicing.micro_batch)
            .take(slicing.parallel)
            .map(|start| start..self.samples.min(start + slicing.micro_batch))
            .collect()
    }

    /// Computes micro-batches and leaves the sum as it is. `backward_ended` is called after each backward pass.
    ///
    /// # Errors
    ///
    /// When one of them fails; what it had computed is freed.
    pub(crate) fn compute(
        &self,
        model: &M,
        round: &[Range<usize>],
        losses: &(impl Fn(&M, Range<usize>) -> Tensor<1> + Sync),
        backward_ended: &(impl Fn(&Range<usize>) + Sync),
    ) -> Result<Vec<Share>, Failure> {
        let samples = self.samples;
        let share = |slice: &Range<usize>| {
            // A graph of its own: two graphs that shared a parameter would be one, and one that is given up is freed by
            // its parameters. The weights themselves are shared.
            let own = model.valid().train();
            let computed = attempt(|| {
                let share = losses(&own, slice.clone()).sum().div_scalar(samples as f64);
                let loss = share.clone().inner();
                let device = loss.device();
                let gradients = GradientsParams::from_grads(share.backward(), &own);
                ensure_gradients(&own, &gradients, &device)?;
                let loss = loss
                    .try_into_scalar::<f32>()
                    .map_err(|error| Failure::of_error(&error.to_string()))?;
                backward_ended(slice);
                Ok(Share {
                    samples: slice.len(),
                    loss: f64::from(loss),
                    gradients,
                })
            });
            if computed.is_err() {
                // Where there is no memory for this either, the graph goes with a later backward pass.
                let _ = attempt(|| {
                    free_graph(&own);
                    Ok(())
                });
            }
            computed
        };
        match round {
            [alone] => Ok(vec![share(alone)?]),
            _ => concurrently(round, &share),
        }
    }

    /// Adds what was computed.
    pub(crate) fn add(&mut self, model: &M, shares: Vec<Share>) {
        for share in shares {
            self.gradients.accumulate(model, share.gradients);
            self.loss += share.loss;
            self.done += share.samples;
        }
    }

    /// The gradient of the mean loss.
    pub(crate) fn finish(mut self) -> EffectiveGradient {
        EffectiveGradient {
            gradients: self.gradients.grads(),
            loss: self.loss,
        }
    }
}

/// Every slice on a thread of its own. All of them end before the first failure is reported.
fn concurrently<T: Send>(
    slices: &[Range<usize>],
    share: &(impl Fn(&Range<usize>) -> Result<T, Failure> + Sync),
) -> Result<Vec<T>, Failure> {
    thread::scope(|scope| {
        let threads: Vec<_> = slices
            .iter()
            .map(|slice| scope.spawn(move || share(slice)))
            .collect();
        let ended: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect();
        ended.into_iter().collect()
    })
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
