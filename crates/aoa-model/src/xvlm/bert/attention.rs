//! Multi-head attention of a BERT layer, to the tokens themselves or to a context.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Bool, Device, Int, Tensor};
use burn_frugal::{Checkpointing, RowKeys, attention, project};

use super::init::linear;
use super::layer::ResidualNorm;
use super::model::BertConfig;

/// Added to the score of a context token that must not be looked at.
const MASKED_CONTEXT: f64 = -1e9;

/// What attention looks at: the states of an image, or of a question.
///
/// Several rows of tokens may look at the same states (the answers of one question, say). The states are then passed
/// once, and keys and values are computed once.
#[derive(Debug, Clone)]
pub struct Context {
    /// `[contexts, keys, width]`
    pub(super) states: Tensor<3>,
    /// `[contexts or rows, 1, 1 or queries, keys]`, added to the scores.
    pub(super) mask: Option<Tensor<4>>,
    /// `[rows]`: the context of each row.
    pub(super) of_row: Option<Tensor<1, Int>>,
}

impl Context {
    /// Makes a context for later use with any number of rows.
    ///
    /// - `states`: `[contexts, keys, width]`
    /// - `masked`: `[contexts, keys]`, true where a key must not be looked at
    /// - `of_row`: `[rows]`, the context of each row of tokens; without it the rows are dealt to the contexts in
    ///   consecutive, equal shares, one row each in the simplest case
    pub fn new(
        states: Tensor<3>,
        masked: Option<Tensor<2, Bool>>,
        of_row: Option<Tensor<1, Int>>,
    ) -> Self {
        let mask = masked.map(|masked| {
            let [contexts, keys] = masked.dims();
            let mask = masked.float().mul_scalar(MASKED_CONTEXT);
            let mask = mask.reshape([contexts, 1, 1, keys]);
            match &of_row {
                Some(of_row) => mask.select(0, of_row.clone()),
                None => mask,
            }
        });
        Self {
            states,
            mask,
            of_row,
        }
    }
}

/// Multi-head scaled dot-product attention (Vaswani et al., 2017), a dense layer, residual and normalisation.
#[derive(Module, Debug)]
pub(super) struct Attention {
    /// `[hidden, hidden]`
    query: Linear,
    /// `[context width, hidden]`
    key: Linear,
    /// `[context width, hidden]`
    value: Linear,
    output: ResidualNorm,
    dropout: f64,
    heads: usize,
    memory_efficient: bool,
}

impl Attention {
    /// Attention to states of `width` channels.
    pub(super) fn init(config: &BertConfig, width: usize, device: &Device) -> Self {
        let hidden = config.hidden;
        Self {
            query: linear(hidden, hidden, device),
            key: linear(width, hidden, device),
            value: linear(width, hidden, device),
            output: ResidualNorm::init(hidden, config, device),
            dropout: config.attention_dropout,
            heads: config.heads,
            memory_efficient: false,
        }
    }

    pub(super) fn set_checkpointing(&mut self, checkpointing: Checkpointing) {
        self.memory_efficient = checkpointing.memory_efficient_attention;
    }

    /// Attends from each token to its row's tokens. `mask` is `[rows, 1, 1 or tokens, tokens]`, added to the scores.
    pub(super) fn attend_self(
        &self,
        x: Tensor<3>,
        mask: Tensor<4>,
        keys: Option<&RowKeys>,
    ) -> Tensor<3> {
        let own = Context {
            states: x.clone(),
            mask: Some(mask),
            of_row: None,
        };
        self.attend(x, &own, keys)
    }

    /// Attends from the tokens `[rows, tokens, hidden]` to a context.
    ///
    /// # Panics
    ///
    /// When rows that share a context by consecutive shares are given `dropout_keys`, `[rows]`.
    pub(super) fn attend(
        &self,
        x: Tensor<3>,
        context: &Context,
        dropout_keys: Option<&RowKeys>,
    ) -> Tensor<3> {
        let [rows, tokens, hidden] = x.dims();
        let look_up = |projection: &Linear| {
            let states = project(context.states.clone(), projection);
            self.split(match &context.of_row {
                Some(of_row) => states.select(0, of_row.clone()),
                None => states,
            })
        };
        let key = look_up(&self.key); // [groups, heads, keys, dim_head]
        let value = look_up(&self.value);

        // Queries do not see each other, so the rows that share keys are as good as one long row.
        let [groups, _, keys, _] = key.dims();
        let query = project(x.clone(), &self.query);
        let query = self.split(query.reshape([groups, rows / groups * tokens, hidden]));
        let bias = match &context.mask {
            Some(mask) => mask.clone(),
            None => Tensor::zeros([1, 1, 1, keys], &x.device()),
        };
        let [weights_keys, output_keys] =
            [0, 1].map(|index| dropout_keys.map(|keys| keys.fold_in(index)));
        let dropout = weights_keys.as_ref().map(|keys| (self.dropout, keys));
        let attended = attention(query, key, value, bias, dropout, self.memory_efficient)
            .swap_dims(1, 2)
            .reshape([rows, tokens, hidden]);
        self.output.forward(attended, x, output_keys.as_ref())
    }

    /// `[batch, tokens, heads * dim_head]` to `[batch, heads, tokens, dim_head]`.
    fn split(&self, x: Tensor<3>) -> Tensor<4> {
        let [batch, tokens, hidden] = x.dims();
        x.reshape([batch, tokens, self.heads, hidden / self.heads])
            .swap_dims(1, 2)
    }
}
