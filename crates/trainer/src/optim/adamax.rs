use burn::optim::{AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

use super::rule::{Number, Rule, next_step, step};

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
    /// Factor of the learning rate.
    pub rate_factor: f64,
}

impl Adamax {
    /// The rule of step `time`, counted from 1.
    pub(super) fn rule(&self, lr: LearningRate, time: usize) -> impl Rule {
        let lr = lr * self.rate_factor;
        let correction = 1.0 - f64::from(self.beta_1).powf(time as f64);
        AdamaxRule {
            beta_1: self.beta_1,
            beta_2: self.beta_2,
            epsilon: self.epsilon,
            weight_decay: self.weight_decay,
            rate: (lr / correction) as f32,
        }
    }
}

struct AdamaxRule {
    beta_1: f32,
    beta_2: f32,
    epsilon: f32,
    weight_decay: f32,
    /// Corrected for the first moment's start at zero.
    rate: f32,
}

impl Rule for AdamaxRule {
    #[inline]
    fn update<N: Number>(&self, parameter: N, gradient: N, [m, u]: [N; 2]) -> (N, [N; 2]) {
        let gradient = if self.weight_decay == 0.0 {
            gradient
        } else {
            gradient + parameter.clone().times(self.weight_decay)
        };
        let magnitude = gradient.clone().magnitude().plus(self.epsilon);
        let m = m.times(self.beta_1) + gradient.times(1.0 - self.beta_1);
        let u = u.times(self.beta_2).or_larger(magnitude);
        let update = (m.clone() / u.clone()).times(self.rate);
        (parameter - update, [m, u])
    }
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
        let rule = self.rule(lr, next_step(state.as_ref()));
        step(&rule, tensor, grad, state)
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        state.to_device(device)
    }
}
