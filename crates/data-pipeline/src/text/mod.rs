//! Questions and answers as numbers.

mod answers;
pub(crate) mod characters;
mod pieces;
mod pre_question;
mod token_table;
mod tokenizer;
mod vocabulary;
mod wordpiece;
mod wordpiece_file;
mod words;

pub use answers::AnswerList;
pub use pieces::Pieces;
pub use pre_question::pre_question;
pub use token_table::TokenTable;
pub use tokenizer::{Splitting, tokenize};
pub use vocabulary::{PAD, UNKNOWN, Vocabulary};
pub use wordpiece::{SpecialTokens, WordPiece, WordPieceForm};
