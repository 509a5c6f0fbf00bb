use std::path::Path;

use super::tokenizer::tokenize;
use super::words::WordList;
use crate::error::DataError;
use crate::sample::Source;

/// Token that fills a question up to the common length.
pub const PAD: u32 = 0;

/// Token of every word the training split does not hold.
pub const UNKNOWN: u32 = 1;

/// Tokens in front of the first word.
const SPECIAL: u32 = 2;

/// The words of the training split as token numbers.
///
/// [`PAD`] is 0, [`UNKNOWN`] is 1, then the words by descending count, equal counts alphabetically.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary(WordList);

impl Vocabulary {
    /// The vocabulary of questions, entities and statistical words.
    ///
    /// # Errors
    /// When they hold no word.
    pub fn build(training: &dyn Source) -> Result<Self, DataError> {
        let samples = training.samples();
        let asked = samples
            .iter()
            .flat_map(|sample| [&sample.question].into_iter().chain(&sample.entities));
        let described = match training.inputs().statistical_words {
            Some(_) => training.image_count(),
            None => 0,
        };
        let texts = asked.chain((0..described).flat_map(|image| training.statistical_words(image)));
        WordList::by_count(&[], texts.flat_map(|text| tokenize(text)))
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

    /// The words of the texts, one after the other; one [`UNKNOWN`] where there are none, so that no row consists of
    /// padding alone.
    pub(crate) fn tokens<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> Vec<u32> {
        let texts = texts.into_iter();
        let mut tokens: Vec<_> = texts
            .flat_map(|text| tokenize(text.as_ref()))
            .map(|word| self.token(&word))
            .collect();
        if tokens.is_empty() {
            tokens.push(UNKNOWN);
        }
        tokens
    }

    /// The question as `max_tokens` tokens, cut or padded at the end, and how many of them are not padding.
    ///
    /// A question without a word is one [`UNKNOWN`]: no row consists of padding alone.
    pub fn encode(&self, question: &str, max_tokens: usize) -> (Vec<u32>, usize) {
        let mut tokens = self.tokens([question]);
        tokens.truncate(max_tokens);
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
