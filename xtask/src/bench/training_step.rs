//! Training steps at full size, each side in a process of its own, one after the other.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::peer::{Peer, benchmark};
use crate::steps::{Failure, Outcome};

/// What either program reports.
#[derive(Debug, Deserialize)]
struct Report {
    /// Numbers in every part of the model.
    parameters: BTreeMap<String, u64>,
    /// Of every step.
    seconds: Vec<f64>,
    /// The most memory that the process had.
    peak_bytes: u64,
    /// The most that was in use, where the program counts it; the rest is what its allocator keeps.
    #[serde(default)]
    live_bytes: Option<u64>,
}

/// Takes the steps on both sides and prints a table.
pub fn run(peer: Option<&Peer>, micro_batch: usize, steps: usize) -> Outcome {
    let args = [micro_batch, steps].map(|number| number.to_string());
    let ours = report("our benchmark", &mut benchmark("training_step", &args))?;
    let theirs = match peer {
        Some(peer) => {
            let mut script = peer.script("training_step.py", &args);
            Some(report("the peer", &mut script)?)
        }
        None => None,
    };
    let theirs = theirs.as_ref();
    print_row(
        "",
        "ours",
        &peer.map_or_else(String::new, Peer::title),
        "ratio",
    );
    for (part, count) in &ours.parameters {
        let other = theirs.and_then(|report| report.parameters.get(part));
        let other = other.map_or_else(String::new, u64::to_string);
        print_row(
            &format!("parameters, {part}"),
            &count.to_string(),
            &other,
            "",
        );
    }
    print_measures(&ours, theirs);
    match theirs {
        Some(theirs) if theirs.parameters != ours.parameters => Err(Failure::because(
            "the models differ in their parameters".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// Takes the steps with and without segment checkpointing and prints a table.
pub fn compare_checkpointing(micro_batch: usize, steps: usize, segment: usize) -> Outcome {
    let measure = |segment: usize| {
        let args = [micro_batch, steps, segment].map(|number| number.to_string());
        report("our benchmark", &mut benchmark("training_step", &args))
    };
    let (rebuilt, kept) = (measure(segment)?, measure(0)?);
    print_row("", "rebuilt", "kept", "ratio");
    print_measures(&rebuilt, Some(&kept));
    Ok(())
}

impl Report {
    /// The fastest step that is not the first.
    fn least(&self) -> f64 {
        let warm = self.seconds.get(1..).filter(|warm| !warm.is_empty());
        let seconds = warm.unwrap_or(&self.seconds);
        seconds.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

/// Prints time and memory of a report, beside those of another.
fn print_measures(report: &Report, other: Option<&Report>) {
    let in_gib = |bytes: u64| bytes as f64 / (1_u64 << 30) as f64;
    let gib = |report: &Report| in_gib(report.peak_bytes);
    let live = |report: &Report| report.live_bytes.map(in_gib);
    print_measure("step, s", Some(report.least()), other.map(Report::least));
    print_measure("peak memory, GiB", Some(gib(report)), other.map(gib));
    print_measure("of it in use, GiB", live(report), other.and_then(live));
}

fn print_measure(what: &str, ours: Option<f64>, theirs: Option<f64>) {
    let text = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
    let ratio = ours.zip(theirs).map(|(ours, theirs)| ours / theirs);
    print_row(what, &text(ours), &text(theirs), &text(ratio));
}

fn print_row(what: &str, ours: &str, theirs: &str, ratio: &str) {
    println!("{what:28} {ours:>14} {theirs:>16} {ratio:>6}");
}

/// Runs a program to its end and reads the report, its last line.
fn report(who: &str, command: &mut Command) -> Result<Report, Failure> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failure::because(format!("cannot start {who}: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).map_err(|error| {
        let status = output.status;
        Failure::because(format!("{who} gave no report ({status}): {error}"))
    })
}
