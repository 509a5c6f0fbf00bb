//! The same training in micro-batches of other sizes: how far apart the losses are, and what is used of a memory budget.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::small_model::{Moments, Program, temporary_folder};
use crate::steps::{Failure, Outcome};

/// Stated sizes, and budgets in MiB from just above what the model takes at rest to more than the whole effective batch
/// takes. 29 MiB give micro-batches of 10, 10, 10 and 2 samples.
const SLICINGS: [Slicing; 9] = [
    Slicing::Stated([32, 1]),
    Slicing::Stated([16, 2]),
    Slicing::Stated([4, 8]),
    Slicing::Budget(20),
    Slicing::Budget(24),
    Slicing::Budget(29),
    Slicing::Budget(40),
    Slicing::Budget(400),
    Slicing::Killed(29),
];
/// Kills of the run that is killed.
const KILLS: usize = 5;

#[derive(Debug, Args)]
pub struct Slicings {
    /// Steps of each run
    #[arg(long, default_value_t = 200)]
    steps: usize,
    /// Learning rate of both branches; a higher one enlarges what rounding makes of micro-batches of another size
    #[arg(long, default_value_t = 5e-5)]
    lr: f64,
    /// A program that is built already [default: build it]
    #[arg(long, value_name = "FILE")]
    aoa: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy)]
enum Slicing {
    /// Samples of a micro-batch, and micro-batches of a step.
    Stated([usize; 2]),
    /// Whatever fits so many MiB.
    Budget(u64),
    /// A budget in MiB for a run that is killed and resumed five times.
    Killed(u64),
}

impl fmt::Display for Slicing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stated([samples, count]) => write!(f, "{count} x {samples}"),
            Self::Budget(budget) => write!(f, "{budget} MiB"),
            Self::Killed(budget) => write!(f, "{budget} MiB, killed {KILLS} times"),
        }
    }
}

/// What is read of a line of `memory.jsonl`.
#[derive(Debug, Deserialize)]
struct Memory {
    peak_bytes: u64,
    micro_batch: usize,
}

/// What is read of a line of `metrics.jsonl`.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Metric {
    Step {
        loss: f64,
    },
    #[serde(other)]
    Other,
}

/// A run that ended.
#[derive(Debug)]
struct Run {
    memory: Vec<Memory>,
    losses: Vec<f64>,
}

/// Trains in every slicing and prints a table.
pub fn run(slicings: &Slicings) -> Outcome {
    let program = Program::find(slicings.aoa.as_deref())?;
    let folder = temporary_folder("aoa-slicings");
    let runs: Result<Vec<_>, _> = SLICINGS
        .iter()
        .enumerate()
        .map(|(index, slicing)| {
            eprintln!("{} steps: {slicing}", slicings.steps);
            slicings.train(&program, *slicing, &folder.join(index.to_string()))
        })
        .collect();
    let runs = runs?;
    let _ = fs::remove_dir_all(&folder);
    print(&runs);
    Ok(())
}

impl Slicings {
    fn train(&self, program: &Program, slicing: Slicing, run_dir: &Path) -> Result<Run, Failure> {
        let (steps, lr) = (self.steps, self.lr);
        let mut sets = vec![
            "dataset.shapes_train_images=2000".to_owned(),
            format!("training.max_steps={steps}"),
            format!("training.lr={lr:e}"),
            format!("training.xvlm_lr={lr:e}"),
            "checkpoint.every_steps=2".to_owned(),
            "logging.every_steps=1".to_owned(),
        ];
        let mut arguments = Vec::new();
        match slicing {
            Slicing::Stated([samples, count]) => sets.extend([
                "memory_optimization.dynamic_batch_size=false".to_owned(),
                format!("training.batch_size={samples}"),
                format!("training.update_freq={count}"),
                format!("memory_optimization.gradient_accumulation_steps={count}"),
            ]),
            Slicing::Budget(budget) | Slicing::Killed(budget) => {
                arguments.extend(["--memory-budget".to_owned(), format!("{budget}MiB")]);
            }
        }
        if let Slicing::Killed(_) = slicing {
            self.kill(program, run_dir, &sets, &arguments)?;
        }
        let ended = program.train(run_dir, &sets, &arguments).status();
        let ended = ended.map_err(|error| Failure::because(error.to_string()))?;
        if !ended.success() {
            return Err(Failure::because(format!(
                "the run `{slicing}` ended with {ended}"
            )));
        }
        let metrics: Vec<Metric> = lines(&run_dir.join("metrics.jsonl"))?;
        let losses = metrics.into_iter().filter_map(|metric| match metric {
            Metric::Step { loss } => Some(loss),
            Metric::Other => None,
        });
        Ok(Run {
            memory: lines(&run_dir.join("memory.jsonl"))?,
            losses: losses.collect(),
        })
    }

    /// Starts a run and kills it so many times, spread over its steps.
    fn kill(
        &self,
        program: &Program,
        run_dir: &Path,
        sets: &[String],
        arguments: &[String],
    ) -> Result<(), Failure> {
        let mut moments = Moments(1);
        for kill in 1..=KILLS {
            let mut child = program
                .train(run_dir, sets, arguments)
                .spawn()
                .map_err(|error| Failure::because(error.to_string()))?;
            let part = self.steps / (KILLS + 1);
            let steps = part * kill + (moments.next() * part as f64 / 2.0) as usize;
            while steps_of(run_dir) < steps {
                if let Ok(Some(status)) = child.try_wait() {
                    return Err(Failure::because(format!("a process ended with {status}")));
                }
                thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        Ok(())
    }
}

/// Steps that a run has logged so far.
fn steps_of(run_dir: &Path) -> usize {
    let text = fs::read_to_string(run_dir.join("metrics.jsonl")).unwrap_or_default();
    text.matches(r#""event":"step""#).count()
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Failure> {
    let unreadable = |error: String| Failure::because(format!("{}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let values = text.lines().map(serde_json::from_str);
    let values: Result<_, _> = values.collect();
    values.map_err(|error| unreadable(error.to_string()))
}

fn print(runs: &[Run]) {
    println!(
        "| micro-batches or budget | sizes | peak | of the budget | steps | last loss | losses differ by, relative |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    let Some(first) = runs.first() else {
        return;
    };
    for (run, slicing) in runs.iter().zip(SLICINGS) {
        let peak = run.memory.iter().map(|one| one.peak_bytes).max();
        let peak = peak.unwrap_or_default() as f64 / f64::from(1 << 20);
        let used = match slicing {
            Slicing::Stated(_) => String::new(),
            Slicing::Budget(budget) | Slicing::Killed(budget) => {
                format!("{:.2}", peak / budget as f64)
            }
        };
        let sizes = || run.memory.iter().map(|one| one.micro_batch);
        let pairs = run.losses.iter().zip(&first.losses);
        let apart = pairs.map(|(own, other)| ((own - other) / other).abs());
        println!(
            "| {slicing} | {} to {} | {peak:.1} MiB | {used} | {} | {:.4} | {:.1e} |",
            sizes().min().unwrap_or_default(),
            sizes().max().unwrap_or_default(),
            run.losses.len(),
            run.losses.last().copied().unwrap_or(f64::NAN),
            apart.fold(0.0, f64::max),
        );
    }
}
