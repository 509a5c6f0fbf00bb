//! Question answering: question and image to a generated or ranked answer.

use std::ops::Range;

use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Bool, Device, IndexingUpdateOp, Int, Tensor};
use burn_frugal::{Checkpointing, RowKeys, capture};

use super::bert::{Bert, BertConfig, Context, PADDING_ID, Tokens};
use super::decoder::{AnswerDecoder, IGNORED_LABEL};

/// Tokens of the longest question of the published recipe; longer ones are cut.
pub const QUESTION_TOKENS: usize = 40;

/// Logits of answer words that ranking computes at once: 64 MiB of them.
const LOGITS_AT_ONCE: usize = 1 << 24;

/// Configuration of [`XVlm`].
#[derive(Config, Debug)]
pub struct XVlmConfig {
    /// The text and cross encoder; its context is the image.
    pub text: BertConfig,
    /// Layers of the answer decoder, which is otherwise of the encoder's size.
    pub decoder_layers: usize,
    /// Candidates that are ranked by their whole text; their first word chooses them.
    #[config(default = 128)]
    pub k_test: usize,
}

/// X-VLM behind its image encoder: reads a question while looking at an image, then an answer decoder looks at the
/// states of the question.
#[derive(Module, Debug)]
pub struct XVlm {
    text_encoder: Bert,
    text_decoder: AnswerDecoder,
    k_test: usize,
}

/// Questions as the text encoder has read them while it looked at their images.
#[derive(Debug, Clone)]
pub struct ReadQuestions {
    /// `[questions, tokens, hidden]`
    pub states: Tensor<3>,
    /// `[questions, tokens]`: true for padding.
    pub masked: Tensor<2, Bool>,
}

/// Answers to learn from.
#[derive(Debug, Clone)]
pub struct WeightedAnswers {
    /// `[answers, tokens]`
    pub tokens: Tokens,
    /// `[answers]`: how much each counts.
    pub weights: Tensor<1>,
    /// `[answers]`: the question of each.
    pub question_of: Tensor<1, Int>,
}

/// The best candidates of each question, best first.
#[derive(Debug, Clone)]
pub struct RankedAnswers {
    /// `[questions, k]`: index into the candidates.
    pub candidates: Tensor<2, Int>,
    /// `[questions, k]`: probabilities among these k.
    pub probabilities: Tensor<2>,
}

impl XVlmConfig {
    /// The published base model behind an image encoder of `vision_width` channels (1,024 for Swin-B).
    pub fn base(vision_width: usize) -> Self {
        Self::new(BertConfig::base(vision_width), 6)
    }

    /// Creates the model with freshly drawn weights on `device`.
    ///
    /// # Panics
    ///
    /// As [`BertConfig::init`].
    pub fn init(&self, device: &Device) -> XVlm {
        let decoder = BertConfig {
            layers: self.decoder_layers,
            fusion_layer: 0,
            context_width: self.text.hidden,
            ..self.text.clone()
        };
        XVlm {
            text_encoder: self.text.init(device),
            text_decoder: AnswerDecoder::init(&decoder, device),
            k_test: self.k_test,
        }
    }
}

impl ReadQuestions {
    /// The same without a graph behind it.
    #[must_use]
    pub fn without_autodiff(self) -> Self {
        Self {
            states: capture::leave_graph(self.states),
            masked: self.masked.without_autodiff(),
        }
    }

    /// What an answer looks at; `of_row` as in [`Context::new`].
    fn context(&self, of_row: Option<Tensor<1, Int>>) -> Context {
        Context::new(self.states.clone(), Some(self.masked.clone()), of_row)
    }

    fn some(&self, questions: Range<usize>) -> Self {
        let (start, count) = (questions.start, questions.len());
        Self {
            states: self.states.clone().narrow(0, start, count),
            masked: self.masked.clone().narrow(0, start, count),
        }
    }
}

impl XVlm {
    /// Decides what encoder and decoder keep for the backward pass, everything at first.
    pub fn set_checkpointing(&mut self, checkpointing: Checkpointing) {
        self.text_encoder.set_checkpointing(checkpointing);
        self.text_decoder.set_checkpointing(checkpointing);
    }

    /// Reads questions while looking at `images`, whose states are `[images, image_tokens, vision_width]`. Dropout is drawn
    /// by `keys`, `[questions]`; without them nothing is dropped.
    pub fn read(
        &self,
        questions: Tokens,
        images: &Context,
        keys: Option<&RowKeys>,
    ) -> ReadQuestions {
        ReadQuestions {
            states: self.text_encoder.forward(&questions, Some(images), keys),
            masked: questions.masked,
        }
    }

