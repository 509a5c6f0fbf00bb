//! What a data set lets a model learn and reach, in figures; each with the limit from which on it is a warning.

mod data;
mod text;
mod thresholds;

pub use data::{DataReport, SplitReport};
pub use text::TextReport;
pub use thresholds::Thresholds;
