//! `aoa plan`: what a run would take, and whether it fits.

use std::process::ExitCode;

use config_schema::{Config, Device, PrecisionMode};
use gpu_probe::CudaDevice;
use serde::Serialize;
use trainer::host::Data;
use trainer::memory::{Capacity, budget as budget_of};
use trainer::plan::{
    PartBytes, Plan, PlannedPhase, PlannedStart, Saving, SegmentChoice, WorstCase, choose_segment,
    least, plan, planned_start, savings, with_segment,
};
use trainer::require_possible;

use crate::args::PlanArgs;
use crate::budget;
use crate::commands::host::{HostAnswer, Room};
use crate::failure::{DOES_NOT_FIT, Failure};
use crate::figures::{self, gibibytes, size};
use crate::output;
use crate::wiring::Wiring;

/// What a program reads.
#[derive(Serialize)]
struct Answer {
    preset: String,
    device: String,
    /// The GPU that `device` is.
    card: Option<CudaDevice>,
    /// Why this preset and this device.
    reason: String,
    #[serde(flatten)]
    plan: Plan,
    precision: PrecisionMode,
    /// What training begins with, where that is not as configured.
    begins: Option<PlannedStart>,
    /// Where the peak is above the budget: the peak of one sample at a time. Training is refused where that is above it, too.
    least_bytes: Option<u64>,
    /// Where `checkpoint_segment` is left to the budget.
    segments: Option<SegmentChoice>,
    budget_bytes: Option<u64>,
    budget_origin: String,
    /// Whether both fit: training into the device, and data into the host, or into what training leaves on the CPU.
    fits: Option<bool>,
    host: HostAnswer,
    savings: Vec<Saving>,
}

pub fn run<W: Wiring>(args: &PlanArgs) -> Result<ExitCode, Failure> {
    let settings = args.config.settings::<W>()?.planned()?;
    budget::check_plan(&settings)?;
    for warning in settings.warnings() {
        output::note(format!("warning: {warning}"));
    }
    let config = &settings.resolved.config;
    let device = match settings.device {
        // The plan is for a card that is not here.
        Device::Cpu if config.preset.min_device_memory.bytes().is_some() => Device::Cuda(0),
        device => device,
    };
    require_possible(config, device)?;
    let data = Data::open::<W::Model>(config, W::open_dataset)?;
    let worst = WorstCase::of(&data.encoder, data.dataset.train.samples());
    let (memory, whose) = settings.planned_memory();
    let budget_bytes = budget_of(config, memory);
    let segments = match budget_bytes {
        Some(budget) => choose_segment::<W::Model>(config, &worst, budget)?,
        None => None,
    };
    let config = &match &segments {
        Some(choice) => with_segment(config, choice.checkpoint_segment),
        None => config.clone(),
    };
    let planned = plan::<W::Model>(config, &worst)?;
    let savings = savings::<W::Model>(config, &worst, &planned)?;
    let budget_origin = origin(config, memory, &whose);
    let room = Room::of(&settings, config, memory);
    let least_bytes = match budget_bytes {
        Some(budget) if planned.peak_bytes > budget => Some(least::<W::Model>(config, &worst)?),
        _ => None,
    };
    // Micro-batches shrink where they have to; what data takes does not.
    let training = least_bytes.filter(|least| budget_bytes.is_some_and(|budget| *least <= budget));
    let host = HostAnswer::of(config, &data, &room, training.unwrap_or(planned.peak_bytes));
    // On the CPU data and training share the budget.
    let beside = if settings.device == Device::Cpu {
        host.plan.total_bytes
    } else {
        0
    };
    let begins = match budget_bytes {
        Some(budget) => planned_start::<W::Model>(config, &worst, budget, beside)?,
        None => None,
    };
    let fits = budget_bytes.map(|budget| planned.peak_bytes <= budget && host.fits != Some(false));
    let answer = Answer {
        preset: settings.resolved.preset.clone(),
        device: settings.device.to_string(),
        card: settings.card.clone(),
        reason: settings.reason.clone(),
        plan: planned,
        precision: config.precision.mode,
        begins,
        least_bytes,
        segments,
        budget_bytes,
        budget_origin,
        fits,
        host,
        savings,
    };
    if args.json {
        output::json(&answer);
    } else {
        show(&answer);
    }
    Ok(match fits {
        Some(false) => ExitCode::from(DOES_NOT_FIT),
        _ => ExitCode::SUCCESS,
    })
}

