//! Optimizers, gradient clipping and learning-rate schedules of the published recipes.

mod adamax;
mod adamw;
mod average;
mod clip;
mod host;
mod loss_scale;
mod optimizers;
mod rule;
mod schedule;

pub use adamax::Adamax;
pub use adamw::{AdamW, AdamWForm};
pub use clip::{GradientNorm, clip_by_global_norm};
pub use loss_scale::LossScale;
pub use optimizers::{Optimizers, Update};
pub use schedule::{Progress, Schedule};