    /// Loss of each question, `[questions]`: the weighted sum over its answers of their negative log-likelihood. Dropout is
    /// drawn by `keys`, `[answers]`; without them nothing is dropped.
    pub fn losses(
        &self,
        questions: &ReadQuestions,
        answers: WeightedAnswers,
        keys: Option<&RowKeys>,
    ) -> Tensor<1> {
        let count = questions.states.dims()[0];
        let context = questions.context(Some(answers.question_of.clone()));
        let loss = self
            .text_decoder
            .loss(&answers.tokens, labels(&answers.tokens), &context, keys);
        Tensor::zeros([count], &loss.device()).select_assign(
            0,
            answers.question_of,
            loss * answers.weights,
            IndexingUpdateOp::Add,
        )
    }

    /// Ranks the candidates `[candidates, tokens]` for each question, as X-VLM and ALBEF do: the likeliest first words
    /// choose `k_test` candidates, which are then scored by their whole text.
    ///
    /// The likelihood of the whole text has that of the first word in it, so the first word counts twice, as it does in
    /// the published results.
    ///
    /// The largest tensors are `k_test * (tokens - 1) * vocabulary` numbers: one question is ranked at a time where
    /// several would need more than [`LOGITS_AT_ONCE`].
    ///
    /// # Panics
    ///
    /// When there is no candidate, or they have fewer than two tokens.
    pub fn rank(&self, questions: &ReadQuestions, candidates: &Tokens) -> RankedAnswers {
        let first = self.first_words(questions, candidates);
        let [count, available] = first.dims();
        let k = self.k_test.min(available);
        let (first, chosen) = first.topk_with_indices(k, 1); // [questions, k]

        let at_once = (LOGITS_AT_ONCE / self.text_decoder.logits_of(k, candidates)).max(1);
        let losses = (0..count).step_by(at_once).map(|start| {
            let some = start..count.min(start + at_once);
            let rows = chosen.clone().narrow(0, start, some.len());
            let rows = candidates.select(rows.reshape([some.len() * k]));
            // Consecutive rows share a question, so its states need not be repeated.
            let context = questions.some(some.clone()).context(None);
            let loss = self.text_decoder.loss(&rows, labels(&rows), &context, None);
            loss.reshape([some.len(), k])
        });
        let scores = first - Tensor::cat(losses.collect(), 0);
        let (probabilities, order) = softmax(scores, 1).sort_descending_with_indices(1);
        RankedAnswers {
            candidates: chosen.gather(1, order),
            probabilities,
        }
    }

    /// Probability of every candidate, `[questions, candidates]`: as [`rank`](Self::rank) gives it, and 0 for those that
    /// are not ranked.
    ///
    /// # Panics
    ///
    /// As [`rank`](Self::rank).
    pub fn probabilities(&self, questions: &ReadQuestions, candidates: &Tokens) -> Tensor<2> {
        let ranked = self.rank(questions, candidates);
        let shape = [questions.states.dims()[0], candidates.ids.dims()[0]];
        Tensor::zeros(shape, &ranked.probabilities.device()).scatter(
            1,
            ranked.candidates,
            ranked.probabilities,
            IndexingUpdateOp::Add,
        )
    }

    /// Log-probability of each candidate's first word, `[questions, candidates]`.
    ///
    /// The candidates `[candidates, tokens]` all begin with the same start token.
    pub fn first_words(&self, questions: &ReadQuestions, candidates: &Tokens) -> Tensor<2> {
        let start = candidates.ids.clone().slice([0..1, 0..1]);
        let start = Tokens::padded(start.expand([questions.states.dims()[0], 1]));
        let logits = self.text_decoder.logits(&start, &questions.context(None)); // [questions, 1, vocabulary]
        let words = candidates.ids.clone().narrow(1, 1, 1).squeeze_dim(1); // [candidates]
        log_softmax(logits.squeeze_dim::<2>(1), 1).select(1, words)
    }
}

/// Each token is its own label, padding has none.
fn labels(tokens: &Tokens) -> Tensor<2, Int> {
    let padding = tokens.ids.clone().equal_elem(PADDING_ID);
    tokens.ids.clone().mask_fill(padding, IGNORED_LABEL)
}
