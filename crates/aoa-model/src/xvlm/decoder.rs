//! The answer decoder: a causal BERT and a projection to words.

use burn::module::{Initializer, Module, Param};
use burn::nn::Linear;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor};
use burn_frugal::{Checkpointing, LayerNorm, RowKeys, gelu, product, project};

use super::bert::{Bert, BertConfig, Context, Tokens, layer_norm, linear};

/// Label of a token that is not to be predicted.
pub const IGNORED_LABEL: i64 = -100;

/// Second names under which checkpoints store a parameter of the decoder, and the name it has here.
pub const TIED: [(&str, &str); 2] = [
    (
        "cls.predictions.decoder.weight",
        "bert.embeddings.word_embeddings.weight",
    ),
    ("cls.predictions.decoder.bias", "cls.predictions.bias"),
];

/// Generates an answer word by word while looking at the states of a question.
#[derive(Module, Debug)]
pub struct AnswerDecoder {
    bert: Bert,
    cls: WordHead,
}

/// Projection of states to words. The matrix is the word table of the BERT in front and therefore no field.
#[derive(Module, Debug)]
struct WordHead {
    transform: Transform,
    /// `[vocabulary]`
    bias: Param<Tensor<1>>,
}

/// What comes in front of the projection.
#[derive(Module, Debug)]
struct Transform {
    /// `[hidden, hidden]`
    dense: Linear,
    layer_norm: LayerNorm,
}

impl AnswerDecoder {
    /// Creates the decoder with freshly drawn weights on `device`. Its layers look at the question from the
    /// configuration's `fusion_layer` on; X-VLM's do so from the first.
    ///
    /// # Panics
    ///
    /// As [`BertConfig::init`].
    pub fn init(config: &BertConfig, device: &Device) -> Self {
        let hidden = config.hidden;
        Self {
            bert: config.init(device),
            cls: WordHead {
                transform: Transform {
                    dense: linear(hidden, hidden, device),
                    layer_norm: layer_norm(hidden, device),
                },
                bias: Initializer::Zeros.init([config.vocabulary], device),
            },
        }
    }

    /// As [`Bert::set_checkpointing`].
    pub fn set_checkpointing(&mut self, checkpointing: Checkpointing) {
        self.bert.set_checkpointing(checkpointing);
    }

    /// How many logits [`loss`](Self::loss) computes for this many rows of the length of `tokens`.
    pub(super) fn logits_of(&self, rows: usize, tokens: &Tokens) -> usize {
        let predicted = tokens.ids.dims()[1].saturating_sub(1);
        rows * predicted * self.bert.word_table().dims()[0]
    }

    /// Logits of the word after each token, `[rows, tokens, vocabulary]`.
    pub fn logits(&self, answers: &Tokens, question: &Context) -> Tensor<3> {
        self.words(self.bert.forward_causal(answers, Some(question), None))
    }

    /// Negative log-likelihood of each answer, summed over its tokens: `[rows]`.
    ///
    /// # Shapes
    ///
    /// - `labels`: `[rows, tokens]`, the word at each token or [`IGNORED_LABEL`]; the first is given, not predicted
    /// - `keys`: what dropout is drawn by, `[rows]`; none: nothing is dropped
    ///
    /// The largest tensors are `rows * (tokens - 1) * vocabulary` numbers.
    ///
    /// # Panics
    ///
    /// When there are fewer than two tokens.
    pub fn loss(
        &self,
        answers: &Tokens,
        labels: Tensor<2, Int>,
        question: &Context,
        keys: Option<&RowKeys>,
    ) -> Tensor<1> {
        let [_, tokens] = labels.dims();
        let states = self.bert.forward_causal(answers, Some(question), keys);
        // What would follow the last token is not asked for.
        let logits = self.words(states.narrow(1, 0, tokens - 1));
        token_loss(logits, labels.narrow(1, 1, tokens - 1))
    }

    /// `[rows, tokens, hidden]` to `[rows, tokens, vocabulary]`.
    fn words(&self, states: Tensor<3>) -> Tensor<3> {
        let transform = &self.cls.transform;
        let states = transform
            .layer_norm
            .forward(gelu(project(states, &transform.dense)));
        let [rows, tokens, hidden] = states.dims();
        let states = states.reshape([rows * tokens, hidden]);
        let logits =
            product(states, self.bert.word_table().transpose()) + self.cls.bias.val().unsqueeze();
        let vocabulary = logits.dims()[1];
        logits.reshape([rows, tokens, vocabulary])
    }
}

/// Cross-entropy summed over the tokens of each row, `[rows]`.
///
/// # Shapes
///
/// - `logits`: `[rows, tokens, vocabulary]`
/// - `labels`: `[rows, tokens]`, a word or [`IGNORED_LABEL`]
pub fn token_loss(logits: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<1> {
    let [rows, tokens] = labels.dims();
    let ignored = labels.clone().equal_elem(IGNORED_LABEL);
    let words = labels.mask_fill(ignored.clone(), 0); // any word does, its loss is not counted
    log_softmax(logits, 2)
        .gather(2, words.reshape([rows, tokens, 1]))
        .reshape([rows, tokens])
        .neg()
        .mask_fill(ignored, 0.0)
        .sum_dim(1)
        .reshape([rows])
}
