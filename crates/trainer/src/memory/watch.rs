//! Looks at the memory of a run, phase by phase.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::Device;
use serde::Serialize;

use super::meter::{self, Meter, Usage};
use super::{CardMeter, CardSample, FaultInjector, OutOfMemory, Phase, Point};

/// What phases together made a pool hold, beside the peaks of the phases.
const RESERVED: &str = "reserved";

/// The meter of a run, its budget, and what was seen since the last report.
pub(crate) struct Watch<'a> {
    meter: Box<dyn Meter>,
    card: Option<&'a CardMeter>,
    budget: Option<u64>,
    faults: Option<&'a dyn FaultInjector>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    peaks: BTreeMap<&'static str, u64>,
    /// The peaks of the reports before.
    before: BTreeMap<&'static str, u64>,
    round: Peaks,
    last: Option<Usage>,
}

/// The most bytes in use in a round of micro-batches.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Peaks {
    /// In all phases.
    pub(crate) all: u64,
    /// Before any backward pass; in evaluation in all phases.
    pub(crate) forward: u64,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(
        device: &Device,
        card: Option<&'a CardMeter>,
        budget: Option<u64>,
        faults: Option<&'a dyn FaultInjector>,
    ) -> Self {
        let meter = meter::of_device(device);
        meter.take();
        Self {
            meter,
            card,
            budget,
            faults,
            seen: Mutex::default(),
        }
    }

    pub(crate) fn budget(&self) -> Option<u64> {
        self.budget
    }

    /// Takes note of the memory that the phase before a point took, which was the last to end. With micro-batches side by
    /// side the phases overlap, and a peak is noted for the one that ends next.
    ///
    /// # Errors
    ///
    /// When the peak is above the budget.
    pub(crate) fn phase_end(&self, point: &Point) -> Result<(), OutOfMemory> {
        let usage = self.note(point.phase);
        if let Some(faults) = self.faults {
            faults.at(point)?;
        }
        let bound = usage.map(|usage| self.meter.bound(usage));
        match (bound, self.budget) {
            (Some(bound), Some(budget)) if bound > budget => Err(OutOfMemory {
                phase: Some(point.phase),
                wanted: Some(bound),
                budget: Some(budget),
            }),
            _ => Ok(()),
        }
    }

    /// Samples of the micro-batch of `step` that begins at sample `start`: those planned, but in a test that wants others.
    pub(crate) fn micro_batch(&self, step: usize, start: usize, planned: usize) -> usize {
        self.faults
            .map_or(planned, |faults| faults.micro_batch(step, start, planned))
    }

    /// The loss scale that `step` begins with: the one that it has come to, but in a test that wants another.
    pub(crate) fn loss_scale(&self, step: usize, current: f64) -> f64 {
        self.faults
            .map_or(current, |faults| faults.loss_scale(step, current))
    }

    /// Whether a test wants the gradient of `step` to overflow.
    pub(crate) fn overflows(&self, step: usize, loss_scale: f64) -> bool {
        self.faults
            .is_some_and(|faults| faults.overflows(step, loss_scale))
    }

    /// Takes note of the memory since the last look, as that of a phase.
    pub(crate) fn note(&self, phase: Phase) -> Option<Usage> {
        let usage = self.meter.take()?;
        let bound = self.meter.bound(usage);
        let mut seen = self.seen();
        let mut note = |name, bytes: u64| {
            let peak = seen.peaks.entry(name).or_default();
            *peak = bytes.max(*peak);
        };
        note(phase.name(), usage.peak_bytes);
        if bound > usage.peak_bytes && phase != Phase::Storage {
            note(RESERVED, bound);
        }
        seen.round.all = seen.round.all.max(bound);
        if matches!(phase, Phase::Load | Phase::Forward | Phase::Evaluation) {
            seen.round.forward = seen.round.forward.max(bound);
        }
        seen.last = Some(usage);
        Some(usage)
    }

    /// Begins a round of micro-batches; gives the bytes that are in use before it.
    pub(crate) fn begin_round(&self) -> Option<u64> {
        let usage = self.note(Phase::Load);
        self.seen().round = Peaks::default();
        usage.map(|usage| usage.live_bytes)
    }

    /// The most bytes in use since the round began.
    pub(crate) fn round_peaks(&self) -> Peaks {
        self.seen().round
    }

    /// What was seen since the last sample. None if memory cannot be measured.
    pub(crate) fn sample(&self, step: usize, micro_batches: [usize; 2]) -> Option<MemorySample> {
        let mut seen = self.seen();
        let phases = std::mem::take(&mut seen.peaks);
        merge(&mut seen.before, &phases);
        let last = seen.last?;
        let bound = phases
            .iter()
            .filter(|(phase, _)| **phase != Phase::Storage.name());
        let peak = bound.map(|(_, bytes)| *bytes).max();
        let [micro_batch, evaluation_micro_batch] = micro_batches;
        Some(MemorySample {
            step,
            budget_bytes: self.budget,
            micro_batch,
            evaluation_micro_batch,
            peak_bytes: peak.unwrap_or(last.peak_bytes),
            live_bytes: last.live_bytes,
            reserved_bytes: last.reserved_bytes,
            phase_peak_bytes: phases,
            card: self.card.and_then(Meter::take),
            card_samples: self.card.map_or_else(Vec::new, CardMeter::samples),
        })
    }

    /// The most bytes in use since the beginning, in each phase that the budget binds.
    pub(crate) fn most(&self) -> BTreeMap<&'static str, u64> {
        let seen = self.seen();
        let mut most = seen.before.clone();
        merge(&mut most, &seen.peaks);
        most.remove(Phase::Storage.name());
        most
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Nothing is half-done in there when a thread panics.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Raises the peaks of `most` to those of `peaks`.
fn merge(most: &mut BTreeMap<&'static str, u64>, peaks: &BTreeMap<&'static str, u64>) {
    for (phase, bytes) in peaks {
        let peak = most.entry(phase).or_default();
        *peak = (*peak).max(*bytes);
    }
}

/// Memory between two reports: a line of `memory.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemorySample {
    /// Steps taken.
    pub step: usize,
    /// Bytes that may be used; absent without a budget.
    pub budget_bytes: Option<u64>,
    /// Samples of the next micro-batch.
    pub micro_batch: usize,
    /// The same in evaluation.
    pub evaluation_micro_batch: usize,
    /// The most bytes in use in the phases that the budget binds: all but storage.
    pub peak_bytes: u64,
    /// Bytes in use at the end.
    pub live_bytes: u64,
    /// Bytes held at the end: in use or kept for later use.
    pub reserved_bytes: u64,
    /// The most bytes in use in each phase that there was.
    pub phase_peak_bytes: BTreeMap<&'static str, u64>,
    /// The card as a whole, whoever uses it; absent where there is none or it cannot be read.
    pub card: Option<Usage>,
    /// What it said every `logging.card_seconds`; absent where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub card_samples: Vec<CardSample>,
}
