//! Peak memory of training, measured.
//!
//! [`measure`] takes real steps with micro-batches of one size on the largest inputs that a run can meet, and a process
//! that does nothing else should call it, once: the device may fail for want of memory, and what it keeps from another
//! size would be counted. Two sizes make a straight line for each phase, [`Lines`], which tells the sizes between and
//! beyond.

mod batches;
mod lines;
mod measure;

pub use batches::batch_bytes;
pub use lines::{Line, Lines};
pub use measure::{Measured, measure, with_micro_batch};
