//! Layers with the initial weights and constants of BERT (Devlin et al., 2019, appendix A.2 and the published code).

use burn::module::{Initializer, Param};
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear};
use burn::tensor::{Device, Tensor};

/// All matrices start normal with this deviation; all biases start at zero.
const WEIGHTS: Initializer = Initializer::Normal {
    mean: 0.0,
    std: 0.02,
};

/// Burn draws a bias the way it draws the matrix, so the two are made one by one.
pub(in crate::xvlm) fn linear(input: usize, output: usize, device: &Device) -> Linear {
    let bias: Param<Tensor<1>> = Initializer::Zeros.init([output], device);
    Linear {
        weight: WEIGHTS.init([input, output], device),
        bias: Some(bias),
    }
}

pub(in crate::xvlm) fn layer_norm(hidden: usize, device: &Device) -> LayerNorm {
    LayerNormConfig::new(hidden)
        .with_epsilon(1e-12)
        .init(device)
}

pub(super) fn embedding(rows: usize, hidden: usize, device: &Device) -> Embedding {
    EmbeddingConfig::new(rows, hidden)
        .with_initializer(WEIGHTS)
        .init(device)
}
