use std::path::Path;

use tokenizers::models::wordpiece::WordPiece as Model;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizedString, Normalizer, OffsetReferential, OffsetType,
    PostProcessorWrapper, PreTokenizedString, PreTokenizer, TokenizerImpl,
};

use super::pre_question::pre_question;
use super::wordpiece_file::{self, WRITTEN};
use super::words::WordList;
use crate::error::DataError;
use crate::sample::Sample;

/// A word of more characters is unknown as a whole.
const LONGEST_WORD: usize = 100;

/// Tokens in front of a vocabulary built from a data set.
const FRONT: [&str; 4] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];

type Tokenizer =
    TokenizerImpl<Model, BertNormalizer, BertPreTokenizer, PostProcessorWrapper, DecoderWrapper>;

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
    /// `[PAD]` fills texts up to a common length. It is 0.
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
#[derive(Debug, Clone)]
pub struct WordPiece {
    pieces: WordList,
    tokenizer: Tokenizer,
    special: SpecialTokens,
    form: WordPieceForm,
    /// What to call the vocabulary in a message.
    name: String,
}

/// The tokenizer follows from the pieces.
impl PartialEq for WordPiece {
    fn eq(&self, other: &Self) -> bool {
        (&self.pieces, self.form) == (&other.pieces, other.form)
    }
}

impl Eq for WordPiece {}

impl WordPiece {
    /// Reads `vocab.txt`, one token a line, or where the path ends in `.json` a `tokenizer.json` with the settings of an
    /// uncased BERT. The latter's own padding, truncation and post-processing are not looked at.
    ///
    /// # Errors
    /// When the file cannot be read, is not what its ending says, describes another tokenizer, holds a token twice,
    /// lacks one of `[PAD]`, `[UNK]`, `[CLS]` and `[SEP]`, or does not begin with `[PAD]`.
    pub fn read(path: &Path, form: WordPieceForm) -> Result<Self, DataError> {
        Self::new(wordpiece_file::read(path)?, path, form)
    }

    /// Reads the text of a `vocab.txt`, such as the one from [`WordPiece::to_text`]; `path` is named in errors.
    ///
    /// # Errors
    /// When it holds a token twice, lacks one of `[PAD]`, `[UNK]`, `[CLS]` and `[SEP]`, or does not begin with `[PAD]`.
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
        let known = |sample: &Sample, see: &mut dyn FnMut(&str)| {
            let answers = sample.answers.iter().map(|answer| words(&answer.text));
            let asked = words(&pre_question(&sample.question, usize::MAX));
            let known = answers.flatten().chain(asked);
            let known = known.filter(|word| word.chars().count() <= LONGEST_WORD);
            known.for_each(|word| see(&word));
        };
        let pieces = WordList::by_count(&FRONT, training, known);
        let pieces = pieces.ok_or(DataError::NothingToList {
            what: "word",
            samples: training.len(),
        })?;
        let special = SpecialTokens {
            pad: 0,
            unknown: 1,
            start: 2,
            end: 3,
        };
        let name = "the vocabulary of the training split".to_owned();
        Ok(Self::with(pieces, special, form, name))
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
        if special.pad != 0 {
            return Err(DataError::PaddingNotFirst {
                path: path.to_owned(),
                id: special.pad,
            });
        }
        let name = format!("`{}`", path.display());
        Ok(Self::with(pieces, special, form, name))
    }

    fn with(pieces: WordList, special: SpecialTokens, form: WordPieceForm, name: String) -> Self {
        let written = WRITTEN
            .iter()
            .filter(|token| pieces.position(token).is_some());
        let written: Vec<_> = written
            .map(|token| AddedToken::from(*token, true))
            .collect();
        Self {
            tokenizer: tokenizer(&pieces, written),
            pieces,
            special,
            form,
            name,
        }
    }

    /// What to call the vocabulary in a message: its file, where it has one.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The tokens by id, one a line: the text of `vocab.txt`.
    pub fn to_text(&self) -> String {
        self.pieces.to_lines()
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
        ids.extend_from_slice(encode(&self.tokenizer, text).get_ids());
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
}

fn tokenizer(pieces: &WordList, written: Vec<AddedToken>) -> Tokenizer {
    const ALWAYS: &str = "a vocabulary that is given in memory is taken as it is";
    let vocabulary = Model::read_bytes(pieces.to_lines().as_bytes()).expect(ALWAYS);
    let model = Model::builder()
        .vocab(vocabulary)
        .max_input_chars_per_word(LONGEST_WORD);
    let mut tokenizer = Tokenizer::new(model.build().expect(ALWAYS));
    tokenizer
        .with_normalizer(Some(BertNormalizer::default()))
        .expect(ALWAYS)
        .with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.add_special_tokens(written).expect(ALWAYS);
    tokenizer
}

fn encode(tokenizer: &Tokenizer, text: &str) -> tokenizers::Encoding {
    let encoded = tokenizer.encode_fast(text, false);
    encoded.expect("no text is refused, as the vocabulary has an unknown token")
}

/// The words that are looked up as a whole first: lower-cased, without accents, punctuation apart.
fn words(text: &str) -> Vec<String> {
    const ALWAYS: &str = "no text is refused";
    let mut normalized = NormalizedString::from(text);
    BertNormalizer::default()
        .normalize(&mut normalized)
        .expect(ALWAYS);
    let mut split = PreTokenizedString::from(normalized);
    BertPreTokenizer.pre_tokenize(&mut split).expect(ALWAYS);
    let words = split.get_splits(OffsetReferential::Normalized, OffsetType::None);
    words
        .into_iter()
        .map(|(word, ..)| word.to_owned())
        .collect()
}
