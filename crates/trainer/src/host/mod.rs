//! What a run keeps in host memory: the data set, preloaded images, and samples on their way to the model.
//!
//! All of it grows with the data and none of it with the model, so it is planned apart from [`crate::plan`]. On the CPU
//! both are one memory and share a budget.

mod data;
mod needs;
mod plan;

pub use data::{Counted, Data};
pub use needs::HostNeeds;
pub use plan::{HostBudget, HostPlan, HostRefusal};
