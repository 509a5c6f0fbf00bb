//! The layers of BERT.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::attention::Context;
use super::layer::Layer;
use super::model::BertConfig;

/// A stack of layers of which those from `fusion_layer` on look at a context.
#[derive(Module, Debug)]
pub(super) struct Encoder {
    layer: Vec<Layer>,
    fusion_layer: usize,
}

impl Encoder {
    pub(super) fn init(config: &BertConfig, device: &Device) -> Self {
        let layer = |index| Layer::init(config, index >= config.fusion_layer, device);
        Self {
            layer: (0..config.layers).map(layer).collect(),
            fusion_layer: config.fusion_layer,
        }
    }

    /// Runs all layers, or without a context those in front of the fusion.
    ///
    /// - `x` and result: `[rows, tokens, hidden]`
    /// - `mask`: `[rows, 1, 1 or tokens, tokens]`
    pub(super) fn forward(
        &self,
        x: Tensor<3>,
        mask: &Tensor<4>,
        context: Option<&Context>,
    ) -> Tensor<3> {
        let depth = match context {
            Some(_) => self.layer.len(),
            None => self.fusion_layer,
        };
        self.layer
            .iter()
            .take(depth)
            .fold(x, |x, layer| layer.forward(x, mask.clone(), context))
    }
}
