//! Optimizers, gradient clipping and learning-rate schedules of the published recipes.

mod adamax;
mod adamw;
mod average;
mod clip;
mod host;
mod optimizers;
mod rule;
mod schedule;

pub use adamax::Adamax;
pub use adamw::{AdamW, AdamWForm};
pub use clip::{GradientNorm, clip_by_global_norm};
pub use optimizers::{Optimizers, Update};
pub use schedule::{Progress, Schedule};
