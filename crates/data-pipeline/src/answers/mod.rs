//! What annotators and data sets give as answers: one form for each answer, and what each is worth.

mod contractions;
mod facts;
mod normalise;
mod reading;
#[cfg(test)]
mod tests;
mod votes;

pub use facts::ReadingFacts;
pub use normalise::{AnswerNormalisation, normalise_answer};
pub use reading::AnswerReading;
pub(crate) use reading::ReadAnswers;
pub use votes::Votes;
pub(crate) use votes::best_score;
