//! Initial weights that keep the size of a signal from layer to layer.
//!
//! Burn's default (PyTorch's too) shrinks it: after three convolutions the image is fainter than the biases, and a layer
//! normalisation behind them then amplifies the biases.

use burn::module::Initializer;
use burn::nn::LinearConfig;

/// For layers in front of a rectifier (He et al., 2015).
pub(crate) const RECTIFIED: Initializer = Initializer::KaimingNormal {
    gain: std::f64::consts::SQRT_2,
    fan_out_only: false,
};

/// For all other layers (Glorot and Bengio, 2010).
pub(crate) const LINEAR: Initializer = Initializer::XavierUniform { gain: 1.0 };

/// A linear layer that nothing follows at once.
pub(crate) fn linear(input: usize, output: usize) -> LinearConfig {
    LinearConfig::new(input, output).with_initializer(LINEAR)
}

/// A linear layer with a rectifier behind it.
pub(crate) fn rectified(input: usize, output: usize) -> LinearConfig {
    LinearConfig::new(input, output).with_initializer(RECTIFIED)
}
