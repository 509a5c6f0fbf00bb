use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use super::characters::{composed, is_ideograph, is_pictogram, is_spaceless, narrow};

/// How texts are split into words. A run keeps the splitting that it began with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Splitting {
    /// At everything but letters, digits and apostrophes, which makes one word of a clause in Chinese: what runs have
    /// that do not say how they split.
    Letters,
    /// The same in scripts with spaces between words. In others, each Chinese character is a word, as for BERT, and
    /// kana, Thai and the like are split at Unicode's word boundaries. A pictogram is a word.
    #[default]
    Unicode,
}

impl Splitting {
    /// The words of a text in lower case.
    pub fn words(self, text: &str) -> Vec<String> {
        let mut words = Vec::new();
        self.each_word(text, |word| words.push(word.to_owned()));
        words
    }

    /// Shows each of the [`Splitting::words`] of a text.
    pub(crate) fn each_word(self, text: &str, mut see: impl FnMut(&str)) {
        match self {
            // Equal for ASCII, and faster.
            Self::Unicode if !text.is_ascii() => {
                for word in unicode_words(text) {
                    see(&word);
                }
            }
            Self::Letters | Self::Unicode => text
                .to_lowercase()
                .split(|c: char| !c.is_alphanumeric() && c != '\'')
                .filter(|word| word.contains(char::is_alphanumeric))
                .for_each(see),
        }
    }
}

/// The words of a text, as [`Splitting::Unicode`] splits it.
///
/// ```
/// let words: Vec<String> = data_pipeline::tokenize("What's LEFT of the red-ish circle?").collect();
/// assert_eq!(words, ["what's", "left", "of", "the", "red", "ish", "circle"]);
///
/// let words: Vec<String> = data_pipeline::tokenize("图中有3只cat？").collect();
/// assert_eq!(words, ["图", "中", "有", "3", "只", "cat"]);
/// ```
pub fn tokenize(text: &str) -> impl Iterator<Item = String> + use<> {
    Splitting::Unicode.words(text).into_iter()
}

/// Words in the making: those with spaces around them, and a run of a script without.
#[derive(Default)]
struct Words {
    found: Vec<String>,
    spaced: String,
    spaceless: String,
}

impl Words {
    fn end(&mut self) {
        if self.spaced.contains(char::is_alphanumeric) {
            self.found.push(self.spaced.clone());
        }
        self.spaced.clear();
        let parts = self.spaceless.unicode_words().map(str::to_owned);
        self.found.extend(parts);
        self.spaceless.clear();
    }

    fn alone(&mut self, word: &str) {
        self.end();
        self.found.push(word.to_owned());
    }
}

/// A letter and its marks stay together: each step looks at what a reader sees as one character.
fn unicode_words(text: &str) -> Vec<String> {
    let text: String = text.chars().map(narrow).collect();
    let text: String = composed(&text.to_lowercase())
        .chars()
        .filter(|c| !is_variation(*c))
        .collect();
    let mut words = Words::default();
    for seen in text.graphemes(true) {
        match seen.chars().next() {
            Some(c) if is_pictogram(c) || is_ideograph(c) => words.alone(seen),
            Some(c) if is_spaceless(c) && c.is_alphanumeric() => {
                if !words.spaced.is_empty() {
                    words.end();
                }
                words.spaceless += seen;
            }
            Some(c) if c.is_alphanumeric() || c == '\'' => {
                if !words.spaceless.is_empty() {
                    words.end();
                }
                words.spaced += seen;
            }
            _ => words.end(),
        }
    }
    words.end();
    words.found
}

/// What chooses between drawings of the character in front of it, or draws a key around it.
fn is_variation(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{20e3}')
}
