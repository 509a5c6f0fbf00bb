use burn::optim::{AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

/// Adamax (Kingma and Ba, "Adam", 2015, section 7.1) in the form that PyTorch computes.
///
/// `m = b1 m + (1 - b1) g`, `u = max(b2 u, |g| + eps)`, `p -= lr / (1 - b1^t) * m / u`; weight decay is
/// added to the gradient. Burn's state of adaptive optimizers holds `m` as its first and `u` as its second
/// moment.
#[derive(Debug, Clone)]
pub struct Adamax {
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the infinity norm.
    pub beta_2: f32,
    /// Added to `|g|`, so that a parameter that never had a gradient is not divided by zero.
    pub epsilon: f32,
    /// Factor of the L2 penalty's gradient.
    pub weight_decay: f32,
}

impl Optimizer for Adamax {
    type State<const D: usize> = AdaptiveMomentumState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let grad = if self.weight_decay == 0.0 {
            grad
        } else {
            grad + tensor.clone().mul_scalar(self.weight_decay)
        };
        let magnitude = grad.clone().abs().add_scalar(self.epsilon);
        let fresh = grad.mul_scalar(1.0 - self.beta_1);
        let (time, moment_1, moment_2) = match state {
            Some(state) => (
                state.time + 1,
                state.moment_1.mul_scalar(self.beta_1) + fresh,
                state.moment_2.mul_scalar(self.beta_2).max_pair(magnitude),
            ),
            None => (1, fresh, magnitude),
        };
        let correction = 1.0 - f64::from(self.beta_1).powf(time as f64);
        let update = moment_1.clone() / moment_2.clone();
        let state = AdaptiveMomentumState {
            time,
            moment_1,
            moment_2,
            max_moment_2: None,
        };
        (tensor - update.mul_scalar(lr / correction), Some(state))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        state.to_device(device)
    }
}
