//! Question answering: question and image to a generated or ranked answer.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};

use super::bert::{Bert, BertConfig, Context, PADDING_ID, Tokens};
use super::decoder::{AnswerDecoder, IGNORED_LABEL};

/// Tokens of the longest question of the published recipe; longer ones are cut.
pub const QUESTION_TOKENS: usize = 40;

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

impl XVlm {
    /// States of the questions, `[questions, tokens, hidden]`.
    ///
    /// `images` has states `[images, image_tokens, vision_width]`.
    pub fn question_states(&self, questions: &Tokens, images: &Context) -> Tensor<3> {
        self.text_encoder.forward(questions, Some(images))
    }

    /// Loss of each question, `[questions]`: the weighted sum over its answers of their negative log-likelihood.
    pub fn losses(
        &self,
        questions: &Tokens,
        images: &Context,
        answers: WeightedAnswers,
    ) -> Tensor<1> {
        let count = questions.ids.dims()[0];
        let context = Context::new(
            self.question_states(questions, images),
            Some(questions.masked.clone()),
            Some(answers.question_of.clone()),
        );
        let loss = self
            .text_decoder
            .loss(&answers.tokens, labels(&answers.tokens), &context);
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
    /// The largest tensors are `questions * k_test * (tokens - 1) * vocabulary` numbers.
    ///
    /// # Panics
    ///
    /// When there is no candidate, or they have fewer than two tokens.
    pub fn rank(&self, questions: &Tokens, images: &Context, candidates: &Tokens) -> RankedAnswers {
        let context = Context::new(
            self.question_states(questions, images),
            Some(questions.masked.clone()),
            None,
        );
        let first = self.first_words(&context, candidates);
        let [count, available] = first.dims();
        let k = self.k_test.min(available);
        let (first, chosen) = first.topk_with_indices(k, 1); // [questions, k]

        // Consecutive rows share a question, so its states need not be repeated.
        let rows = candidates.select(chosen.clone().reshape([count * k]));
        let loss = self.text_decoder.loss(&rows, labels(&rows), &context);
        let scores = first - loss.reshape([count, k]);
        let (probabilities, order) = softmax(scores, 1).sort_descending_with_indices(1);
        RankedAnswers {
            candidates: chosen.gather(1, order),
            probabilities,
        }
    }

    /// Log-probability of each candidate's first word, `[questions, candidates]`.
    ///
    /// - `questions`: states `[questions, tokens, hidden]`
    /// - `candidates`: `[candidates, tokens]`, all of which begin with the same start token
    pub fn first_words(&self, questions: &Context, candidates: &Tokens) -> Tensor<2> {
        let start = candidates.ids.clone().slice([0..1, 0..1]);
        let start = Tokens::padded(start.expand([questions.contexts(), 1]));
        let logits = self.text_decoder.logits(&start, questions); // [questions, 1, vocabulary]
        let words = candidates.ids.clone().narrow(1, 1, 1).squeeze_dim(1); // [candidates]
        log_softmax(logits.squeeze_dim::<2>(1), 1).select(1, words)
    }
}

/// Each token is its own label, padding has none.
fn labels(tokens: &Tokens) -> Tensor<2, Int> {
    let padding = tokens.ids.clone().equal_elem(PADDING_ID);
    tokens.ids.clone().mask_fill(padding, IGNORED_LABEL)
}
