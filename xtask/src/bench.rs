//! `cargo xtask bench`: speed and memory, beside eager PyTorch where there is one.

mod kills;
mod memory_plan;
mod parts;
mod peer;
mod slicings;
mod small_model;
mod training_step;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::steps::{Failure, Outcome};

use peer::Peer;

#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Time parts of the model and the optimizers
    Model(Model),
    /// Time training steps of the model at full size, and measure its peak memory
    TrainingStep(TrainingStep),
    /// Time training steps of the model at full size with and without segment checkpointing, and measure their peak memory
    Checkpointing(Checkpointing),
    /// Compare plans of memory with real steps on the CPU, up to the model at full size, and write docs/memory-plan.md
    MemoryPlan,
    /// Train a small model in micro-batches of other sizes and under memory budgets, and compare losses and memory
    Slicings(slicings::Slicings),
    /// Kill runs at random moments, go on with them, and compare their checkpoints with those of an undisturbed run
    Kills(kills::Kills),
    /// Tell what it costs to count memory on the CPU, as a part of a step
    MemoryCost,
    /// Decode and resize JPEGs, in images a second
    Decode(Decode),
    /// Load images with two workers: from files, augmented, from memory, in images a second
    Loader(Decode),
    /// Import VQA v2 at full size from files that are made up and read it as a training run does, and measure time and peak memory
    Import {
        /// Folder to leave the made-up files in [default: none]
        #[arg(long, value_name = "DIR")]
        keep: Option<String>,
    },
}

#[derive(Debug, Args)]
pub struct Model {
    #[command(flatten)]
    python: Python,
    /// Measurements of each part; ours and PyTorch's take turns
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Parts to time [default: all]
    parts: Vec<parts::Part>,
}

#[derive(Debug, Args)]
pub struct Decode {
    /// A Python that has Pillow, to compare with; no part of this project depends on it
    #[arg(long)]
    python: Option<String>,
}

#[derive(Debug, Args)]
pub struct TrainingStep {
    #[command(flatten)]
    python: Python,
    #[command(flatten)]
    steps: Steps,
}

#[derive(Debug, Args)]
pub struct Checkpointing {
    /// Layers of a segment
    #[arg(long, default_value_t = 1)]
    segment: usize,
    #[command(flatten)]
    steps: Steps,
}

#[derive(Debug, Args)]
struct Steps {
    /// Samples of a micro-batch
    #[arg(long, default_value_t = 1)]
    micro_batch: usize,
    /// Steps, the first of which warms up
    #[arg(long, default_value_t = 4)]
    steps: usize,
}

#[derive(Debug, Args)]
struct Python {
    /// A Python that has PyTorch, to compare with; no part of this project depends on it
    #[arg(long)]
    python: Option<PathBuf>,
}

pub fn run(bench: Bench) -> Outcome {
    match bench {
        Bench::Model(Model {
            python,
            rounds,
            parts,
        }) => parts::run(python.peer().as_ref(), rounds, &parts),
        Bench::TrainingStep(TrainingStep { python, steps }) => {
            training_step::run(python.peer().as_ref(), steps.micro_batch, steps.steps)
        }
        Bench::Checkpointing(Checkpointing { segment, steps }) => {
            training_step::compare_checkpointing(steps.micro_batch, steps.steps, segment)
        }
        Bench::MemoryPlan => memory_plan::run(),
        Bench::Slicings(slicings) => slicings::run(&slicings),
        Bench::Kills(kills) => kills::run(&kills),
        Bench::MemoryCost => by_itself("memory_cost", &[]),
        Bench::Import { keep } => by_itself("import", keep.as_slice()),
        Bench::Decode(Decode { python }) => by_itself("decode", python.as_slice()),
        Bench::Loader(Decode { python }) => by_itself("loader", python.as_slice()),
    }
}

/// Starts a benchmark that prints its figures itself.
fn by_itself(name: &str, args: &[String]) -> Outcome {
    let status = peer::benchmark(name, args).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::because(format!(
            "the benchmark ended with {status}"
        ))),
        Err(error) => Err(Failure::because(format!(
            "cannot start the benchmark: {error}"
        ))),
    }
}

impl Python {
    fn peer(self) -> Option<Peer> {
        Peer::find(self.python)
    }
}
