//! The same training under several memory budgets: what each uses of its budget, and how far apart the losses are.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::failure;
use crate::steps::{Failure, Outcome, aoa_command};

/// In MiB, from just above what the model takes at rest to more than the whole effective batch takes.
const BUDGETS: [u64; 5] = [29, 34, 42, 55, 400];

/// Both branches of `24gb`, made small enough for the CPU, without dropout, and with little of what a budget binds beside
/// the model.
const SETS: [&str; 27] = [
    "dataset.image_size=64",
    "dataset.max_question_tokens=9",
    "dataset.shapes_train_images=2000",
    "dataset.shapes_validation_images=8",
    "dataset.shapes_test_images=8",
    "model.num_hid=128",
    "model.heads=4",
    "model.word_dim=64",
    "model.dropout=0",
    "model.fusion_dropout=[0.0, 0.0]",
    "xvlm.window=4",
    "xvlm.embed_dim=16",
    "xvlm.depths=[2, 2]",
    "xvlm.image_heads=[2, 2]",
    "xvlm.text_hidden=64",
    "xvlm.text_heads=4",
    "xvlm.text_intermediate=128",
    "xvlm.text_layers=4",
    "xvlm.fusion_layer=2",
    "xvlm.decoder_layers=1",
    "xvlm.k_test=16",
    "xvlm.dropout=0",
    "xvlm.drop_path_rate=0",
    "evaluation.question_only_epochs=0",
    "logging.every_steps=1",
    "memory_optimization.num_workers=1",
    "memory_optimization.prefetch_factor=1",
];

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

/// A run under a budget.
#[derive(Debug)]
struct Run {
    memory: Vec<Memory>,
    losses: Vec<f64>,
}

/// Trains so many steps under each budget, at one learning rate, and prints a table.
pub fn run(steps: usize, learning_rate: f64) -> Outcome {
    let folder = std::env::temp_dir().join(format!("aoa-budgets-{}", std::process::id()));
    let runs: Result<Vec<_>, _> = BUDGETS
        .iter()
        .map(|budget| {
            eprintln!("{steps} steps within {budget} MiB");
            let run_dir = folder.join(budget.to_string());
            train(*budget, steps, learning_rate, &run_dir)
        })
        .collect();
    // What a run that failed has written is of no use either: its messages were shown.
    let _ = fs::remove_dir_all(&folder);
    print(&runs?);
    Ok(())
}

fn train(budget: u64, steps: usize, learning_rate: f64, run_dir: &Path) -> Result<Run, Failure> {
    let own = [
        format!("training.max_steps={steps}"),
        format!("training.lr={learning_rate:e}"),
        format!("training.xvlm_lr={learning_rate:e}"),
        format!("logging.run_dir='{}'", run_dir.display()),
    ];
    let sets = SETS.map(str::to_owned).into_iter().chain(own);
    let sets = sets.flat_map(|set| ["--set".to_owned(), set]);
    let arguments = ["train", "--preset", "24gb", "--set", "hardware.device=cpu"]
        .map(str::to_owned)
        .into_iter()
        .chain(sets)
        .chain(["--memory-budget".to_owned(), format!("{budget}MiB")]);
    let output = aoa_command("flex", arguments.map(OsString::from))
        .output()
        .map_err(|error| failure(format!("cannot start cargo: {error}")))?;
    if !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        return Err(failure(format!(
            "the run within {budget} MiB ended with {}",
            output.status
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

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Failure> {
    let unreadable = |error: String| failure(format!("{}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let values = text.lines().map(serde_json::from_str);
    let values: Result<_, _> = values.collect();
    values.map_err(|error| unreadable(error.to_string()))
}

fn print(runs: &[Run]) {
    println!(
        "| budget | peak, of the budget | micro-batches | steps | last loss | losses differ by, relative |"
    );
    println!("|---:|---:|---:|---:|---:|---:|");
    let Some(ample) = runs.last() else {
        return;
    };
    for (run, budget) in runs.iter().zip(BUDGETS) {
        let peak = run.memory.iter().map(|one| one.peak_bytes).max();
        let sizes = || run.memory.iter().map(|one| one.micro_batch);
        let pairs = run.losses.iter().zip(&ample.losses);
        let apart = pairs.map(|(own, other)| ((own - other) / other).abs());
        println!(
            "| {budget} MiB | {:.2} | {} to {} | {} | {:.4} | {:.1e} |",
            peak.unwrap_or_default() as f64 / (budget << 20) as f64,
            sizes().min().unwrap_or_default(),
            sizes().max().unwrap_or_default(),
            run.losses.len(),
            run.losses.last().copied().unwrap_or(f64::NAN),
            apart.fold(0.0, f64::max),
        );
    }
}
