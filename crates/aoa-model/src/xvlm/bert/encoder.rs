//! The layers of BERT.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::attention::Context;
use super::layer::Layer;
use super::model::BertConfig;
use crate::checkpointing::{Checkpointing, Stack};

/// A stack of layers of which those from `fusion_layer` on look at a context.
#[derive(Module, Debug)]
pub(super) struct Encoder {
    layer: Vec<Layer>,
    fusion_layer: usize,
    #[module(skip)]
    stack: Stack,
}

impl Encoder {
    pub(super) fn init(config: &BertConfig, device: &Device) -> Self {
        let layer = |index| Layer::init(config, index >= config.fusion_layer, device);
        Self {
            layer: (0..config.layers).map(layer).collect(),
            fusion_layer: config.fusion_layer,
            stack: Stack::new(config.hidden_dropout > 0.0 || config.attention_dropout > 0.0),
        }
    }

    pub(super) fn set_checkpointing(&mut self, checkpointing: Checkpointing) {
        self.stack.checkpointing = checkpointing;
        for layer in &mut self.layer {
            layer.set_checkpointing(checkpointing);
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
        let (text, fused) = self.layer.split_at(self.fusion_layer.min(self.layer.len()));
        let fused = context.map_or(&[][..], |_| fused);
        let mut pass = self.stack.pass(&self.layer, &x);
        let own = mask.clone();
        let x = pass.run(text, x, None, fused.is_empty(), move |_, layer, x, _| {
            layer.forward(x, own.clone(), None)
        });
        let Some(Context {
            states,
            mask: context_mask,
            of_row,
        }) = context.cloned()
        else {
            return x;
        };
        let mask = mask.clone();
        pass.run(fused, x, Some(states), true, move |_, layer, x, states| {
            let context = states.map(|states| Context {
                states: states.clone(),
                mask: context_mask.clone(),
                of_row: of_row.clone(),
            });
            layer.forward(x, mask.clone(), context.as_ref())
        })
    }
}
