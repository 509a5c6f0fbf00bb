//! What the sizes of a run's first micro-batches follow from.

use config_schema::Config;
use model_api::Model;

use super::estimate::thread_buffers;
use super::pass::{Pass, side_by_side};
use super::worst_case::WorstCase;
use crate::error::TrainError;
use crate::memory::Forecast;

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
