use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use unicode_normalization::UnicodeNormalization;

use super::pre_question::pre_question;
use super::wordpiece_file;
use super::words::WordList;
use crate::error::DataError;
use crate::sample::Sample;

/// A word of more characters is unknown as a whole.
const LONGEST_WORD: usize = 100;

/// In front of every piece that does not begin a word.
const CONTINUED: &str = "##";

/// Tokens that are recognised in a text when they are written like this.
pub(super) const WRITTEN: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// Tokens in front of a vocabulary built from a data set.
const FRONT: [&str; 4] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];

/// Punctuation (all that is neither letter, digit, space nor control character in ASCII, and Unicode's category P) and
/// ideographs: each is a word of its own. A character class without its brackets.
const SINGLE: &str = concat!(
    r"!-/:-@\[-`\{-~\p{P}",
    r"\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}",
    r"\x{2B740}-\x{2B81F}\x{2B820}-\x{2CEAF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}",
);

static SPECIAL: LazyLock<Regex> = LazyLock::new(|| {
    let written = WRITTEN.map(regex::escape).join("|");
    constant(&written)
});

static WORD: LazyLock<Regex> = LazyLock::new(|| constant(&format!(r"[{SINGLE}]|[^\s{SINGLE}]+")));

/// Accents, control characters and the replacement character.
static REMOVED: LazyLock<Regex> = LazyLock::new(|| constant(r"[\p{Mn}\p{C}\x{FFFD}--[\t\n\r]]"));

fn constant(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern does not depend on input")
}

/// Which special tokens stand around a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordPieceForm {
    /// `[CLS] text [SEP]`, as BERT has it.
    Bert,
    /// `[CLS] text`, as X-VLM has it; an answer ends in a written `[SEP]` instead.
    Xvlm,
}

/// Ids of the special tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialTokens {
    /// `[PAD]` fills texts up to a common length.
    pub pad: u32,
    /// `[UNK]` stands for a word that no pieces make up.
    pub unknown: u32,
    /// `[CLS]` begins every text.
    pub start: u32,
    /// `[SEP]` ends a text.
    pub end: u32,
}

/// The uncased tokenizer of BERT (Devlin et al., 2019): lower-cased words without accents, cut into the longest pieces
/// that the vocabulary has (Wu et al., 2016).
///
/// Own code: the `tokenizers` crate brings some thirty others, most of them for other tokenizers and for training, and
/// gives crates under Burn other features, so that Burn would be compiled once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordPiece {
    pieces: WordList,
    special: SpecialTokens,
    form: WordPieceForm,
}

impl WordPiece {
    /// Reads `vocab.txt`, one token a line, or where the path ends in `.json` a `tokenizer.json` with the settings of an
    /// uncased BERT. The latter's own padding, truncation and post-processing are not looked at.
    ///
    /// # Errors
    /// When the file cannot be read, is not what its ending says, describes another tokenizer, holds a token twice, or
    /// lacks one of `[PAD]`, `[UNK]`, `[CLS]` and `[SEP]`.
    pub fn read(path: &Path, form: WordPieceForm) -> Result<Self, DataError> {
        Self::new(wordpiece_file::read(path)?, path, form)
    }

    /// Reads the text of a `vocab.txt`, such as [`WordPiece::to_text`] wrote; `path` is named in errors.
    ///
    /// # Errors
    /// When it holds a token twice, or lacks one of `[PAD]`, `[UNK]`, `[CLS]` and `[SEP]`.
    pub fn from_text(text: &str, path: &Path, form: WordPieceForm) -> Result<Self, DataError> {
        Self::new(WordList::from_lines(text, path)?, path, form)
    }

    /// A vocabulary of a data set's own, for models whose tables are to be small: the special tokens from `[PAD]`, which
    /// is 0, on, then every whole word of the samples' questions, as [`pre_question`] cleans them, and of their answers,
    /// by descending count, equal counts alphabetically. Any other word is `[UNK]`.
    ///
    /// # Errors
    /// When the samples hold no word.
    pub fn build(training: &[Sample], form: WordPieceForm) -> Result<Self, DataError> {
        let texts = training.iter().flat_map(|sample| {
            let answers = sample.answers.iter().map(|answer| answer.text.clone());
            answers.chain([pre_question(&sample.question, usize::MAX)])
        });
        let known = texts.flat_map(|text| {
            let plain = SPECIAL.split(&text).flat_map(words);
            plain
                .filter(|word| word.chars().count() <= LONGEST_WORD)
                .collect::<Vec<_>>()
        });
        let pieces = WordList::by_count(&FRONT, known).ok_or(DataError::NothingToList {
            what: "word",
            samples: training.len(),
        })?;
        Ok(Self {
            pieces,
            special: SpecialTokens {
                pad: 0,
                unknown: 1,
                start: 2,
                end: 3,
            },
            form,
        })
    }

