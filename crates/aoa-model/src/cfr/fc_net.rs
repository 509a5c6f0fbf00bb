//! Weight-normed linear layers one after the other.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Relu;
use burn::tensor::{Device, Tensor};
use burn_frugal::{RowKeys, dropout};

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
#[expect(
    clippy::large_enum_variant,
    reason = "a net has a handful of layers, and their weights dwarf them"
)]
enum Layer {
    /// Its probability.
    Dropout(f64),
    Linear(WeightNormLinear),
    Relu(Relu),
}

impl FcNetConfig {
    /// Creates the net with freshly drawn weights on `device`.
    pub fn init(&self, device: &Device) -> FcNet {
        let mut main = Vec::new();
        for dims in self.dims.windows(2) {
            if let Some(probability) = self.dropout {
                main.push(Layer::Dropout(probability));
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
    /// `[rows, .., input]` to `[rows, .., output]`. Dropout is drawn by `keys`, `[rows]`; without them nothing is dropped.
    pub fn forward<const D: usize>(&self, x: Tensor<D>, keys: Option<&RowKeys>) -> Tensor<D> {
        let layers = self.main.iter().enumerate();
        layers.fold(x, |x, (index, layer)| match layer {
            Layer::Dropout(probability) => {
                let keys = keys.map(|keys| keys.fold_in(index));
                dropout(x, *probability, keys.as_ref())
            }
            Layer::Linear(linear) => linear.forward(x),
            Layer::Relu(relu) => relu.forward(x),
        })
    }
}