/// Where the budget comes from.
pub(super) fn origin(config: &Config, memory: Option<Capacity>, whose: &str) -> String {
    if config.hardware.memory_budget.bytes().is_some() {
        return "`hardware.memory_budget`".to_owned();
    }
    let part = config.memory_optimization.max_memory_usage;
    if let Some(Capacity { total, free }) = memory
        && budget_of(config, memory) == Some(free)
        && free < total
    {
        let [free, total] = [free, total].map(gibibytes);
        return format!("the {free} that are free of the {total} of {whose}");
    }
    let memory = memory.map_or_else(|| "memory".to_owned(), |memory| size(memory.total));
    format!("{part} of the {memory} of {whose}")
}

fn show(answer: &Answer) {
    let plan = &answer.plan;
    output::line(format!(
        "preset {}, micro-batch {}, evaluation batch {}, products in {}",
        answer.preset,
        plan.micro_batch,
        plan.evaluation_batch,
        answer.precision.name()
    ));
    if let Some(choice) = &answer.segments {
        output::line(figures::segments(choice));
    }
    row("parameters and constants", plan.parameter_bytes);
    parts(&plan.parameters);
    row("gradients", plan.gradient_bytes);
    row("gradients added up so far", plan.accumulated_bytes);
    row("optimizer state", plan.optimizer_bytes);
    if plan.average_bytes > 0 {
        row("moving average of weights", plan.average_bytes);
    }
    if plan.thread_buffer_bytes > 0 {
        row("buffers of threads", plan.thread_buffer_bytes);
    }
    row(
        "activations of one sample",
        plan.activation_bytes_per_sample,
    );
    parts(&plan.activations);
    row("workspace at the peak", plan.workspace_bytes);
    output::line("peak of each phase");
    for phase in &plan.phases {
        let worst = if phase.phase == plan.worst_phase {
            "  <- the most"
        } else {
            ""
        };
        let name = format!("  {} ({})", name(phase.phase), phase.at);
        output::line(format!("{name:<60} {:>10}{worst}", size(phase.bytes)));
    }
    for saving in &answer.savings {
        output::line(format!(
            "{:<60} {:>10} less",
            saving.set,
            size(saving.saved_bytes)
        ));
    }
    let fits = answer.budget_bytes.map(|budget| plan.peak_bytes <= budget);
    let verdict = match (answer.budget_bytes, fits) {
        (Some(budget), Some(true)) => format!("fits into {}", size(budget)),
        (Some(budget), _) => format!("does not fit into {}", size(budget)),
        (None, _) => "no budget to compare with".to_owned(),
    };
    output::line(format!(
        "peak {}: {verdict} ({})",
        size(plan.peak_bytes),
        answer.budget_origin
    ));
    match (&answer.begins, answer.least_bytes.zip(answer.budget_bytes)) {
        (Some(begins), _) => output::line(figures::begins(begins)),
        (None, Some((least, budget))) if least > budget => output::line(format!(
            "`aoa train` refuses it: one sample at a time takes {}",
            size(least)
        )),
        (None, _) => {}
    }
    answer.host.show();
}

/// Bytes by part, numbered ones of a kind together, the largest first.
fn parts(parts: &[PartBytes]) {
    let mut kinds: Vec<(&str, usize, u64)> = Vec::new();
    for PartBytes { part, bytes } in parts {
        let kind = match part.rsplit_once('.') {
            Some((kind, number)) if number.parse::<usize>().is_ok() => kind,
            _ => part,
        };
        match kinds.iter_mut().find(|(known, ..)| *known == kind) {
            Some((_, count, sum)) => {
                *count += 1;
                *sum += bytes;
            }
            None => kinds.push((kind, 1, *bytes)),
        }
    }
    kinds.sort_by_key(|(_, _, bytes)| std::cmp::Reverse(*bytes));
    for (kind, count, bytes) in kinds {
        let times = if count > 1 {
            format!(" ({count})")
        } else {
            String::new()
        };
        row(&format!("  {kind}{times}"), bytes);
    }
}

fn row(name: &str, bytes: u64) {
    output::line(format!("{name:<60} {:>10}", size(bytes)));
}

fn name(phase: PlannedPhase) -> &'static str {
    match phase {
        PlannedPhase::Forward => "forward pass",
        PlannedPhase::Backward => "backward pass",
        PlannedPhase::Update => "update",
        PlannedPhase::Evaluation => "evaluation",
    }
}
