//! What can go wrong between a data set and a batch.

mod data;
mod hint;
mod listed;
mod place;
mod several;

pub use data::DataError;
pub(crate) use data::{ARRAY, BEHIND, COMMA, CUT, PYTHON, TABLES};
pub(crate) use several::Errors;
