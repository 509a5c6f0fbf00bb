//! From measurements to advice: nothing but arithmetic.

use config_schema::count;
use config_schema::{Config, Decision};
use serde::{Deserialize, Serialize};

use super::measured::MeasuredRun;
use crate::derive::micro_batch;
use crate::memory::{Bytes, PLANNED_PEAK};

/// A part of the time that steps wait for samples from which more workers are worth their host memory.
const WORTH_MORE_WORKERS: f64 = 0.05;
/// Steps below which their waiting says nothing.
const FEWEST_STEPS: usize = 10;
/// What the part of the memory that is the budget is lowered by.
const LESS: f64 = 0.05;

/// What to set otherwise next time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// Values that would suit the device better, with reasons; empty where nothing would gain.
    pub changes: Vec<Decision>,
    /// What was found, a sentence each.
    pub findings: Vec<String>,
    /// What it rests on.
    pub measured: MeasuredRun,
}

/// Advises on the settings of a run from what it measured, on a machine with this many cores.
pub fn advise(settings: &Config, measured: MeasuredRun, cores: Option<usize>) -> Advice {
    let mut advice = Advice {
        changes: Vec::new(),
        findings: Vec::new(),
        measured,
    };
    match advice.measured.budget_bytes {
        Some(budget) => advice.on_memory(settings, budget),
        None => advice.found("no advice on micro-batches: the memory budget is unknown"),
    }
    advice.on_workers(settings, cores);
    advice
}

impl Advice {
    fn found(&mut self, sentence: impl Into<String>) {
        self.findings.push(sentence.into());
    }

    fn on_memory(&mut self, settings: &Config, budget: u64) {
        let measured = self.measured.clone();
        let worst = measured
            .phase_peak_bytes
            .iter()
            .max_by_key(|(_, bytes)| **bytes);
        let (Some((phase, &peak)), false) =
            (worst, measured.training.expected_peak_bytes.is_empty())
        else {
            self.found("no advice on micro-batches: none was measured");
            return;
        };
        self.found(format!(
            "the peak was {} ({phase}) of a budget of {}",
            Bytes(peak),
            Bytes(budget)
        ));
        let ran_out = measured.ran_out > 0 || measured.training.ran_out_at.is_some();
        let refused = ran_out && peak <= budget;
        let lower = refused && settings.hardware.memory_budget.bytes().is_none();
        let budget = if lower {
            self.lower_budget(settings, budget)
        } else {
            budget
        };
        self.on_micro_batch(settings, budget, ran_out, lower);
        self.on_parallel(settings);
        self.on_evaluation(settings, budget);
    }

    /// Leaves more of the memory to others, where the device had none left although the budget was not used up.
    fn lower_budget(&mut self, settings: &Config, budget: u64) -> u64 {
        let usage = settings.memory_optimization.max_memory_usage;
        let lowered = (100.0 * (usage - LESS).max(LESS).min(usage)).round() / 100.0;
        self.found("the device had no memory left although the budget was not used up");
        self.changes.push(Decision::new(
            "memory_optimization.max_memory_usage",
            lowered,
            "memory ran out below the budget, so other programs need more of it",
        ));
        (budget as f64 * lowered / usage) as u64
    }

