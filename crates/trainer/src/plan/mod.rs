//! Peak memory of training, from the configuration alone.
//!
//! The model is built on Burn's capture device, which draws no weight and computes nothing, and the forward and backward
//! pass of a micro-batch of the largest inputs are recorded there, operation by operation. `memory-planner` then walks
//! along the record and counts bytes. Whatever the model's code does is in the record, so a plan holds for any
//! [`Model`](crate::Model), and there is no second description of the model to keep in step.

mod estimate;
mod forecast;
mod pass;
pub mod products;
mod recording;
mod segment;
mod translate;
mod workspace;
mod worst_case;

pub use estimate::{PartBytes, PhasePeak, Plan, PlannedPhase, Saving, least, plan, savings};
pub use forecast::{PlannedStart, evaluation_forecast, planned_start, training_forecast};
pub(crate) use forecast::{most_samples, prediction_forecast};
pub use segment::{SegmentChoice, choose_segment, with_segment};
pub use worst_case::WorstCase;
