//! Questions and answers as numbers.

mod answers;
mod tokenizer;
mod vocabulary;
mod words;

pub use answers::AnswerList;
pub use tokenizer::tokenize;
pub use vocabulary::{PAD, UNKNOWN, Vocabulary};
