//! How many steps a run takes.

use config_schema::Config;

use crate::checkpoint::RunState;

/// Steps of a run from its first to its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// Effective batches of an epoch; the last one may be smaller.
    pub per_epoch: usize,
    /// All epochs, or `training.max_steps` where that is less.
    pub total: usize,
}

impl Steps {
    /// Counts the steps over `samples` training samples.
    pub fn of(settings: &Config, samples: usize) -> Self {
        let per_epoch = samples.div_ceil(settings.effective_batch());
        let planned = settings.training.epochs * per_epoch;
        let total = match settings.training.max_steps {
            0 => planned,
            limit => planned.min(limit),
        };
        Self { per_epoch, total }
    }
}

/// Whether a run has nothing left to learn: all of its steps are taken, or its patience has run out.
pub(super) fn has_ended(settings: &Config, state: &RunState, total: usize) -> bool {
    let patience = settings.evaluation.patience;
    state.step >= total || (patience > 0 && state.since_best >= patience)
}
