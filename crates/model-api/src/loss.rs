//! Losses over the answer list.

use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;

/// Keeps the logarithm of a probability finite.
const LEAST_PROBABILITY: f64 = 1e-6;

/// Binary cross-entropy of logits against soft targets, summed over the answers: two `[batch, answers]` to
/// `[batch]`.
pub fn binary_cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    // -(t log s(x) + (1 - t) log(1 - s(x))) = x (1 - t) - log s(x)
    let losses = logits.clone() * (targets.neg().add_scalar(1.0)) - log_sigmoid(logits);
    losses.sum_dim(1).squeeze_dim(1)
}

/// The same of probabilities, which are kept a millionth away from 0 and 1.
pub fn cross_entropy_of_probabilities(probabilities: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let p = probabilities.clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY);
    let right = targets.clone() * p.clone().log();
    let wrong = targets.neg().add_scalar(1.0) * p.neg().add_scalar(1.0).log();
    (right + wrong).neg().sum_dim(1).squeeze_dim(1)
}
