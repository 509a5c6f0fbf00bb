//! What a run measured of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::derive::sizes;
use crate::memory::{Controller, Forecast};

/// What a run measured of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeasuredRun {
    /// Bytes that it might use; absent without a budget.
    pub budget_bytes: Option<u64>,
    /// The most bytes in use in each phase that the budget binds; none if memory cannot be measured.
    pub phase_peak_bytes: BTreeMap<String, u64>,
    /// Times that memory ran out in training.
    pub ran_out: usize,
    /// Micro-batches in training.
    pub training: Sizes,
    /// Micro-batches in evaluation.
    pub evaluation: Sizes,
    /// Steps whose waiting was timed. The first step of an epoch is not counted: it waits for the workers to start.
    pub timed_steps: usize,
    /// The part of their time that they waited for samples, 0 to 1; absent where there was none.
    pub waiting: Option<f64>,
}

impl MeasuredRun {
    /// Whether the process took no step, so that all of it was measured before.
    pub fn is_empty(&self) -> bool {
        self.phase_peak_bytes.is_empty() && self.timed_steps == 0
    }
}

/// Sizes of the micro-batches of one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Samples at the end.
    pub micro_batch: usize,
    /// The smallest size at which memory ran out.
    pub ran_out_at: Option<usize>,
    /// The peak to expect, by size, of all that cut the effective batch without a rest; empty where nothing was measured.
    pub expected_peak_bytes: BTreeMap<usize, u64>,
}

impl Sizes {
    /// What a controller knows by now, of sizes up to `most`; of those beyond what was measured, with the plan where there is
    /// one.
    pub(crate) fn of(
        controller: &Controller,
        plan: Option<&Forecast>,
        effective_batch: usize,
        most: usize,
    ) -> Self {
        let sizes = sizes(effective_batch).filter(|size| *size <= most);
        let expected = sizes.filter_map(|size| Some((size, controller.expected(size, plan)?)));
        Self {
            micro_batch: controller.size(),
            ran_out_at: controller.ran_out_at(),
            expected_peak_bytes: expected.collect(),
        }
    }
}

/// The time of steps, and how much of it they waited for samples.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) steps: usize,
    waited: f64,
    seconds: f64,
}

impl Tally {
    /// Takes note of a step that took this many seconds, `waited` of them for its samples.
    pub(crate) fn add(&mut self, seconds: f64, waited: f64) {
        self.steps += 1;
        self.seconds += seconds;
        self.waited += waited;
    }

    /// The part of the time that was spent waiting.
    pub(crate) fn waiting(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.waited / self.seconds)
    }
}
