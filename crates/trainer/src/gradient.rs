//! The gradient of an effective batch, whatever its slicing.

use std::ops::Range;
use std::thread;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;

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
    let share = |model: &M, slice: Range<usize>| -> (f64, GradientsParams) {
        let share = losses(model, slice).sum().div_scalar(samples as f64);
        let loss = f64::from(share.clone().into_scalar::<f32>());
        (loss, GradientsParams::from_grads(share.backward(), model))
    };
    let slices: Vec<_> = (0..samples)
        .step_by(slicing.micro_batch)
        .map(|start| start..samples.min(start + slicing.micro_batch))
        .collect();

    let mut accumulated = GradientsAccumulator::new();
    let mut loss = 0.0;
    for side_by_side in slices.chunks(slicing.parallel) {
        let shares = match side_by_side {
            [alone] => vec![share(model, alone.clone())],
            _ => concurrently(model, side_by_side, &share),
        };
        // In the order of the samples, whichever was done first.
        for (share, gradients) in shares {
            loss += share;
            accumulated.accumulate(model, gradients);
        }
    }
    EffectiveGradient {
        gradients: accumulated.grads(),
        loss,
    }
}

/// Every slice on a thread and a copy of the model of its own: two graphs that shared a parameter would be one graph.
/// The weights themselves are shared.
fn concurrently<M: Module + Sync, T: Send>(
    model: &M,
    slices: &[Range<usize>],
    share: &(impl Fn(&M, Range<usize>) -> T + Sync),
) -> Vec<T> {
    thread::scope(|scope| {
        let threads: Vec<_> = slices
            .iter()
            .map(|slice| {
                let own = model.valid().train();
                scope.spawn(move || share(&own, slice.clone()))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}
