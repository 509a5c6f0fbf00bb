//! Attention on attention.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Bool, Device, Tensor};
use burn_frugal::{Checkpointing, RowKeys, attention, dropout, operand, project};

use crate::init::linear;

/// Added to the score of a masked key: far below any real score, and finite, so that a row whose keys are all masked
/// becomes a plain mean instead of NaN.
const MASKED_KEY: f64 = -1e9;

/// Configuration of [`AttentionOnAttention`].
#[derive(Config, Debug)]
pub struct AttentionOnAttentionConfig {
    /// Channels of the input and of the output.
    pub dim: usize,
    /// Attention heads.
    pub heads: usize,
    /// Channels of one head; `heads * dim_head` need not be `dim`.
    pub dim_head: usize,
    /// Dropout on the attention weights.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Dropout on the block's output.
    #[config(default = 0.0)]
    pub output_dropout: f64,
}

/// Multi-head attention whose result is filtered by a gate computed from the result and the query
/// (Huang et al., "Attention on Attention for Image Captioning", ICCV 2019, equations 4 to 6).
///
/// `i = W_i [a, q] + b_i`, `g = sigmoid(W_g [a, q] + b_g)`, `output = g * i`, where `a` is what
/// scaled dot-product attention returns. There is no residual connection and no normalisation inside.
#[derive(Module, Debug)]
pub struct AttentionOnAttention {
    /// Query projection `[dim, inner]`, no bias.
    to_q: Linear,
    /// Key and value projection `[dim, 2 * inner]`, no bias; keys first.
    to_kv: Linear,
    /// `[2 * inner, 2 * dim]`: information first, gate second.
    aoa: Linear,
    dropout: f64,
    output_dropout: f64,
    heads: usize,
    memory_efficient: bool,
}

impl AttentionOnAttentionConfig {
    /// Creates the block with freshly drawn weights on `device`.
    pub fn init(&self, device: &Device) -> AttentionOnAttention {
        let inner = self.heads * self.dim_head;
        AttentionOnAttention {
            to_q: linear(self.dim, inner).with_bias(false).init(device),
            to_kv: linear(self.dim, 2 * inner).with_bias(false).init(device),
            aoa: linear(2 * inner, 2 * self.dim).init(device),
            dropout: self.dropout,
            output_dropout: self.output_dropout,
            heads: self.heads,
            memory_efficient: false,
        }
    }
}

impl AttentionOnAttention {
    /// Decides whether attention weights are kept for the backward pass, as they are at first.
    pub fn set_checkpointing(&mut self, checkpointing: Checkpointing) {
        self.memory_efficient = checkpointing.memory_efficient_attention;
    }

    /// Attends from `x` to `context`, or to `x` itself when there is no context.
    ///
    /// # Shapes
    ///
    /// - `x`: `[batch, queries, dim]`
    /// - `context`: `[batch, keys, dim]`
    /// - `masked`: `[batch, keys]`, true where a key must not be looked at
    /// - `dropout_keys`: what dropout is drawn by, `[batch]`; none: nothing is dropped
    /// - result: `[batch, queries, dim]`
    pub fn forward(
        &self,
        x: Tensor<3>,
        context: Option<Tensor<3>>,
        masked: Option<Tensor<2, Bool>>,
        dropout_keys: Option<&RowKeys>,
    ) -> Tensor<3> {
        let x = operand(x);
        let context = context.unwrap_or_else(|| x.clone());
        let query = project(x, &self.to_q); // [batch, queries, inner]
        let [batch, queries, inner] = query.dims();
        let keys = context.dims()[1];
        let dim_head = inner / self.heads;

        // [batch, tokens, heads * dim_head] -> [batch, heads, tokens, dim_head]
        let split = |tensor: Tensor<3>, tokens: usize| {
            tensor
                .reshape([batch, tokens, self.heads, dim_head])
                .swap_dims(1, 2)
        };
        let key_value = project(context, &self.to_kv); // [batch, keys, 2 * inner]
        let mut halves = key_value.chunk(2, 2).into_iter();
        let (Some(key), Some(value)) = (halves.next(), halves.next()) else {
            unreachable!("chunk(2) of an even axis gives two halves")
        };

        let bias = match masked {
            Some(masked) => masked
                .float()
                .mul_scalar(MASKED_KEY)
                .reshape([batch, 1, 1, keys]),
            None => Tensor::zeros([1, 1, 1, keys], &query.device()),
        };
        let weights_keys = dropout_keys.map(|keys| keys.fold_in(0));
        let attended = attention(
            split(query.clone(), queries),
            split(key, keys),
            split(value, keys),
            bias,
            weights_keys.as_ref().map(|keys| (self.dropout, keys)),
            self.memory_efficient,
        ); // [batch, heads, queries, dim_head]
        let attended = attended.swap_dims(1, 2).reshape([batch, queries, inner]);

        let filtered = project(Tensor::cat(vec![attended, query], 2), &self.aoa); // [batch, queries, 2 * dim]
        let output_keys = dropout_keys.map(|keys| keys.fold_in(1));
        dropout(
            gated_linear_unit(filtered),
            self.output_dropout,
            output_keys.as_ref(),
        )
    }
}

/// First half of the last axis times the sigmoid of the second half: `[.., 2 * n]` to `[.., n]`
/// (Dauphin et al., 2017).
fn gated_linear_unit(x: Tensor<3>) -> Tensor<3> {
    let n = x.dims()[2] / 2;
    let information = x.clone().narrow(2, 0, n);
    let gate = x.narrow(2, n, n);
    information * sigmoid(gate)
}
