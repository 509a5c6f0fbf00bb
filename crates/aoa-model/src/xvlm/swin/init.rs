//! Initial weights as published for Swin.

use burn::module::Initializer;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::Device;

/// The reference cuts this distribution off at +-2, a hundred standard deviations away.
pub(super) const SMALL_NORMAL: Initializer = Initializer::Normal {
    mean: 0.0,
    std: 0.02,
};

/// A linear layer with small normal weights and a bias of zero.
pub(super) fn dense(input: usize, output: usize, device: &Device) -> Linear {
    Linear {
        bias: Some(Initializer::Zeros.init([output], device)),
        ..dense_without_bias(input, output, device)
    }
}

/// The same without a bias.
pub(super) fn dense_without_bias(input: usize, output: usize, device: &Device) -> Linear {
    LinearConfig::new(input, output)
        .with_bias(false)
        .with_initializer(SMALL_NORMAL)
        .init(device)
}