    fn new(pieces: WordList, path: &Path, form: WordPieceForm) -> Result<Self, DataError> {
        let id = |token: &'static str| {
            let missing = || DataError::MissingToken {
                path: path.to_owned(),
                token,
            };
            pieces
                .position(token)
                .map(|id| id as u32)
                .ok_or_else(missing)
        };
        let special = SpecialTokens {
            pad: id("[PAD]")?,
            unknown: id("[UNK]")?,
            start: id("[CLS]")?,
            end: id("[SEP]")?,
        };
        Ok(Self {
            pieces,
            special,
            form,
        })
    }

    /// The tokens by id, one a line: the text of `vocab.txt`.
    pub fn to_text(&self) -> String {
        let lines = self.pieces.words().iter();
        lines.flat_map(|piece| [piece.as_str(), "\n"]).collect()
    }

    /// Number of tokens: the rows of an embedding table.
    #[expect(clippy::len_without_is_empty, reason = "it has its special tokens")]
    pub fn len(&self) -> usize {
        self.pieces.words().len()
    }

    /// Ids of the special tokens.
    pub fn special(&self) -> SpecialTokens {
        self.special
    }

    /// The text as at most `max_tokens` ids, special tokens among them. A longer text loses its last pieces, never the
    /// `[SEP]` of [`WordPieceForm::Bert`]. Special tokens written in the text are recognised.
    pub fn encode(&self, text: &str, max_tokens: usize) -> Vec<u32> {
        let mut ids = vec![self.special.start];
        let mut rest = 0;
        for written in SPECIAL.find_iter(text) {
            self.push_words(&text[rest..written.start()], &mut ids);
            ids.push(self.id(written.as_str()).unwrap_or(self.special.unknown));
            rest = written.end();
        }
        self.push_words(&text[rest..], &mut ids);

        match self.form {
            WordPieceForm::Bert => {
                ids.truncate(max_tokens.saturating_sub(1));
                ids.push(self.special.end);
            }
            WordPieceForm::Xvlm => {}
        }
        ids.truncate(max_tokens);
        ids
    }

    fn id(&self, piece: &str) -> Option<u32> {
        self.pieces.position(piece).map(|id| id as u32)
    }

    fn push_words(&self, text: &str, ids: &mut Vec<u32>) {
        for word in words(text) {
            match self.pieces_of(&word) {
                Some(pieces) => ids.extend(pieces),
                None => ids.push(self.special.unknown),
            }
        }
    }

    /// The longest piece the word begins with, then the longest that the remainder begins with, and so on; nothing when
    /// a remainder begins with none.
    fn pieces_of(&self, word: &str) -> Option<Vec<u32>> {
        if word.chars().count() > LONGEST_WORD {
            return None;
        }
        let mut pieces = Vec::new();
        let mut rest = word.to_owned();
        // What is left of the word, and behind the first piece the mark in front of it.
        let mut mark = 0;
        while rest.len() > mark {
            let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
            let longest = ends
                .rev()
                .take_while(|end| *end > mark)
                .find_map(|end| Some((end, self.id(&rest[..end])?)));
            let (end, id) = longest?;
            pieces.push(id);
            rest = format!("{CONTINUED}{}", &rest[end..]);
            mark = CONTINUED.len();
        }
        Some(pieces)
    }
}

/// Lower-cased words without accents; punctuation and ideographs are words of their own.
fn words(text: &str) -> Vec<String> {
    // Letter by letter, as the reference does: a capital sigma never becomes a final one.
    let lower = text.chars().flat_map(char::to_lowercase);
    let decomposed: String = lower.nfd().collect();
    let plain = REMOVED.replace_all(&decomposed, "");
    let words = WORD.find_iter(&plain).map(|word| word.as_str().to_owned());
    words.collect()
}
