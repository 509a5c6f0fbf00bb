//! Weight normalisation with one gain for a whole tensor, and the linear layer that uses it.

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use burn_frugal::project_by;

/// Configuration of [`WeightNormLinear`].
#[derive(Config, Debug)]
pub struct WeightNormLinearConfig {
    /// Channels in.
    pub input: usize,
    /// Channels out.
    pub output: usize,
}

/// Linear layer whose matrix is `weight_v * weight_g / ||weight_v||` (Salimans and Kingma, 2016) with one gain for
/// the whole matrix and the norm taken over the whole matrix, as bilinear attention networks use it.
#[derive(Module, Debug)]
pub struct WeightNormLinear {
    /// Direction, `[input, output]`.
    pub weight_v: Param<Tensor<2>>,
    /// Gain, `[1]`.
    pub weight_g: Param<Tensor<1>>,
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
        let weight_v: Param<Tensor<2>> = uniform.init([self.input, self.output], device);
        WeightNormLinear {
            weight_g: gain(weight_v.val()),
            weight_v,
            bias: uniform.init([self.output], device),
        }
    }
}

impl WeightNormLinear {
    /// `[.., input]` to `[.., output]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        project_by(x, self.weight(), Some(self.bias.val()))
    }

    /// The matrix in use, `[input, output]`.
    pub fn weight(&self) -> Tensor<2> {
        weight_norm(self.weight_v.val(), self.weight_g.val())
    }
}

/// `direction * gain / ||direction||`, the norm taken over all entries; `gain`: `[1]`.
pub(crate) fn weight_norm<const D: usize>(direction: Tensor<D>, gain: Tensor<1>) -> Tensor<D> {
    let scale = gain / norm(direction.clone()); // [1]
    direction * scale.unsqueeze::<D>()
}

/// The gain `[1]` with which the normed weight is the direction itself.
pub(crate) fn gain<const D: usize>(direction: Tensor<D>) -> Param<Tensor<1>> {
    // Detached, so that the gain is a leaf of its own and not a function of the direction.
    Param::from_tensor(norm(direction).detach())
}

/// Norm over all entries, `[1]`.
fn norm<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    tensor.square().sum().sqrt()
}
