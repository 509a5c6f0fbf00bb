//! X-VLM (Zeng et al., "Multi-Grained Vision Language Pre-Training", ICML 2022) for question answering.

pub mod bert;
mod decoder;
pub mod swin;
mod vqa;

pub use decoder::{AnswerDecoder, IGNORED_LABEL, TIED, token_loss};
pub use vqa::{QUESTION_TOKENS, RankedAnswers, ReadQuestions, WeightedAnswers, XVlm, XVlmConfig};
