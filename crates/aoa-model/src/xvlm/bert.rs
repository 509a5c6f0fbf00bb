//! BERT (Devlin et al., 2019) as X-VLM uses it: a text encoder whose upper layers also look at an image.
//!
//! From the outside in: [`Bert`], its [`Tokens`], embeddings, layers, attention, initial weights and the names that
//! checkpoints give them.
//!
//! One file because it is read beside the published code, which is one file.

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::nn::{Embedding, EmbeddingConfig, Linear};
use burn::tensor::{Bool, Device, Int, Tensor};
use burn_frugal::{
    Checkpointing, LayerNorm, RowKeys, Stack, attention, dropout, gelu, operand, project,
};

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

/// Token id of padding.
pub const PADDING_ID: i64 = 0;

/// Added to the score of a token that must not be looked at. Large enough that its weight is zero, small enough that
/// single precision keeps some of the score, which a row of nothing but padding depends on.
const MASKED_TOKEN: f64 = -10_000.0;

/// Padded token sequences.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// `[rows, tokens]`: token ids; [`PADDING_ID`] has an embedding that look-ups do not train.
    pub ids: Tensor<2, Int>,
    /// `[rows, tokens]`: true where a token must not be looked at.
    pub masked: Tensor<2, Bool>,
}

impl Tokens {
    /// Sequences `[rows, tokens]` in which exactly the tokens [`PADDING_ID`] are masked.
    pub fn padded(ids: Tensor<2, Int>) -> Self {
        Self {
            masked: ids.clone().equal_elem(PADDING_ID),
            ids,
        }
    }

    /// Some of the rows, `[rows]` to `[selected]`.
    #[must_use]
    pub fn select(&self, rows: Tensor<1, Int>) -> Self {
        Self {
            ids: self.ids.clone().select(0, rows.clone()),
            masked: self.masked.clone().select(0, rows),
        }
    }

    /// The tokens on the device without autodiff.
    #[must_use]
    pub fn without_autodiff(self) -> Self {
        Self {
            ids: self.ids.without_autodiff(),
            masked: self.masked.without_autodiff(),
        }
    }

    /// Added to attention scores so that each token looks at all tokens: `[rows, 1, 1, tokens]`.
    fn full_mask(&self) -> Tensor<4> {
        let [rows, tokens] = self.masked.dims();
        let masked = self.masked.clone().float().mul_scalar(MASKED_TOKEN);
        masked.reshape([rows, 1, 1, tokens])
    }

    /// Added to attention scores so that each token looks at itself and those before it:
    /// `[rows, 1, tokens, tokens]`, queries first.
    fn causal_mask(&self) -> Tensor<4> {
        let [rows, tokens] = self.masked.dims();
        let later = Tensor::<2>::ones([tokens, tokens], &self.masked.device())
            .triu(1)
            .mul_scalar(MASKED_TOKEN)
            .reshape([1, 1, tokens, tokens]);
        // The smaller of the two and not their sum: a token that is masked for both reasons is masked once.
        later
            .expand([rows, 1, tokens, tokens])
            .min_pair(self.full_mask().expand([rows, 1, tokens, tokens]))
    }
}

/// Rows of the token type table. Checkpoints have both; X-VLM uses type 0 alone.
const TOKEN_TYPES: usize = 2;

/// Sum of word, position and type embedding, normalised.
#[derive(Module, Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "these are the names in checkpoints"
)]
struct Embeddings {
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
    fn init(config: &BertConfig, device: &Device) -> Self {
        Self {
            word_embeddings: embedding(config.vocabulary, config.hidden, device),
            position_embeddings: embedding(config.positions, config.hidden, device),
            token_type_embeddings: embedding(TOKEN_TYPES, config.hidden, device),
            layer_norm: layer_norm(config.hidden, device),
            dropout: config.hidden_dropout,
        }
    }

    /// The word table, `[vocabulary, hidden]`.
    fn word_table(&self) -> Tensor<2> {
        self.word_embeddings.weight.val()
    }

