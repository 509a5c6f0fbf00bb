//! Answer classifier.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::{relu, silu};
use burn::tensor::{Device, Tensor};
use burn_frugal::{RowKeys, dropout};

use crate::weight_norm::{WeightNormLinear, WeightNormLinearConfig};

/// Non-linearity between the classifier's layers.
#[derive(Config, Debug, PartialEq, Eq)]
pub enum ClassifierActivation {
    /// `max(0, x)`
    Relu,
    /// `x sigmoid(x)`
    Swish,
}

/// Configuration of [`Classifier`].
#[derive(Config, Debug)]
pub struct ClassifierConfig {
    /// Channels of the joint feature.
    pub dim: usize,
    /// Channels of the hidden layer.
    pub hidden: usize,
    /// Answers.
    pub answers: usize,
    /// Dropout in front of the last layer.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Non-linearity of the hidden layer.
    #[config(default = "ClassifierActivation::Relu")]
    pub activation: ClassifierActivation,
}

/// Two weight-normed layers over the answer list, with a non-linearity and dropout between them (Kim et al.,
/// "Bilinear Attention Networks", 2018).
#[derive(Module, Debug)]
pub struct Classifier {
    hidden: WeightNormLinear,
    dropout: f64,
    output: WeightNormLinear,
    #[module(skip)]
    activation: ClassifierActivation,
}

impl ClassifierConfig {
    /// Creates the classifier with freshly drawn weights on `device`.
    pub fn init(&self, device: &Device) -> Classifier {
        Classifier {
            hidden: WeightNormLinearConfig::new(self.dim, self.hidden).init(device),
            dropout: self.dropout,
            output: WeightNormLinearConfig::new(self.hidden, self.answers).init(device),
            activation: self.activation.clone(),
        }
    }
}

impl Classifier {
    /// Logits of the answers: `[batch, dim]` to `[batch, answers]`. Dropout is drawn by `keys`, `[batch]`; without them
    /// nothing is dropped.
    pub fn forward(&self, joint: Tensor<2>, keys: Option<&RowKeys>) -> Tensor<2> {
        let hidden = self.hidden.forward(joint);
        let hidden = match self.activation {
            ClassifierActivation::Relu => relu(hidden),
            ClassifierActivation::Swish => silu(hidden),
        };
        self.output.forward(dropout(hidden, self.dropout, keys))
    }
}
