//! Linear layer with a weight-normed matrix.

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};

/// Configuration of [`WeightNormLinear`].
#[derive(Config, Debug)]
pub struct WeightNormLinearConfig {
    /// Channels in.
    pub input: usize,
    /// Channels out.
    pub output: usize,
}

/// Linear layer whose matrix is `direction * gain / ||direction||` (Salimans and Kingma, 2016) with one gain for
/// the whole matrix and the norm taken over the whole matrix, as bilinear attention networks use it.
#[derive(Module, Debug)]
pub struct WeightNormLinear {
    /// `[input, output]`
    pub direction: Param<Tensor<2>>,
    /// `[1]`
    pub gain: Param<Tensor<1>>,
    /// `[output]`
    pub bias: Param<Tensor<1>>,
}

impl WeightNormLinearConfig {
    /// Creates the layer on `device`: direction and bias uniform in `+-1/sqrt(input)`, the gain such that the
    /// matrix starts out as the direction.
    pub fn init(&self, device: &Device) -> WeightNormLinear {
        let bound = (self.input as f64).powf(-0.5);
        let uniform = Initializer::Uniform {
            min: -bound,
            max: bound,
        };
        let direction: Param<Tensor<2>> = uniform.init([self.input, self.output], device);
        // Through plain data, so that the gain is a leaf of its own and not a function of the direction.
        let gain = Tensor::from_data(norm(direction.val()).into_data(), device);
        WeightNormLinear {
            direction,
            gain: Param::from_tensor(gain),
            bias: uniform.init([self.output], device),
        }
    }
}

impl WeightNormLinear {
    /// `[.., input]` to `[.., output]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let direction = self.direction.val();
        let scale = self.gain.val() / norm(direction.clone()); // [1]
        let weight = direction * scale.unsqueeze();
        burn::tensor::module::linear(x, weight, Some(self.bias.val()))
    }
}

/// Frobenius norm, `[1]`.
fn norm(matrix: Tensor<2>) -> Tensor<1> {
    matrix.square().sum().sqrt()
}
