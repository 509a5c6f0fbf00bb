//! Weight-normed linear layers one after the other.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Relu};
use burn::tensor::{Device, Tensor};

use crate::weight_norm::{WeightNormLinear, WeightNormLinearConfig};

/// Configuration of [`FcNet`].
#[derive(Config, Debug)]
pub struct FcNetConfig {
    /// Channels of the input, of every layer between, and of the output.
    pub dims: Vec<usize>,
    /// Whether a rectifier follows every linear layer.
    pub relu: bool,
    /// Dropout in front of every linear layer. None leaves the dropout layers out, and the layers behind them then
    /// have other numbers in a checkpoint; a probability of 0 keeps the numbers.
    pub dropout: Option<f64>,
}

/// Weight-normed linear layers, each with dropout in front of it and a rectifier behind it where these are configured.
#[derive(Module, Debug)]
pub struct FcNet {
    /// All layers in order. Their places are the layer numbers of a PyTorch checkpoint.
    main: Vec<Layer>,
}

#[derive(Module, Debug)]
enum Layer {
    Dropout(Dropout),
    Linear(WeightNormLinear),
    Relu(Relu),
}

impl FcNetConfig {
    /// Creates the net with freshly drawn weights on `device`.
    pub fn init(&self, device: &Device) -> FcNet {
        let mut main = Vec::new();
        for dims in self.dims.windows(2) {
            if let Some(probability) = self.dropout {
                main.push(Layer::Dropout(DropoutConfig::new(probability).init()));
            }
            main.push(Layer::Linear(
                WeightNormLinearConfig::new(dims[0], dims[1]).init(device),
            ));
            if self.relu {
                main.push(Layer::Relu(Relu::new()));
            }
        }
        FcNet { main }
    }
}

impl FcNet {
    /// `[.., input]` to `[.., output]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.main.iter().fold(x, |x, layer| match layer {
            Layer::Dropout(dropout) => dropout.forward(x),
            Layer::Linear(linear) => linear.forward(x),
            Layer::Relu(relu) => relu.forward(x),
        })
    }
}
