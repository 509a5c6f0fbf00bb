//! A recorded pass and what it takes.

use config_schema::Config;
use memory_planner::{Peak, Profile, simulate};
use model_api::Model;

use super::recording::{Parameter, Recording, evaluation, training};
use super::worst_case::WorstCase;
use crate::error::TrainError;
use crate::plan::products::thread_buffer_bytes;

/// Numbers that an optimizer keeps for each one that it trains: both of ours keep two moments.
const MOMENTS: u64 = 2;

/// Bytes that Burn keeps in host memory beside the numbers, as measured: for each parameter with the state of its optimizer,
/// for each parameter in the copy of the model that is evaluated, and for the graph behind each operation of the backward
/// pass.
const PER_PARAMETER: u64 = 2_400;
const PER_EVALUATED_PARAMETER: u64 = 700;
const PER_OPERATION: u64 = 650;

/// A micro-batch as it was recorded.
pub(super) struct Pass {
    pub(super) recording: Recording,
    pub(super) profile: Profile,
    averaged: bool,
}

/// Micro-batches of this many samples that are computed at the same time.
pub(super) fn side_by_side(settings: &Config, samples: usize) -> usize {
    let asked = settings.parallel_micro_batches();
    asked
        .min(settings.effective_batch().div_ceil(samples))
        .max(1)
}

impl Pass {
    /// The loss of this many samples and its gradient.
    pub(super) fn of_training<M: Model>(
        built: (&Config, &M::Config),
        worst: &WorstCase,
        samples: usize,
    ) -> Result<Self, TrainError> {
        let recording = training::<M>(built, worst, samples)?;
        Ok(Self::new(recording, built.0))
    }

    /// The answers to this many samples.
    pub(super) fn of_evaluation<M: Model>(
        built: (&Config, &M::Config),
        worst: &WorstCase,
        samples: usize,
    ) -> Result<Self, TrainError> {
        let recording = evaluation::<M>(built, worst, samples)?;
        Ok(Self::new(recording, built.0))
    }

    fn new(recording: Recording, settings: &Config) -> Self {
        Self {
            profile: simulate(&recording.trace),
            recording,
            averaged: settings.training.ema > 0.0,
        }
    }

    /// Bytes of parameters and constants.
    pub(super) fn held(&self) -> u64 {
        self.profile.held + self.recording.unread()
    }

    /// Bytes of one set of gradients.
    pub(super) fn gradients(&self) -> u64 {
        let trained = self.recording.parameters.iter().filter(|one| one.trained);
        trained.map(|one: &Parameter| one.bytes).sum()
    }

    /// Bytes of the numbers that optimizers keep.
    pub(super) fn moments(&self) -> u64 {
        MOMENTS * self.gradients()
    }

    /// Bytes of the moving average of the weights.
    pub(super) fn average(&self) -> u64 {
        if self.averaged { self.gradients() } else { 0 }
    }

    /// Moments and average, with what is kept about them.
    pub(super) fn optimizer_state(&self) -> u64 {
        self.moments() + self.average() + PER_PARAMETER * self.recording.parameters.len() as u64
    }

    /// Bytes of the gradients that are added up while micro-batches of this many samples are computed, with all that the
    /// gradients of the first of them keep in memory.
    pub(super) fn accumulated(&self, settings: &Config, samples: usize) -> u64 {
        // The first ones side by side are added to nothing yet.
        let several =
            settings.effective_batch().div_ceil(samples) > side_by_side(settings, samples);
        if several { self.profile.left } else { 0 }
    }

    /// Bytes at a peak of the pass beyond what is there before it, with this many micro-batches at the same time.
    pub(super) fn moving(&self, peak: Peak, side_by_side: usize) -> u64 {
        let trace = &self.recording.trace;
        let graph = PER_OPERATION * (trace.operations.len() - trace.forward) as u64;
        // Each is computed by a thread of its own then.
        let buffer = if side_by_side > 1 {
            thread_buffer_bytes() as u64
        } else {
            0
        };
        side_by_side as u64 * (peak.bytes - self.profile.held + graph + buffer)
    }

    /// The most of forward and backward pass, as [`moving`](Self::moving).
    pub(super) fn learning(&self, side_by_side: usize) -> u64 {
        let Profile {
            forward, backward, ..
        } = self.profile;
        let peaks = [forward, backward].map(|peak| self.moving(peak, side_by_side));
        peaks[0].max(peaks[1])
    }

    /// The most bytes of a pass without a graph beyond what is there before it.
    pub(super) fn answering(&self) -> u64 {
        let copy = PER_EVALUATED_PARAMETER * self.recording.parameters.len() as u64;
        self.profile.forward.bytes - self.profile.held + copy
    }
}
