//! BERT: embeddings and layers.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_frugal::{Checkpointing, RowKeys};

use super::attention::Context;
use super::embeddings::Embeddings;
use super::encoder::Encoder;
use super::tokens::Tokens;

/// Configuration of [`Bert`].
#[derive(Config, Debug)]
pub struct BertConfig {
    /// Rows of the word table.
    pub vocabulary: usize,
    /// Hidden size: channels of a token.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads; divides `hidden`.
    pub heads: usize,
    /// Channels inside a feed-forward network.
    pub intermediate: usize,
    /// Rows of the position table: tokens of the longest sequence.
    pub positions: usize,
    /// The first layer that looks at the context; all layers after it do, too.
    pub fusion_layer: usize,
    /// Channels of the context.
    pub context_width: usize,
    /// Dropout on embeddings and on what each part of a layer adds.
    #[config(default = 0.1)]
    pub hidden_dropout: f64,
    /// Dropout on attention weights.
    #[config(default = 0.1)]
    pub attention_dropout: f64,
}

/// Post-norm BERT (Devlin et al., 2019) whose layers from `fusion_layer` on also attend to a context, as the text and
/// cross encoder and the answer decoder of X-VLM do.
#[derive(Module, Debug)]
pub struct Bert {
    embeddings: Embeddings,
    encoder: Encoder,
}

impl BertConfig {
    /// The published X-VLM base model: BERT-base that fuses in its upper half.
    pub fn base(context_width: usize) -> Self {
        Self::new(30_522, 768, 12, 12, 3_072, 512, 6, context_width)
    }

    /// Creates the model with freshly drawn weights on `device`.
    ///
    /// # Panics
    ///
    /// When `heads` does not divide `hidden`.
    pub fn init(&self, device: &Device) -> Bert {
        assert!(
            self.heads > 0 && self.hidden.is_multiple_of(self.heads),
            "{} heads do not divide a hidden size of {}",
            self.heads,
            self.hidden
        );
        Bert {
            embeddings: Embeddings::init(self, device),
            encoder: Encoder::init(self, device),
        }
    }
}

impl Bert {
    /// Decides what the layers keep for the backward pass, everything at first.
    pub fn set_checkpointing(&mut self, checkpointing: Checkpointing) {
        self.encoder.set_checkpointing(checkpointing);
    }

    /// States of the tokens, `[rows, tokens, hidden]`; padded tokens have states, too.
    ///
    /// Without a context the text alone is encoded: only the layers in front of `fusion_layer` run. Dropout is drawn by
    /// `keys`, `[rows]`; without them nothing is dropped.
    ///
    /// # Panics
    ///
    /// When there are more tokens than positions, or the number of rows is not a multiple of the number of contexts.
    pub fn forward(
        &self,
        tokens: &Tokens,
        context: Option<&Context>,
        keys: Option<&RowKeys>,
    ) -> Tensor<3> {
        self.run(tokens, &tokens.full_mask(), context, keys)
    }

    /// As [`forward`](Self::forward), but a token sees none that come after it.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_causal(
        &self,
        tokens: &Tokens,
        context: Option<&Context>,
        keys: Option<&RowKeys>,
    ) -> Tensor<3> {
        self.run(tokens, &tokens.causal_mask(), context, keys)
    }

    /// The word table, `[vocabulary, hidden]`.
    pub fn word_table(&self) -> Tensor<2> {
        self.embeddings.word_table()
    }

    fn run(
        &self,
        tokens: &Tokens,
        mask: &Tensor<4>,
        context: Option<&Context>,
        keys: Option<&RowKeys>,
    ) -> Tensor<3> {
        let [embedding_keys, layer_keys] = [0, 1].map(|index| keys.map(|keys| keys.fold_in(index)));
        let x = self
            .embeddings
            .forward(tokens.ids.clone(), embedding_keys.as_ref());
        self.encoder.forward(x, mask, context, layer_keys.as_ref())
    }
}
