//! The gradient of an effective batch, whatever its slicing.

use std::ops::Range;

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

/// Sums the gradients of an effective batch of `samples` that goes through `model` in micro-batches of
/// `micro_batch`, the last of which may be smaller.
///
/// `losses` runs one micro-batch and returns the loss of each of its samples, `[micro-batch]`. Every sample
/// weighs `1 / samples`, in whichever micro-batch it is: the sum of a micro-batch's losses is divided by the
/// size of the effective batch, not by its own.
///
/// # Panics
///
/// When `micro_batch` is 0.
pub fn effective_gradient<M: Module>(
    model: &M,
    samples: usize,
    micro_batch: usize,
    mut losses: impl FnMut(Range<usize>) -> Tensor<1>,
) -> EffectiveGradient {
    let mut accumulated = GradientsAccumulator::new();
    let mut loss = 0.0;
    for start in (0..samples).step_by(micro_batch) {
        let share = losses(start..samples.min(start + micro_batch))
            .sum()
            .div_scalar(samples as f64);
        loss += f64::from(share.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(share.backward(), model);
        accumulated.accumulate(model, gradients);
    }
    EffectiveGradient {
        gradients: accumulated.grads(),
        loss,
    }
}
