//! Plans of memory beside the memory that real steps take, one process a configuration.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde::Deserialize;

use super::peer::benchmark;
use crate::steps::{Failure, Outcome};

/// A preset, samples of a micro-batch, and what else is set on top.
type Configuration = (&'static str, usize, Vec<&'static str>);

/// Of all of them: as few samples as two micro-batches have, and no more images than those.
const ALL: [&str; 6] = [
    "dataset.shapes_train_images=64",
    "dataset.shapes_validation_images=4",
    "dataset.shapes_test_images=4",
    "data_loading.image_group_size=1",
    "training.update_freq=2",
    // Side by side they need not be at their most at the same time, so what is measured is chance.
    "hardware.parallel_micro_batches=1",
];

/// A small X-VLM behind images of a quarter of the size.
const SMALL_XVLM: [&str; 6] = [
    "dataset.image_size=240",
    "xvlm.depths=[2, 2, 2]",
    "xvlm.image_heads=[4, 8, 16]",
    "xvlm.text_layers=4",
    "xvlm.fusion_layer=2",
    "xvlm.decoder_layers=2",
];

/// The fine branch alone, over the cells of a small image.
const FINE: [&str; 3] = [
    "model.branches=fine",
    "model.image_encoder=grid",
    "dataset.image_size=64",
];

const CFR: &str = "model.fine_form=cfr";
const FROZEN: &str = "training.tune_xvlm=false";
/// Without what the preset saves.
const WHOLE: &str = "memory_optimization.gradient_checkpointing=false";
const KEPT: &str = "memory_optimization.memory_efficient_attention=false";

/// From the small to the model at full size: preset, micro-batch, and what is set on top.
fn configurations() -> Vec<Configuration> {
    let small = |own: &[&'static str]| [&SMALL_XVLM, own].concat();
    vec![
        ("cpu", 1, Vec::new()),
        ("cpu", 4, Vec::new()),
        ("cpu", 16, Vec::new()),
        ("cpu", 8, vec!["model.num_hid=256"]),
        ("cpu", 8, vec!["model.num_hid=512", "model.dropout=0.4"]),
        ("cpu", 8, vec![FROZEN]),
        ("cpu", 8, vec![CFR]),
        ("cpu", 8, vec![CFR, "dataset.shapes_described=true"]),
        (
            "cpu",
            16,
            vec![CFR, "model.num_hid=1024", "model.aoa_layers=6"],
        ),
        ("24gb", 1, FINE.to_vec()),
        ("24gb", 8, FINE.to_vec()),
        ("24gb", 16, FINE.to_vec()),
        ("24gb", 1, small(&[])),
        ("24gb", 4, small(&[])),
        ("24gb", 8, small(&[])),
        ("24gb", 4, small(&[FROZEN])),
        ("24gb", 4, small(&[WHOLE])),
        ("24gb", 4, small(&[KEPT])),
        ("24gb", 4, small(&[WHOLE, KEPT])),
        ("24gb", 2, vec![FROZEN]),
        ("24gb", 1, Vec::new()),
        ("24gb", 2, Vec::new()),
        ("24gb", 1, vec![WHOLE, KEPT]),
    ]
}

/// What the benchmark reports, in bytes.
#[derive(Debug, Deserialize)]
struct Report {
    planned: u64,
    phase: String,
    measured: u64,
}

impl Report {
    /// How far the plan is over what was measured, in percent of that.
    fn error(&self) -> f64 {
        100.0 * (self.planned as f64 / self.measured as f64 - 1.0)
    }
}

/// Compares all configurations and writes the document.
pub fn run() -> Outcome {
    let mut rows = String::new();
    let mut errors = Vec::new();
    for (preset, micro_batch, sets) in configurations() {
        let report = report(preset, micro_batch, &sets)?;
        let sets: Vec<_> = sets.iter().map(|set| format!("`{set}`")).collect();
        let row = format!(
            "| `{preset}` | {micro_batch} | {} | {} | {:.3} | {:.3} | {:+.1} % |",
            sets.join(" "),
            report.phase,
            gibibytes(report.planned),
            gibibytes(report.measured),
            report.error(),
        );
        println!("{row}");
        rows += &row;
        rows.push('\n');
        errors.push(report.error());
    }
    let text = document(&rows, &mut errors);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/memory-plan.md");
    std::fs::create_dir_all(path.with_file_name(""))
        .and_then(|()| std::fs::write(&path, text))
        .map_err(|error| Failure::because(format!("cannot write {}: {error}", path.display())))
}

fn document(rows: &str, errors: &mut [f64]) -> String {
    errors.sort_by(f64::total_cmp);
    let mut sizes: Vec<_> = errors.iter().map(|error| error.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let median = sizes[sizes.len() / 2];
    let mut text = String::from(
        "# Plans of memory against measurement\n\n\
         Written by `cargo xtask bench memory-plan`. Each configuration is planned from its keys alone; then the \
         CPU runs two steps of two micro-batches each and evaluates a batch, while the allocator counts every byte. *Planned* and *measured* are peaks in GiB. Every sample has an image of its own.\n\n",
    );
    let _ = writeln!(
        text,
        "Over {} configurations the median error is {median:.1} %, the largest {:+.1} %, the lowest {:+.1} %.\n",
        errors.len(),
        errors[errors.len() - 1],
        errors[0],
    );
    text += "| preset | micro-batch | on top of it | worst phase | planned | measured | error |\n|---|---:|---|---|---:|---:|---:|\n";
    text += rows;
    text
}

fn gibibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

fn report(preset: &str, micro_batch: usize, sets: &[&str]) -> Result<Report, Failure> {
    let samples = format!("training.batch_size={micro_batch}");
    let arguments = [preset, &samples].into_iter().chain(ALL);
    let arguments = arguments.chain(sets.iter().copied()).map(str::to_owned);
    let output = benchmark("memory_plan", &arguments.collect::<Vec<_>>())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failure::because(format!("cannot start the benchmark: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).map_err(|error| {
        let status = output.status;
        Failure::because(format!(
            "no report of {preset} {sets:?} ({status}): {error}"
        ))
    })
}
