//! What the sizes of a run's first micro-batches follow from.

use config_schema::Config;
use model_api::Model;
use serde::Serialize;

use super::estimate::{PlannedPhase, least, plan, thread_buffers};
use super::pass::{Pass, side_by_side};
use super::worst_case::WorstCase;
use crate::error::TrainError;
use crate::memory::{Forecast, target};

/// The micro-batches that training begins with where they are not as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PlannedStart {
    /// Samples of a micro-batch.
    pub micro_batch: usize,
    /// Bytes of the peak of a training step, by plan.
    pub peak_bytes: u64,
    /// Whether the size follows the budget; if not, the configured one does not fit.
    pub dynamic: bool,
    /// Whether `hardware.parallel_micro_batches` do not fit side by side even with one sample each: they run one after another.
    pub one_after_another: bool,
}

/// The micro-batches that training begins with in a budget, beside `data_bytes` of data in the same memory. None where they
/// are as configured, and where not even one sample at a time fits.
///
/// # Errors
///
/// As [`training_forecast`].
pub fn planned_start<M: Model>(
    settings: &Config,
    worst: &WorstCase,
    budget: u64,
    data_bytes: u64,
) -> Result<Option<PlannedStart>, TrainError> {
    let dynamic = settings.memory_optimization.dynamic_batch_size;
    let mut most = most_samples(settings);
    if !dynamic {
        let planned = plan::<M>(settings, worst)?;
        let of_training = planned.phases.iter();
        let of_training = of_training.filter(|peak| peak.phase != PlannedPhase::Evaluation);
        let peak = of_training.map(|peak| peak.bytes).max().unwrap_or(0);
        if peak.saturating_add(data_bytes) <= budget {
            return Ok(None);
        }
        most = most.min(settings.training.batch_size);
    }
    let mut forecast = training_forecast::<M>(settings, worst, most)?;
    forecast.base = forecast.base.saturating_add(data_bytes);
    let micro_batch = forecast.fitting(target(budget)).min(most);
    let mut start = PlannedStart {
        micro_batch,
        peak_bytes: forecast.peak(micro_batch),
        dynamic,
        one_after_another: false,
    };
    if forecast.peak(1) > budget {
        start.peak_bytes = least::<M>(settings, worst)?.saturating_add(data_bytes);
        start.one_after_another = settings.parallel_micro_batches() > 1;
        return Ok(Some(start).filter(|start| start.peak_bytes - data_bytes <= budget));
    }
    Ok(Some(start))
}

/// Samples of the largest micro-batch: there is work for all that are computed side by side.
pub(crate) fn most_samples(settings: &Config) -> usize {
    let parallel = settings.parallel_micro_batches();
    settings.effective_batch().div_ceil(parallel)
}

/// Plans micro-batches of one sample and of as many as there can be: in between, the peak is a sum of what grows with the
/// size and what does not, or the larger of two such sums and then below the line between the two.
///
/// # Errors
///
/// When the settings do not describe a model that can be built.
pub fn training_forecast<M: Model>(
    settings: &Config,
    worst: &WorstCase,
    most: usize,
) -> Result<Forecast, TrainError> {
    let config = M::configure(settings, &worst.shape).map_err(TrainError::Model)?;
    let side_by_side = side_by_side(settings, 1);
    let pass = |samples| Pass::of_training::<M>((settings, &config), worst, samples);
    let (one, all) = (pass(1)?, pass(most)?);
    let to_come = one.optimizer_state() + one.profile.left;
    Ok(Forecast {
        base: one.held() + thread_buffers(settings) + to_come,
        to_come,
        costs: [(1, &one), (most, &all)].map(|(size, pass)| (size, pass.learning(side_by_side))),
    })
}

/// The same for evaluation, to which nothing comes but its own.
///
/// # Errors
///
/// As [`training_forecast`].
pub fn evaluation_forecast<M: Model>(
    settings: &Config,
    worst: &WorstCase,
    most: usize,
) -> Result<Forecast, TrainError> {
    answering_forecast::<M>(settings, worst, most, Pass::optimizer_state)
}

/// Plans the micro-batches of a model that is not trained.
///
/// # Errors
///
/// As [`training_forecast`].
pub(crate) fn prediction_forecast<M: Model>(
    settings: &Config,
    worst: &WorstCase,
    most: usize,
) -> Result<Forecast, TrainError> {
    answering_forecast::<M>(settings, worst, most, |_| 0)
}

/// Plans answers beside what else lies in memory.
fn answering_forecast<M: Model>(
    settings: &Config,
    worst: &WorstCase,
    most: usize,
    beside: impl FnOnce(&Pass) -> u64,
) -> Result<Forecast, TrainError> {
    let config = M::configure(settings, &worst.shape).map_err(TrainError::Model)?;
    let pass = |samples| Pass::of_evaluation::<M>((settings, &config), worst, samples);
    let (one, all) = (pass(1)?, pass(most)?);
    Ok(Forecast {
        base: one.held() + beside(&one) + thread_buffers(settings),
        to_come: 0,
        costs: [(1, one.answering()), (most, all.answering())],
    })
}
