//! The answer for a person.

use super::answer::{Answer, Limit, Size};
use crate::figures::segments;
use crate::figures::size as bytes;
use crate::output;

pub fn show(answer: &Answer) {
    output::line(format!(
        "preset {} on {}, effective batch {}, configured micro-batch {}",
        answer.preset, answer.device, answer.effective_batch, answer.micro_batch
    ));
    if let Some(choice) = &answer.segments {
        output::line(segments(choice));
    }
    output::line("micro-batch       peak    by plan  the plan is");
    for size in &answer.sizes {
        row(size);
    }
    if let (Some(phase), Some(fixed), Some(each)) = (
        &answer.worst_phase,
        answer.static_bytes,
        answer.sample_bytes,
    ) {
        output::line(format!(
            "worst phase {phase}: {} plus {} per sample",
            bytes(fixed),
            bytes(each)
        ));
    }
    if let Some(peak) = answer.measured_peak_bytes {
        let how = if answer.extrapolated {
            "estimated from the other sizes, not measured"
        } else {
            "measured"
        };
        let error = answer.plan_error.map_or_else(String::new, |error| {
            format!("; the plan is {}", percent(error))
        });
        output::line(format!(
            "micro-batch {}: {}, {how}{error}",
            answer.micro_batch,
            bytes(peak)
        ));
    }
    if let (Some(steps), Some(batches), Some(program), Some(needed)) = (
        answer.measured_peak_bytes,
        answer.batch_bytes,
        answer.program_bytes,
        answer.needed_bytes,
    ) {
        output::line(format!(
            "steps {} + batches {} + program {} = {}",
            bytes(steps),
            bytes(batches),
            bytes(program),
            bytes(needed)
        ));
    }
    verdict(answer);
}

fn row(size: &Size) {
    match size {
        Size::Measured {
            measured,
            peak_bytes,
            plan_peak_bytes,
            plan_error,
        } => output::line(format!(
            "{:>11} {:>10} {:>10}  {}",
            measured.micro_batch,
            bytes(*peak_bytes),
            bytes(*plan_peak_bytes),
            percent(*plan_error)
        )),
        Size::Failed {
            micro_batch,
            plan_peak_bytes,
            seen,
        } => output::line(format!(
            "{micro_batch:>11} {:>10} {:>10}  does not fit: {seen}",
            "",
            bytes(*plan_peak_bytes)
        )),
        Size::NotTried {
            micro_batch,
            plan_peak_bytes,
            device_bytes,
        } => output::line(format!(
            "{micro_batch:>11} {:>10} {:>10}  not tried: the device has {}",
            "",
            bytes(*plan_peak_bytes),
            bytes(*device_bytes)
        )),
    }
}

fn verdict(answer: &Answer) {
    let Some(budget) = answer.budget_bytes else {
        output::line("no budget to compare with");
        return;
    };
    let verdict = match answer.fits {
        _ if answer.one_after_another => "as configured does not fit into",
        Some(true) => "fits into",
        _ if answer.extrapolated => "could not be measured, and so counts as too large for",
        _ => "does not fit into",
    };
    output::line(format!(
        "micro-batch {} {verdict} {} ({})",
        answer.micro_batch,
        bytes(budget),
        answer.budget_origin
    ));
    match answer.largest_micro_batch {
        Some(0) | None => output::line(
            "not even a micro-batch of one sample fits; `aoa plan` says what would need less, and how much",
        ),
        Some(largest) => {
            if answer.one_after_another {
                output::line(
                    "micro-batches do not fit side by side, and training computes them one after another; \
                     `hardware.parallel_micro_batches=1` does so from the start",
                );
            }
            let limit = match answer.limit {
                Some(Limit::EffectiveBatch) => ", the whole effective batch",
                Some(Limit::ParallelMicroBatches) => {
                    "; the effective batch is shared by `hardware.parallel_micro_batches`"
                }
                Some(Limit::Memory) | None => "",
            };
            output::line(format!(
                "the largest micro-batch that fits has {largest}{limit}"
            ));
            let sets: Vec<_> = answer
                .set
                .iter()
                .map(|set| format!("--set {set}"))
                .collect();
            output::line(sets.join(" "));
        }
    }
}

/// How far a plan is from what was measured.
fn percent(error: f64) -> String {
    let side = if error < 0.0 { "under" } else { "over" };
    format!("{:.1} % {side}", 100.0 * error.abs())
}
