use std::path::Path;

use serde::{Deserialize, Serialize};

use super::tokenizer::Splitting;
use super::words::WordList;
use crate::error::DataError;
use crate::source::Source;

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
pub struct Vocabulary {
    words: WordList,
    splitting: Splitting,
}

/// The text of `vocabulary.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    splitting: Splitting,
    words: Vec<String>,
}

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
        let texts: Vec<&str> = texts.map(String::as_str).collect();
        let splitting = Splitting::default();
        let words = WordList::by_count(&[], &texts, |text, see| splitting.each_word(text, see));
        let words = words.ok_or(DataError::NothingToList {
            what: "word",
            samples: samples.len(),
        })?;
        Ok(Self { words, splitting })
    }

    /// Number of tokens, [`PAD`] and [`UNKNOWN`] among them: the rows of an embedding table.
    #[expect(clippy::len_without_is_empty, reason = "a vocabulary is never empty")]
    pub fn len(&self) -> usize {
        self.words.words().len() + SPECIAL as usize
    }

    /// The words, from token 2 on.
    pub fn words(&self) -> &[String] {
        self.words.words()
    }

    /// How the texts were split into these words, and other texts have to be.
    pub fn splitting(&self) -> Splitting {
        self.splitting
    }

    /// Token of a word as [`Vocabulary::splitting`] gives it; [`UNKNOWN`] for a word that is not in the vocabulary.
    pub fn token(&self, word: &str) -> u32 {
        self.words
            .position(word)
            .map_or(UNKNOWN, |position| position as u32 + SPECIAL)
    }

    /// The words of the texts, one after the other; one [`UNKNOWN`] where there are none, so that no row consists of
    /// padding alone.
    pub(crate) fn tokens<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> Vec<u32> {
        let mut tokens = Vec::new();
        for text in texts {
            let splitting = self.splitting;
            splitting.each_word(text.as_ref(), |word| tokens.push(self.token(word)));
        }
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

    /// The words, one a line, and how texts are split into them: the text of `vocabulary.json`.
    pub fn to_json(&self) -> String {
        let splitting = serde_json::to_value(self.splitting).unwrap_or_default();
        let words = self.words.to_json();
        format!(
            "{{\"splitting\": {splitting}, \"words\": {}}}\n",
            words.trim_end()
        )
    }

    /// Reads what [`Vocabulary::to_json`] wrote, or the list alone, as versions before [`Splitting::Unicode`] wrote it;
    /// `path` is named in errors.
    ///
    /// # Errors
    /// When the text is neither, or the list is empty or holds a word twice.
    pub fn from_json(text: &str, path: &Path) -> Result<Self, DataError> {
        let json = |error| DataError::json(path, &error);
        let (words, splitting) = if text.trim_start().starts_with('[') {
            (
                serde_json::from_str(text).map_err(json)?,
                Splitting::Letters,
            )
        } else {
            let Saved { splitting, words } = serde_json::from_str(text).map_err(json)?;
            (words, splitting)
        };
        Ok(Self {
            words: WordList::from_words(words, path)?,
            splitting,
        })
    }
}
