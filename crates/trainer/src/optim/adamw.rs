use burn::optim::{AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

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

impl Optimizer for AdamW {
    type State<const D: usize> = AdaptiveMomentumState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let fresh_1 = grad.clone().mul_scalar(1.0 - self.beta_1);
        let fresh_2 = grad.square().mul_scalar(1.0 - self.beta_2);
        let (time, moment_1, moment_2) = match state {
            Some(state) => (
                state.time + 1,
                state.moment_1.mul_scalar(self.beta_1) + fresh_1,
                state.moment_2.mul_scalar(self.beta_2) + fresh_2,
            ),
            None => (1, fresh_1, fresh_2),
        };
        let steps = time as f64;
        let correction_1 = 1.0 - f64::from(self.beta_1).powf(steps);
        let correction_2 = (1.0 - f64::from(self.beta_2).powf(steps)).sqrt();
        let kept = 1.0 - lr * f64::from(self.weight_decay);
        let denominator = moment_2.clone().sqrt();
        let tensor = match self.form {
            AdamWForm::Torch => {
                let denominator = denominator
                    .div_scalar(correction_2)
                    .add_scalar(self.epsilon);
                let update = moment_1.clone() / denominator;
                tensor.mul_scalar(kept) - update.mul_scalar(lr / correction_1)
            }
            AdamWForm::Xvlm => {
                let update = moment_1.clone() / denominator.add_scalar(self.epsilon);
                (tensor - update.mul_scalar(lr * correction_2 / correction_1)).mul_scalar(kept)
            }
        };
        let state = AdaptiveMomentumState {
            time,
            moment_1,
            moment_2,
            max_moment_2: None,
        };
        (tensor, Some(state))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        state.to_device(device)
    }
}