    fn on_micro_batch(&mut self, settings: &Config, budget: u64, ran_out: bool, lowered: bool) {
        let effective = settings.effective_batch();
        let configured = settings.training.batch_size;
        let dynamic = settings.memory_optimization.dynamic_batch_size;
        let sizes = &self.measured.training;
        // A size that follows the budget may be larger than the configured one already.
        let ran = if dynamic {
            sizes.micro_batch.max(configured)
        } else {
            configured
        };
        let room = PLANNED_PEAK * budget as f64;
        let fits = |size: usize, expected: u64| {
            let kept = size <= sizes.micro_batch && !lowered;
            (kept || expected as f64 <= room) && sizes.ran_out_at.is_none_or(|most| size < most)
        };
        let largest = sizes
            .expected_peak_bytes
            .iter()
            .rfind(|(size, expected)| fits(**size, **expected));
        let (best, expected) = largest.map_or((1, None), |(size, expected)| {
            (*size, Some(Bytes(*expected)))
        });
        let expected = expected.map_or_else(String::new, |expected| {
            format!(" a peak of {expected} is expected in {}", Bytes(budget))
        });
        if best > ran {
            self.found(format!(
                "there is room for micro-batches of {}",
                count(best, "sample")
            ));
            let changes = micro_batch(best, effective, &format!("they fit:{expected}"));
            self.changes.extend(changes);
        } else if best < configured && (ran_out || dynamic || sizes.micro_batch < configured) {
            let why = if ran_out {
                "memory ran out with larger ones"
            } else {
                "the budget has no room for larger ones"
            };
            self.found(format!("{why} than {best}"));
            let changes = micro_batch(best, effective, &format!("{why};{expected}"));
            self.changes.extend(changes);
        } else if Some(&ran) == sizes.expected_peak_bytes.keys().next_back() {
            self.found(format!(
                "micro-batches of {} are as large as they can be",
                count(ran, "sample")
            ));
        } else {
            self.found(format!(
                "there is no room for more than micro-batches of {}",
                count(ran, "sample")
            ));
        }
    }

    /// Computes micro-batches one after another where those of one sample did not fit side by side.
    fn on_parallel(&mut self, settings: &Config) {
        let MeasuredRun {
            ran_out, training, ..
        } = &self.measured;
        let alone = *ran_out > 0 && training.ran_out_at.is_none() && training.micro_batch == 1;
        if alone && settings.parallel_micro_batches() > 1 {
            self.changes.push(Decision::new(
                "hardware.parallel_micro_batches",
                1,
                "memory ran out with micro-batches of one sample side by side",
            ));
        }
    }

    /// Keeps evaluation within the memory where it follows the micro-batch of training.
    fn on_evaluation(&mut self, settings: &Config, budget: u64) {
        let sizes = &self.measured.evaluation;
        let size = sizes.micro_batch;
        let key = "evaluation.batch_size";
        if sizes.ran_out_at.is_some() && size < settings.evaluation_batch_size() {
            let reason = "memory ran out in evaluation with larger ones";
            self.changes.push(Decision::new(key, size, reason));
            return;
        }
        let advised = self
            .changes
            .iter()
            .find(|one| one.key == "training.batch_size");
        let advised = advised.and_then(|one| one.value.as_u64()).unwrap_or(0) as usize;
        let expected = sizes.expected_peak_bytes.get(&advised).copied();
        let follows = settings.evaluation.batch_size == 0 && advised > size;
        if follows && expected.is_some_and(|bytes| bytes as f64 > PLANNED_PEAK * budget as f64) {
            let reason = "evaluation has no room for more";
            self.changes.push(Decision::new(key, size, reason));
        }
    }

    fn on_workers(&mut self, settings: &Config, cores: Option<usize>) {
        let MeasuredRun {
            timed_steps,
            waiting,
            ..
        } = self.measured;
        let Some(waiting) = waiting.filter(|_| timed_steps >= FEWEST_STEPS) else {
            self.found("too few steps were timed to say whether they waited for samples");
            return;
        };
        let percent = 100.0 * waiting;
        let words = format!("steps waited for samples {percent:.0} % of their time");
        if waiting < WORTH_MORE_WORKERS {
            self.found(words);
            return;
        }
        let workers = settings.memory_optimization.num_workers;
        // As many as would have kept up; no more than twice as many at once, since other things may hold them up.
        let wanted = (workers as f64 / (1.0 - waiting).max(0.5)).ceil() as usize;
        let wanted = wanted.min(cores.unwrap_or(wanted));
        if wanted > workers {
            let key = "memory_optimization.num_workers";
            self.changes.push(Decision::new(key, wanted, &words));
            self.found(words);
        } else {
            self.found(format!("{words}, and there are no cores for more workers"));
        }
    }
}
