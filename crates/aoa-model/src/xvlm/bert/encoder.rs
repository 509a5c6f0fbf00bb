//! The layers of BERT.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_frugal::{Checkpointing, RowKeys, Stack};

use super::attention::Context;
use super::layer::Layer;
use super::model::BertConfig;

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
            stack: Stack::default(),
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
    /// - `keys`: what dropout is drawn by, `[rows]`
    pub(super) fn forward(
        &self,
        x: Tensor<3>,
        mask: &Tensor<4>,
        context: Option<&Context>,
        keys: Option<&RowKeys>,
    ) -> Tensor<3> {
        let (text, fused) = self.layer.split_at(self.fusion_layer.min(self.layer.len()));
        let fused = context.map_or(&[][..], |_| fused);
        let pass = self.stack.pass(&self.layer, &x);
        let own = mask.clone();
        let text_keys = keys.map(|keys| keys.fold_in(0));
        let x = pass.run(
            text,
            x,
            None,
            fused.is_empty(),
            move |index, layer, x, _| {
                let keys = text_keys.as_ref().map(|keys| keys.fold_in(index));
                layer.forward(x, own.clone(), None, keys.as_ref())
            },
        );
        let Some(Context {
            states,
            mask: context_mask,
            of_row,
        }) = context.cloned()
        else {
            return x;
        };
        let mask = mask.clone();
        let fused_keys = keys.map(|keys| keys.fold_in(1));
        pass.run(
            fused,
            x,
            Some(states),
            true,
            move |index, layer, x, states| {
                let keys = fused_keys.as_ref().map(|keys| keys.fold_in(index));
                let context = states.map(|states| Context {
                    states: states.clone(),
                    mask: context_mask.clone(),
                    of_row: of_row.clone(),
                });
                layer.forward(x, mask.clone(), context.as_ref(), keys.as_ref())
            },
        )
    }
}
