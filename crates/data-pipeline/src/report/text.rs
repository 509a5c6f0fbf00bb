use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use serde::Serialize;

use crate::encoder::Encoder;
use crate::sample::Sample;
use crate::text::{Pieces, UNKNOWN};

/// How the questions of a split become tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TextReport {
    /// What a token is: `words` or `word pieces`.
    pub form: &'static str,
    /// Tokens that a model reads of a question.
    pub limit: usize,
    /// Questions that have more.
    pub cut: usize,
    /// Tokens of the longest question.
    pub longest: usize,
    /// Tokens of all questions, as far as a model reads them.
    pub tokens: usize,
    /// Those that the vocabulary does not have.
    pub unknown: usize,
}

impl TextReport {
    /// As words of the encoder's vocabulary.
    pub(super) fn words(encoder: &Encoder, samples: &[Sample]) -> Self {
        let vocabulary = &encoder.vocabulary;
        let tokens = |question: &str| {
            let mut tokens = Vec::new();
            let splitting = vocabulary.splitting();
            splitting.each_word(question, |word| tokens.push(vocabulary.token(word)));
            tokens
        };
        Self::of(
            "words",
            encoder.max_question_tokens,
            UNKNOWN,
            samples,
            tokens,
        )
    }

    /// As word pieces, the start token among them.
    pub(super) fn pieces(pieces: &Pieces, samples: &[Sample]) -> Self {
        let unknown = pieces.tokenizer().special().unknown;
        let tokens = |question: &str| pieces.whole_question(question);
        Self::of("word pieces", pieces.max_pieces(), unknown, samples, tokens)
    }

    fn of(
        form: &'static str,
        limit: usize,
        unknown: u32,
        samples: &[Sample],
        tokens: impl Fn(&str) -> Vec<u32> + Sync,
    ) -> Self {
        let none = Self {
            form,
            limit,
            cut: 0,
            longest: 0,
            tokens: 0,
            unknown: 0,
        };
        let of_one = |sample: &Sample| {
            let tokens = tokens(&sample.question);
            let read = &tokens[..tokens.len().min(limit)];
            Self {
                cut: usize::from(tokens.len() > limit),
                longest: tokens.len(),
                tokens: read.len(),
                unknown: read.iter().filter(|&&token| token == unknown).count(),
                ..none
            }
        };
        let sum = |a: Self, b: Self| Self {
            cut: a.cut + b.cut,
            longest: a.longest.max(b.longest),
            tokens: a.tokens + b.tokens,
            unknown: a.unknown + b.unknown,
            ..none
        };
        samples.par_iter().map(of_one).reduce(|| none, sum)
    }
}
