//! One layer of BERT.

use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Tensor};
use burn_frugal::{Checkpointing, RowKeys, dropout, project};

use super::attention::{Attention, Context};
use super::init::{layer_norm, linear};
use super::model::BertConfig;

/// Dense layer, dropout, residual connection, layer normalisation: how each part of a layer ends.
#[derive(Module, Debug)]
pub(super) struct ResidualNorm {
    /// `[input, hidden]`
    dense: Linear,
    layer_norm: LayerNorm,
    dropout: f64,
}

impl ResidualNorm {
    pub(super) fn init(input: usize, config: &BertConfig, device: &Device) -> Self {
        Self {
            dense: linear(input, config.hidden, device),
            layer_norm: layer_norm(config.hidden, device),
            dropout: config.hidden_dropout,
        }
    }

    /// - `x`: `[rows, tokens, input]`
    /// - `residual` and result: `[rows, tokens, hidden]`
    /// - `keys`: what dropout is drawn by, `[rows]`
    pub(super) fn forward(
        &self,
        x: Tensor<3>,
        residual: Tensor<3>,
        keys: Option<&RowKeys>,
    ) -> Tensor<3> {
        let x = dropout(project(x, &self.dense), self.dropout, keys);
        self.layer_norm.forward(x + residual)
    }
}

/// Self-attention, attention to a context in the layers that have it, feed-forward network.
#[derive(Module, Debug)]
pub(super) struct Layer {
    attention: Attention,
    crossattention: Option<Attention>,
    /// `[hidden, intermediate]`
    intermediate: Linear,
    output: ResidualNorm,
}

impl Layer {
    pub(super) fn init(config: &BertConfig, fuses: bool, device: &Device) -> Self {
        Self {
            attention: Attention::init(config, config.hidden, device),
            crossattention: fuses.then(|| Attention::init(config, config.context_width, device)),
            intermediate: linear(config.hidden, config.intermediate, device),
            output: ResidualNorm::init(config.intermediate, config, device),
        }
    }

    pub(super) fn set_checkpointing(&mut self, checkpointing: Checkpointing) {
        self.attention.set_checkpointing(checkpointing);
        if let Some(crossattention) = &mut self.crossattention {
            crossattention.set_checkpointing(checkpointing);
        }
    }

    /// - `x` and result: `[rows, tokens, hidden]`
    /// - `mask`: `[rows, 1, 1 or tokens, tokens]`
    /// - `context`: looked at by a layer with cross-attention
    /// - `keys`: what dropout is drawn by, `[rows]`
    pub(super) fn forward(
        &self,
        x: Tensor<3>,
        mask: Tensor<4>,
        context: Option<&Context>,
        keys: Option<&RowKeys>,
    ) -> Tensor<3> {
        let part = |index| keys.map(|keys| keys.fold_in(index));
        let x = self.attention.attend_self(x, mask, part(0).as_ref());
        let x = match (&self.crossattention, context) {
            (Some(crossattention), Some(context)) => {
                crossattention.attend(x, context, part(1).as_ref())
            }
            _ => x,
        };
        let inner = gelu(project(x.clone(), &self.intermediate)); // [rows, tokens, intermediate]
        self.output.forward(inner, x, part(2).as_ref())
    }
}
