use std::collections::HashMap;

use super::answers::AnswerList;
use super::pre_question::pre_question;
use super::token_table::TokenTable;
use super::wordpiece::WordPiece;
use crate::error::DataError;

/// Questions and answers as the word pieces that X-VLM reads and writes (Zeng et al., 2022).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    tokenizer: WordPiece,
    max_question: usize,
    answers: TokenTable,
}

impl Pieces {
    /// Questions of at most `max_pieces` pieces, the start token among them; answers of any length. The tokenizer's form
    /// is [`WordPieceForm::Xvlm`](crate::WordPieceForm::Xvlm).
    ///
    /// # Errors
    /// When `max_pieces` is 0, or two answers are the same in word pieces, so that a decoder could not tell them apart.
    pub fn new(
        tokenizer: WordPiece,
        max_pieces: usize,
        answers: &AnswerList,
    ) -> Result<Self, DataError> {
        DataError::unless_positive([("max_pieces", max_pieces)])?;
        let rows: Vec<_> = answers
            .answers()
            .iter()
            .map(|answer| tokenizer.encode(&format!("{answer}[SEP]"), usize::MAX))
            .collect();
        let mut known = HashMap::new();
        for (row, answer) in rows.iter().zip(answers.answers()) {
            if let Some(first) = known.insert(row, answer) {
                return Err(DataError::SameAnswer {
                    first: first.clone(),
                    second: answer.clone(),
                });
            }
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
        let cleaned = pre_question(question, usize::MAX);
        self.tokenizer.encode(&cleaned, self.max_question)
    }
}
