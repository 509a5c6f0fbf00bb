//! Stochastic depth.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::Tensor;

/// Drops a residual branch for whole samples in training and scales the kept ones by `1 / (1 - rate)`
/// (Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016).
///
/// Whether it is training is decided as for Burn's dropout: on an autodiff device, unless frozen.
#[derive(Module, Debug)]
pub struct DropPath {
    dropout: Dropout,
}

impl DropPath {
    /// Drops with probability `rate`, `0 <= rate < 1`.
    ///
    /// # Panics
    ///
    /// When the rate is out of range.
    pub fn new(rate: f64) -> Self {
        Self {
            dropout: DropoutConfig::new(rate).init(),
        }
    }

    /// `[batch, rows, columns, channels]`, any sizes; the result has the same.
    pub fn forward(&self, branch: Tensor<4>) -> Tensor<4> {
        let device = branch.device();
        if self.dropout.prob == 0.0 || !device.is_autodiff() {
            return branch;
        }
        let samples = Tensor::ones([branch.dims()[0], 1, 1, 1], &device);
        branch * self.dropout.forward(samples)
    }
}
