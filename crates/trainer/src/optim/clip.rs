use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{ElementConversion, Tensor};

use super::host::{HostTensor, scale, sum_of_squares};

/// Added to the norm before dividing by it, as PyTorch's `clip_grad_norm_` does.
const EPSILON: f64 = 1e-6;

/// L2 norm over every gradient of a model, before clipping.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GradientNorm(pub f64);

/// Divides every gradient by the `scale` that the loss was multiplied by, 1 where it was not, and clips it: multiplies it by
/// `min(1, max_norm / (norm + 1e-6))`, where the norm is that of all gradients of `model` together; with `max_norm` 0 nothing
/// is clipped.
///
/// The squares are summed where the gradients are, and on a GPU read once. When the norm is not finite the gradients
/// stay as they are, and the caller decides.
#[expect(clippy::float_cmp, reason = "a factor of exactly 1 changes nothing")]
pub fn clip_by_global_norm<M: Module>(
    model: &M,
    gradients: GradientsParams,
    max_norm: f64,
    scale: f64,
) -> (GradientsParams, GradientNorm) {
    let mut squares = SumOfSquares {
        gradients,
        on_host: 0.0,
        on_device: None,
    };
    model.visit(&mut squares);
    let on_device = squares
        .on_device
        .map_or(0.0, |sum| sum.into_scalar::<f32>().elem::<f64>());
    let norm = (squares.on_host + on_device).sqrt() / scale;
    let gradients = squares.gradients;
    let clipped = max_norm / (norm + EPSILON);
    let clipped = if max_norm == 0.0 {
        1.0
    } else {
        clipped.min(1.0)
    };
    let factor = clipped / scale;
    if !norm.is_finite() || factor == 1.0 {
        return (gradients, GradientNorm(norm));
    }
    let mut scale = Scale {
        gradients,
        factor: factor as f32,
    };
    model.visit(&mut scale);
    (scale.gradients, GradientNorm(norm))
}

struct SumOfSquares {
    gradients: GradientsParams,
    on_host: f64,
    on_device: Option<Tensor<1>>,
}

impl ModuleVisitor for SumOfSquares {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else {
            return;
        };
        let gradient = match HostTensor::take([gradient]) {
            Ok([mut gradient]) => {
                self.on_host += sum_of_squares(gradient.numbers());
                gradient.into_tensor()
            }
            Err([gradient]) => {
                let square = gradient.clone().square().sum();
                self.on_device = Some(match self.on_device.take() {
                    Some(sum) => sum + square,
                    None => square,
                });
                gradient
            }
        };
        self.gradients.register(param.id, gradient);
    }
}

struct Scale {
    gradients: GradientsParams,
    factor: f32,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else {
            return;
        };
        let gradient = match HostTensor::take([gradient]) {
            Ok([mut gradient]) => {
                scale(gradient.numbers(), self.factor);
                gradient.into_tensor()
            }
            Err([gradient]) => gradient.mul_scalar(self.factor),
        };
        self.gradients.register(param.id, gradient);
    }
}
