//! The trainer's clock, and what beats by it.

mod pace;
mod stopwatch;

pub use pace::Pace;
pub use stopwatch::Stopwatch;
