//! `aoa fit`: what real steps take, and the largest micro-batch that fits.

mod child;
mod search;
mod show;

use std::process::ExitCode;

use serde::Serialize;
use trainer::fit::Measured;
use trainer::host::{Data, HostPlan};
use trainer::memory::budget as budget_of;
use trainer::plan::{SegmentChoice, WorstCase, choose_segment, with_segment};

use self::search::Search;
use crate::args::FitArgs;
use crate::budget;
use crate::commands::host;
use crate::failure::{DOES_NOT_FIT, Failure};
use crate::output;
use crate::wiring::Wiring;

/// What a program reads.
#[derive(Debug, Serialize)]
struct Answer {
    preset: String,
    device: String,
    effective_batch: usize,
    /// Samples of a micro-batch as configured.
    micro_batch: usize,
    /// What steps with them take, beside the program itself.
    measured_peak_bytes: Option<u64>,
    /// Whether that follows from other sizes, since this one could not be measured.
    extrapolated: bool,
    /// What the program itself takes of the device, its data set included; the budget binds it, too.
    program_bytes: Option<u64>,
    /// What batches on their way to the model take of the device.
    batch_bytes: Option<u64>,
    /// Steps, batches and program together: what the budget is compared with.
    needed_bytes: Option<u64>,
    budget_bytes: Option<u64>,
    budget_origin: String,
    fits: Option<bool>,
    /// 0 where not even one sample fits.
    largest_micro_batch: Option<usize>,
    /// Why a larger one is not given.
    limit: Option<Limit>,
    /// Assignments for the largest micro-batch that fits and divides the effective batch.
    set: Vec<String>,
    /// Where `checkpoint_segment` is left to the budget: what was measured.
    segments: Option<SegmentChoice>,
    /// The phase that takes most with the configured size, what that is whatever the size, and what each sample adds.
    worst_phase: Option<String>,
    static_bytes: Option<u64>,
    sample_bytes: Option<u64>,
    plan_peak_bytes: u64,
    /// What the run keeps in host memory, by plan.
    host: Option<HostPlan>,
    /// How far the plan is from the measurement, as a part of that; below zero where it is under.
    plan_error: Option<f64>,
    /// All sizes that were looked at, in this order.
    sizes: Vec<Size>,
}

/// What keeps micro-batches from being larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Limit {
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
enum Size {
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

pub fn run<W: Wiring>(args: &FitArgs) -> Result<ExitCode, Failure> {
    let mut settings = args.config.settings::<W>()?.ready()?;
    budget::check(&settings)?;
    let config = &settings.resolved.config;
    let data = Data::open::<W::Model>(config, W::open_dataset)?;
    let worst = WorstCase::of(&data.encoder, data.dataset.train.samples());
    if let Some(micro_batch) = args.measure {
        child::measure::<W>(&settings, data, &worst, micro_batch)?;
        return Ok(ExitCode::SUCCESS);
    }
    for warning in settings.warnings() {
        output::note(format!("warning: {warning}"));
    }
    let host = host::checked::<W::Model>(&settings, config, &data)?;
    let (memory, _) = settings.planned_memory();
    let segments = match budget_of(config, memory) {
        Some(budget) => choose_segment::<W::Model>(config, &worst, budget)?,
        None => None,
    };
    if let Some(choice) = &segments {
        settings.resolved.config = with_segment(config, choice.checkpoint_segment);
    }
    let search = Search::new(args, &settings, &worst);
    let mut answer = search.run::<W>(segments)?;
    answer.host = Some(host);
    if args.json {
        output::json(&answer);
    } else {
        show::show(&answer);
    }
    Ok(match answer.largest_micro_batch {
        Some(0) => ExitCode::from(DOES_NOT_FIT),
        _ => ExitCode::SUCCESS,
    })
}
