//! How long the segments are that are computed twice.

use config_schema::Config;
use model_api::Model;
use serde::{Deserialize, Serialize};

use super::estimate::thread_buffers;
use super::pass::{Pass, side_by_side};
use super::worst_case::WorstCase;
use crate::error::TrainError;
use crate::memory::target;

/// Lengths to choose from, the one that saves most first. Stacks of published models have up to 24 layers.
const LENGTHS: [usize; 8] = [1, 2, 3, 4, 6, 8, 12, 24];

/// A length of segments, and what it was chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentChoice {
    /// Layers of a segment.
    pub checkpoint_segment: usize,
    /// The most bytes of a step with it, by plan.
    pub planned_bytes: u64,
    /// Bytes that may be used.
    pub budget_bytes: u64,
}

/// Chooses the length of segments for settings that leave it to the budget: of those whose planned peak fits with
/// `training.batch_size` samples, and the margin that sizes of micro-batches have, the one with which least is computed
/// twice. Where none fits, the one that saves most. None if the settings state a length or rebuild nothing.
///
/// # Errors
///
/// When the settings do not describe a model that can be built.
pub fn choose_segment<M: Model>(
    settings: &Config,
    worst: &WorstCase,
    budget: u64,
) -> Result<Option<SegmentChoice>, TrainError> {
    let keys = &settings.memory_optimization;
    if !keys.gradient_checkpointing || keys.checkpoint_segment != 0 {
        return Ok(None);
    }
    let mut candidates = Vec::new();
    for length in LENGTHS {
        let (planned_bytes, work) = planned::<M>(&with_segment(settings, length), worst)?;
        let choice = SegmentChoice {
            checkpoint_segment: length,
            planned_bytes,
            budget_bytes: budget,
        };
        candidates.push((choice, work));
    }
    let fitting = candidates
        .iter()
        .filter(|(choice, _)| choice.planned_bytes <= target(budget));
    let least_work = fitting.min_by_key(|(choice, work)| (*work, choice.planned_bytes));
    let least_memory = candidates
        .iter()
        .min_by_key(|(choice, _)| choice.planned_bytes);
    Ok(least_work.or(least_memory).map(|(choice, _)| *choice))
}

/// The settings with segments of this many layers.
pub fn with_segment(settings: &Config, length: usize) -> Config {
    let mut settings = settings.clone();
    settings.memory_optimization.checkpoint_segment = length;
    settings
}

/// The most bytes of a step with these settings, and how much is computed in a micro-batch.
fn planned<M: Model>(settings: &Config, worst: &WorstCase) -> Result<(u64, u64), TrainError> {
    let config = M::configure(settings, &worst.shape).map_err(TrainError::Model)?;
    let micro_batch = settings.training.batch_size;
    let pass = Pass::of_training::<M>((settings, &config), worst, micro_batch)?;
    let accumulated = pass.accumulated(settings, micro_batch);
    let resting = pass.held() + pass.optimizer_state() + thread_buffers(settings) + accumulated;
    let peak = resting + pass.learning(side_by_side(settings, micro_batch));
    Ok((peak, pass.recording.trace.computed()))
}
