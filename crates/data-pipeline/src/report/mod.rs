//! What a data set lets a model learn and reach, in figures; each with the limit from which on it is a warning.

mod data;
mod text;

pub use data::{DataReport, SplitReport, Thresholds};
pub use text::TextReport;
