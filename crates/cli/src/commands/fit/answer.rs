//! What `fit` finds out.

use super::child;
use serde::Serialize;
use trainer::fit::Measured;
use trainer::host::HostPlan;
use trainer::plan::SegmentChoice;

/// What a program reads.
#[derive(Debug, Serialize)]
pub struct Answer {
    pub preset: String,
    pub device: String,
    pub effective_batch: usize,
    /// Samples of a micro-batch as configured.
    pub micro_batch: usize,
    /// What steps with them take, beside the program itself.
    pub measured_peak_bytes: Option<u64>,
    /// Whether that follows from other sizes, since this one could not be measured.
    pub extrapolated: bool,
    /// What the program itself takes of the device, its data set included; the budget binds it, too.
    pub program_bytes: Option<u64>,
    /// What batches on their way to the model take of the device.
    pub batch_bytes: Option<u64>,
    /// Steps, batches and program together: what the budget is compared with.
    pub needed_bytes: Option<u64>,
    pub budget_bytes: Option<u64>,
    pub budget_origin: String,
    pub fits: Option<bool>,
    /// 0 if not even one sample fits.
    pub largest_micro_batch: Option<usize>,
    /// Why a larger one is not given.
    pub limit: Option<Limit>,
    /// Whether that is without `hardware.parallel_micro_batches`, which do not fit side by side: all figures but `fits` are for
    /// micro-batches that are computed one after another.
    pub one_after_another: bool,
    /// Assignments for the largest micro-batch that fits and divides the effective batch.
    pub set: Vec<String>,
    /// Where `checkpoint_segment` is left to the budget: what was measured.
    pub segments: Option<SegmentChoice>,
    /// The phase that takes most with the configured size, what that is whatever the size, and what each sample adds.
    pub worst_phase: Option<String>,
    pub static_bytes: Option<u64>,
    pub sample_bytes: Option<u64>,
    pub plan_peak_bytes: u64,
    /// What the run keeps in host memory, by plan.
    pub host: Option<HostPlan>,
    /// How far the plan is from the measurement, as a part of that; below zero where it is under.
    pub plan_error: Option<f64>,
    /// All sizes that were looked at, in this order.
    pub sizes: Vec<Size>,
}

impl Answer {
    /// The answer for micro-batches that are computed one after another, where those `side_by_side` do not fit.
    pub fn after(mut self, side_by_side: Self) -> Self {
        if self.largest_micro_batch == Some(0) {
            return side_by_side;
        }
        self.one_after_another = true;
        self.fits = side_by_side.fits;
        self.set.push(child::side_by_side(1));
        self
    }
}

/// What keeps micro-batches from being larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// More samples would not fit, or were seen not to.
    Memory,
    /// They already are the whole effective batch.
    EffectiveBatch,
    /// The micro-batches computed side by side share the effective batch.
    ParallelMicroBatches,
}

/// A size of micro-batches, and what became of measuring it.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Size {
    /// It went well.
    Measured {
        #[serde(flatten)]
        measured: Measured,
        peak_bytes: u64,
        plan_peak_bytes: u64,
        plan_error: f64,
    },
    /// The process that was to measure it ran out of memory or died.
    Failed {
        micro_batch: usize,
        plan_peak_bytes: u64,
        seen: String,
    },
    /// By plan it needs more than the device has.
    NotTried {
        micro_batch: usize,
        plan_peak_bytes: u64,
        device_bytes: u64,
    },
}