    /// `[rows, tokens]` to `[rows, tokens, hidden]`.
    fn forward(&self, ids: Tensor<2, Int>, keys: Option<&RowKeys>) -> Tensor<3> {
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

/// A stack of layers of which those from `fusion_layer` on look at a context.
#[derive(Module, Debug)]
struct Encoder {
    layer: Vec<Layer>,
    fusion_layer: usize,
    #[module(skip)]
    stack: Stack,
}

impl Encoder {
    fn init(config: &BertConfig, device: &Device) -> Self {
        let layer = |index| Layer::init(config, index >= config.fusion_layer, device);
        Self {
            layer: (0..config.layers).map(layer).collect(),
            fusion_layer: config.fusion_layer,
            stack: Stack::default(),
        }
    }

    fn set_checkpointing(&mut self, checkpointing: Checkpointing) {
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
    fn forward(
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
            Some(operand(states)), // once for all layers
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

/// Dense layer, dropout, residual connection, layer normalisation: how each part of a layer ends.
#[derive(Module, Debug)]
struct ResidualNorm {
    /// `[input, hidden]`
    dense: Linear,
    layer_norm: LayerNorm,
    dropout: f64,
}

impl ResidualNorm {
    fn init(input: usize, config: &BertConfig, device: &Device) -> Self {
        Self {
            dense: linear(input, config.hidden, device),
            layer_norm: layer_norm(config.hidden, device),
            dropout: config.hidden_dropout,
        }
    }

    /// - `x`: `[rows, tokens, input]`
    /// - `residual` and result: `[rows, tokens, hidden]`
    /// - `keys`: what dropout is drawn by, `[rows]`
    fn forward(&self, x: Tensor<3>, residual: Tensor<3>, keys: Option<&RowKeys>) -> Tensor<3> {
        let x = dropout(project(x, &self.dense), self.dropout, keys);
        self.layer_norm.forward(x + residual)
    }
}

/// Self-attention, attention to a context in the layers that have it, feed-forward network.
#[derive(Module, Debug)]
struct Layer {
    attention: Attention,
    crossattention: Option<Attention>,
    /// `[hidden, intermediate]`
    intermediate: Linear,
    output: ResidualNorm,
}

impl Layer {
    fn init(config: &BertConfig, fuses: bool, device: &Device) -> Self {
        Self {
            attention: Attention::init(config, config.hidden, device),
            crossattention: fuses.then(|| Attention::init(config, config.context_width, device)),
            intermediate: linear(config.hidden, config.intermediate, device),
            output: ResidualNorm::init(config.intermediate, config, device),
        }
    }

    fn set_checkpointing(&mut self, checkpointing: Checkpointing) {
        self.attention.set_checkpointing(checkpointing);
        if let Some(crossattention) = &mut self.crossattention {
            crossattention.set_checkpointing(checkpointing);
        }
    }

    /// - `x` and result: `[rows, tokens, hidden]`
    /// - `mask`: `[rows, 1, 1 or tokens, tokens]`
    /// - `context`: looked at by a layer with cross-attention
    /// - `keys`: what dropout is drawn by, `[rows]`
    fn forward(
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
                crossattention.attend(x.clone(), x, context, part(1).as_ref())
            }
            _ => x,
        };
        let inner = gelu(project(x.clone(), &self.intermediate)); // [rows, tokens, intermediate]
        self.output.forward(inner, x, part(2).as_ref())
    }
}

/// Added to the score of a context token that must not be looked at.
const MASKED_CONTEXT: f64 = -1e9;

/// What attention looks at: the states of an image, or of a question.
///
/// Several rows of tokens may look at the same states (the answers of one question, say). The states are then passed
/// once, and keys and values are computed once.
#[derive(Debug, Clone)]
pub struct Context {
    /// `[contexts, keys, width]`
    states: Tensor<3>,
    /// `[contexts or rows, 1, 1 or queries, keys]`, added to the scores.
    mask: Option<Tensor<4>>,
    /// `[rows]`: the context of each row.
    of_row: Option<Tensor<1, Int>>,
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
struct Attention {
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
    fn init(config: &BertConfig, width: usize, device: &Device) -> Self {
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

    fn set_checkpointing(&mut self, checkpointing: Checkpointing) {
        self.memory_efficient = checkpointing.memory_efficient_attention;
    }

    /// Attends from each token to its row's tokens. `mask` is `[rows, 1, 1 or tokens, tokens]`, added to the scores.
    fn attend_self(&self, x: Tensor<3>, mask: Tensor<4>, keys: Option<&RowKeys>) -> Tensor<3> {
        let states = operand(x.clone());
        let own = Context {
            states: states.clone(),
            mask: Some(mask),
            of_row: None,
        };
        self.attend(x, states, &own, keys)
    }

    /// Attends from the tokens `[rows, tokens, hidden]` to a context. `looking` is `x` as queries are made of it, which may
    /// be an operand of other products, too.
    ///
    /// # Panics
    ///
    /// When rows that share a context by consecutive shares are given `dropout_keys`, `[rows]`.
    fn attend(
        &self,
        x: Tensor<3>,
        looking: Tensor<3>,
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
        let query = project(looking, &self.query);
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

/// All matrices start normal with this deviation; all biases start at zero.
const WEIGHTS: Initializer = Initializer::Normal {
    mean: 0.0,
    std: 0.02,
};

/// Burn draws a bias the way it draws the matrix, so the two are made one by one.
pub(super) fn linear(input: usize, output: usize, device: &Device) -> Linear {
    let bias: Param<Tensor<1>> = Initializer::Zeros.init([output], device);
    Linear {
        weight: WEIGHTS.init([input, output], device),
        bias: Some(bias),
    }
}

pub(super) fn layer_norm(hidden: usize, device: &Device) -> LayerNorm {
    LayerNorm::init(hidden, 1e-12, device)
}

fn embedding(rows: usize, hidden: usize, device: &Device) -> Embedding {
    EmbeddingConfig::new(rows, hidden)
        .with_initializer(WEIGHTS)
        .init(device)
}

/// Tensors of a checkpoint that are no parameters, by the end of their name: the numbers 0, 1, 2 and so on.
pub const BUFFERS: [&str; 1] = ["embeddings.position_ids"];

/// What a checkpoint has in a path where a module has the left side.
const RENAMED: [(&str, &str); 7] = [
    (".query.", ".self.query."),
    (".key.", ".self.key."),
    (".value.", ".self.value."),
    (".intermediate.", ".intermediate.dense."),
    (".layer_norm.gamma", ".LayerNorm.weight"),
    (".layer_norm.beta", ".LayerNorm.bias"),
    ("cls.", "cls.predictions."),
];

/// Name in a PyTorch checkpoint of the parameter at `path` of a [`Bert`], or of any module of
/// [`xvlm`](crate::xvlm) that has one inside.
pub fn pytorch_name(path: &str) -> String {
    RENAMED
        .iter()
        .fold(path.to_owned(), |name, (from, to)| name.replace(from, to))
}
