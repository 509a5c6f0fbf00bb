//! Token embeddings of BERT.

use burn::module::Module;
use burn::nn::{Embedding, LayerNorm};
use burn::tensor::{Device, Int, Tensor};
use burn_frugal::{RowKeys, dropout};

use super::init::{embedding, layer_norm};
use super::model::BertConfig;
use super::tokens::PADDING_ID;

/// Rows of the token type table. Checkpoints have both; X-VLM uses type 0 alone.
const TOKEN_TYPES: usize = 2;

/// Sum of word, position and type embedding, normalised.
#[derive(Module, Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "these are the names in checkpoints"
)]
pub(super) struct Embeddings {
    /// `[vocabulary, hidden]`
    word_embeddings: Embedding,
    /// `[positions, hidden]`
    position_embeddings: Embedding,
    /// `[2, hidden]`
    token_type_embeddings: Embedding,
    layer_norm: LayerNorm,
    dropout: f64,
}

impl Embeddings {
    pub(super) fn init(config: &BertConfig, device: &Device) -> Self {
        Self {
            word_embeddings: embedding(config.vocabulary, config.hidden, device),
            position_embeddings: embedding(config.positions, config.hidden, device),
            token_type_embeddings: embedding(TOKEN_TYPES, config.hidden, device),
            layer_norm: layer_norm(config.hidden, device),
            dropout: config.hidden_dropout,
        }
    }

    /// The word table, `[vocabulary, hidden]`.
    pub(super) fn word_table(&self) -> Tensor<2> {
        self.word_embeddings.weight.val()
    }

    /// `[rows, tokens]` to `[rows, tokens, hidden]`.
    pub(super) fn forward(&self, ids: Tensor<2, Int>, keys: Option<&RowKeys>) -> Tensor<3> {
        let [rows, tokens] = ids.dims();
        let padding = ids.clone().equal_elem(PADDING_ID);
        let words = self.word_embeddings.forward(ids); // [rows, tokens, hidden]
        let hidden = words.dims()[2];
        // Padding has a value, and the value reaches its outputs, but no gradient reaches the table.
        let padding = padding
            .reshape([rows, tokens, 1])
            .expand([rows, tokens, hidden]);
        let words = words.clone().mask_where(padding, words.detach());

        let positions = self.position_embeddings.weight.val().narrow(0, 0, tokens); // [tokens, hidden]
        let kind = self.token_type_embeddings.weight.val().narrow(0, 0, 1); // [1, hidden]
        let x = words + (positions + kind).unsqueeze();
        dropout(self.layer_norm.forward(x), self.dropout, keys)
    }
}
