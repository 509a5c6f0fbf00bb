use std::path::Path;

use super::tokenizer::tokenize;
use super::words::WordList;
use crate::error::DataError;
use crate::sample::Sample;

/// Token that fills a question up to the common length.
pub const PAD: u32 = 0;

/// Token of every word the training questions do not hold.
pub const UNKNOWN: u32 = 1;

/// Tokens in front of the first word.
const SPECIAL: u32 = 2;

/// The words of the training questions as token numbers.
///
/// [`PAD`] is 0, [`UNKNOWN`] is 1, then the words by descending count, equal counts alphabetically.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary(WordList);

impl Vocabulary {
    /// The vocabulary of the samples' questions.
    ///
    /// # Errors
    /// When no question holds a word.
    pub fn build(samples: &[Sample]) -> Result<Self, DataError> {
        let words = samples.iter().flat_map(|sample| tokenize(&sample.question));
        WordList::by_count(&[], words)
            .map(Self)
            .ok_or(DataError::NothingToList {
                what: "word",
                samples: samples.len(),
            })
    }

    /// Number of tokens, [`PAD`] and [`UNKNOWN`] among them: the rows of an embedding table.
    #[expect(clippy::len_without_is_empty, reason = "a vocabulary is never empty")]
    pub fn len(&self) -> usize {
        self.0.words().len() + SPECIAL as usize
    }

    /// The words, from token 2 on.
    pub fn words(&self) -> &[String] {
        self.0.words()
    }

    /// Token of a word as [`tokenize`] gives it; [`UNKNOWN`] for a word that is not in the vocabulary.
    pub fn token(&self, word: &str) -> u32 {
        self.0
            .position(word)
            .map_or(UNKNOWN, |position| position as u32 + SPECIAL)
    }

    /// The question as `max_tokens` tokens, cut or padded at the end, and how many of them are not padding.
    ///
    /// A question without a word is one [`UNKNOWN`]: no row consists of padding alone.
    pub fn encode(&self, question: &str, max_tokens: usize) -> (Vec<u32>, usize) {
        let mut tokens: Vec<_> = tokenize(question)
            .map(|word| self.token(&word))
            .take(max_tokens)
            .collect();
        if tokens.is_empty() && max_tokens > 0 {
            tokens.push(UNKNOWN);
        }
        let length = tokens.len();
        tokens.resize(max_tokens, PAD);
        (tokens, length)
    }

    /// The words as a JSON array, one a line: the text of `vocabulary.json`.
    pub fn to_json(&self) -> String {
        self.0.to_json()
    }

    /// Reads what [`Vocabulary::to_json`] wrote; `path` is named in errors.
    ///
    /// # Errors
    /// When the text is not a JSON array of strings, or the list is empty or holds a word twice.
    pub fn from_json(text: &str, path: &Path) -> Result<Self, DataError> {
        WordList::from_json(text, path).map(Self)
    }
}
