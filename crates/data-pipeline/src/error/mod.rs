//! What can go wrong between a data set and a batch.

mod data;
mod hint;
mod place;
mod several;

pub(crate) use data::ARRAY;
pub use data::DataError;
pub(crate) use several::Errors;
