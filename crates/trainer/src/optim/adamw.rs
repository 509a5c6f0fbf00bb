use burn::optim::{AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

use super::rule::{Number, Rule, next_step, step};

/// Adam with decoupled weight decay (Loshchilov and Hutter, 2019), in the two forms in use.
#[derive(Debug, Clone)]
pub struct AdamW {
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the second moment.
    pub beta_2: f32,
    /// Keeps the denominator away from zero.
    pub epsilon: f32,
    /// Decoupled weight decay, in units of the learning rate.
    pub weight_decay: f32,
    /// Factor of the learning rate, which is that of all parameters together.
    pub rate_factor: f64,
    /// Where epsilon and the decay enter.
    pub form: AdamWForm,
}

/// The forms differ in where epsilon is added and when the weights decay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdamWForm {
    /// `p *= 1 - lr wd`, then `p -= lr / (1 - b1^t) * m / (sqrt(v / (1 - b2^t)) + eps)`.
    Torch,
    /// `p -= lr sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps)`, then `p -= lr wd p`: the optimizer
    /// that X-VLM was trained with.
    Xvlm,
}

impl AdamW {
    /// The rule of step `time`, counted from 1.
    pub(super) fn rule(&self, lr: LearningRate, time: usize) -> impl Rule {
        let lr = lr * self.rate_factor;
        let correction = |beta: f32| 1.0 - f64::from(beta).powf(time as f64);
        let correction_1 = correction(self.beta_1);
        let correction_2 = correction(self.beta_2).sqrt();
        AdamWRule {
            beta_1: self.beta_1,
            beta_2: self.beta_2,
            epsilon: self.epsilon,
            kept: (1.0 - lr * f64::from(self.weight_decay)) as f32,
            form: match self.form {
                AdamWForm::Torch => Corrected::Denominator {
                    by: correction_2 as f32,
                    rate: (lr / correction_1) as f32,
                },
                AdamWForm::Xvlm => Corrected::Rate((lr * correction_2 / correction_1) as f32),
            },
        }
    }
}

struct AdamWRule {
    beta_1: f32,
    beta_2: f32,
    epsilon: f32,
    /// What weight decay leaves of a parameter.
    kept: f32,
    form: Corrected,
}

/// What is corrected for the second moment's start at zero; the rate is corrected for the first moment's.
enum Corrected {
    /// [`AdamWForm::Torch`]
    Denominator { by: f32, rate: f32 },
    /// [`AdamWForm::Xvlm`]
    Rate(f32),
}

impl Rule for AdamWRule {
    #[inline]
    fn update<N: Number>(&self, parameter: N, gradient: N, [m, v]: [N; 2]) -> (N, [N; 2]) {
        let square = gradient.clone() * gradient.clone();
        let m = m.times(self.beta_1) + gradient.times(1.0 - self.beta_1);
        let v = v.times(self.beta_2) + square.times(1.0 - self.beta_2);
        let root = v.clone().root();
        let parameter = match self.form {
            Corrected::Denominator { by, rate } => {
                let update = m.clone() / root.times(1.0 / by).plus(self.epsilon);
                parameter.times(self.kept) - update.times(rate)
            }
            Corrected::Rate(rate) => {
                let update = m.clone() / root.plus(self.epsilon);
                (parameter - update.times(rate)).times(self.kept)
            }
        };
        (parameter, [m, v])
    }
}

impl Optimizer for AdamW {
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
