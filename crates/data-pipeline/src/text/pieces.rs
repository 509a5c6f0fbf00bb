use std::collections::HashMap;

use super::answers::AnswerList;
use super::pre_question::pre_question;
use super::token_table::TokenTable;
use super::wordpiece::WordPiece;
use crate::error::DataError;
use crate::source::Source;

/// Most pairs of answers that an error names.
const MOST_PAIRS: usize = 10;

/// Most answers that an error names as examples.
const MOST_EXAMPLES: usize = 3;

/// Characters of a text that name it in a message.
const BEGINNING: usize = 60;

/// Questions and answers as the word pieces that X-VLM reads and writes (Zeng et al., 2022).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    tokenizer: WordPiece,
    max_question: usize,
    answers: TokenTable,
}

impl Pieces {
    /// Questions of at most `max_pieces` pieces, the start token among them; answers of at most `longest_answer`, start
    /// and end token among them. The tokenizer's form is [`WordPieceForm::Xvlm`](crate::WordPieceForm::Xvlm).
    ///
    /// # Errors
    /// When `max_pieces` is 0, an answer is longer, or two answers are the same in word pieces, so that a decoder could
    /// not tell them apart: because the vocabulary cannot write them, or because they differ in nothing that it writes.
    pub fn new(
        tokenizer: WordPiece,
        max_pieces: usize,
        longest_answer: usize,
        answers: &AnswerList,
    ) -> Result<Self, DataError> {
        Self::named(tokenizer, max_pieces, longest_answer, answers, |answer| {
            format!("`{answer}`")
        })
    }

    /// [`Pieces::new`] for the answers of a training split, which an error then has the places of.
    ///
    /// # Errors
    /// When an answer is too long, or two answers share their pieces, with the places of the samples that have them.
    pub fn of_training(
        tokenizer: WordPiece,
        max_pieces: usize,
        longest_answer: usize,
        answers: &AnswerList,
        training: &dyn Source,
    ) -> Result<Self, DataError> {
        Self::named(tokenizer, max_pieces, longest_answer, answers, |answer| {
            let mut samples = training.samples().iter();
            let first = samples.position(|sample| {
                let mut given = sample.answers.iter();
                given.any(|given| given.text == answer && given.score > 0.0)
            });
            let place = first.map(|sample| format!(" ({})", training.sample_place(sample)));
            format!("`{answer}`{}", place.unwrap_or_default())
        })
    }

    /// `named` says what to call an answer in an error.
    fn named(
        tokenizer: WordPiece,
        max_pieces: usize,
        longest_answer: usize,
        answers: &AnswerList,
        named: impl Fn(&str) -> String,
    ) -> Result<Self, DataError> {
        DataError::unless_positive([("max_pieces", max_pieces)])?;
        let rows: Vec<_> = answers
            .answers()
            .iter()
            .map(|answer| tokenizer.encode(&format!("{answer}[SEP]"), usize::MAX))
            .collect();
        let mut known = HashMap::new();
        let mut same = Vec::new();
        for (row, answer) in rows.iter().zip(answers.answers()) {
            if row.len() > longest_answer {
                return Err(DataError::AnswerTooLong {
                    beginning: answer.chars().take(BEGINNING).collect(),
                    pieces: row.len(),
                    limit: longest_answer,
                });
            }
            let first = *known.entry(row).or_insert(answer);
            if first != answer {
                same.push((row, first, answer));
            }
        }
        let unknown = tokenizer.special().unknown;
        if same.iter().any(|&(row, ..)| row.contains(&unknown)) {
            let unwritable = rows.iter().zip(answers.answers());
            let unwritable: Vec<_> = unwritable
                .filter(|(row, _)| row.contains(&unknown))
                .map(|(_, answer)| answer)
                .collect();
            let examples = unwritable.iter().take(MOST_EXAMPLES);
            return Err(DataError::UnwritableAnswers {
                count: unwritable.len(),
                vocabulary: tokenizer.name().to_owned(),
                examples: examples.map(|answer| named(answer)).collect(),
            });
        }
        if !same.is_empty() {
            let named = |(_, first, second): &(&Vec<u32>, &String, &String)| {
                format!("{} and {}", named(first), named(second))
            };
            let mut pairs: Vec<_> = same.iter().take(MOST_PAIRS).map(named).collect();
            if same.len() > pairs.len() {
                pairs.push(format!("and {} more pairs", same.len() - pairs.len()));
            }
            return Err(DataError::SameAnswers { pairs });
        }
        let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut table = TokenTable::new(longest, tokenizer.special().pad);
        for row in &rows {
            table.push(row);
        }
        Ok(Self {
            tokenizer,
            max_question: max_pieces,
            answers: table,
        })
    }

    /// What cuts texts into pieces.
    pub fn tokenizer(&self) -> &WordPiece {
        &self.tokenizer
    }

    /// Pieces of a question, padding among them.
    pub fn max_pieces(&self) -> usize {
        self.max_question
    }

    /// `[CLS] answer [SEP]` of every answer of the list, `[answers, pieces of the longest]`.
    pub fn answers(&self) -> &TokenTable {
        &self.answers
    }

    /// A table for questions, `[0, max_pieces]`.
    pub(crate) fn questions(&self) -> TokenTable {
        TokenTable::new(self.max_question, self.tokenizer.special().pad)
    }

    /// `[CLS] question` after [`pre_question`], without padding.
    pub fn question(&self, question: &str) -> Vec<u32> {
        let mut pieces = self.whole_question(question);
        pieces.truncate(self.max_question);
        pieces
    }

    /// The pieces of a question, however many there are.
    pub(crate) fn whole_question(&self, question: &str) -> Vec<u32> {
        let cleaned = pre_question(question, usize::MAX);
        self.tokenizer.encode(&cleaned, usize::MAX)
    }
}
