//! Questions and answers as numbers.

mod answers;
mod pre_question;
mod tokenizer;
mod vocabulary;
mod wordpiece;
mod wordpiece_file;
mod words;

pub use answers::AnswerList;
pub use pre_question::pre_question;
pub use tokenizer::tokenize;
pub use vocabulary::{PAD, UNKNOWN, Vocabulary};
pub use wordpiece::{SpecialTokens, WordPiece, WordPieceForm};
