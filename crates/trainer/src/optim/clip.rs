use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{ElementConversion, Tensor};

/// Added to the norm before dividing by it, as PyTorch's `clip_grad_norm_` does.
const EPSILON: f64 = 1e-6;

/// L2 norm over every gradient of a model, before clipping.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GradientNorm(pub f64);

/// Scales every gradient by `min(1, max_norm / (norm + 1e-6))`, where the norm is that of all gradients of
/// `model` together; with `max_norm` 0 only the norm is taken.
///
/// The norm is summed on the device and read once. When it is not finite the gradients stay as they are,
/// and the caller decides.
pub fn clip_by_global_norm<M: Module>(
    model: &M,
    gradients: GradientsParams,
    max_norm: f64,
) -> (GradientsParams, GradientNorm) {
    let mut squares = SumOfSquares {
        gradients: &gradients,
        total: None,
    };
    model.visit(&mut squares);
    let norm = squares
        .total
        .map_or(0.0, |total| total.into_scalar::<f32>().elem::<f64>().sqrt());
    let factor = max_norm / (norm + EPSILON);
    if max_norm == 0.0 || !norm.is_finite() || factor >= 1.0 {
        return (gradients, GradientNorm(norm));
    }
    let mut scale = Scale { gradients, factor };
    model.visit(&mut scale);
    (scale.gradients, GradientNorm(norm))
}

struct SumOfSquares<'a> {
    gradients: &'a GradientsParams,
    total: Option<Tensor<1>>,
}

impl ModuleVisitor for SumOfSquares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let square = gradient.square().sum();
            self.total = Some(match self.total.take() {
                Some(total) => total + square,
                None => square,
            });
        }
    }
}

struct Scale {
    gradients: GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients
                .register(param.id, gradient.mul_scalar(self.factor));
        }
    }
}
