//! `aoa data import`: official files of data sets to the folder format.

use config_schema::count;
use data_import::{Progress, Report, Request};

use crate::args::ImportArgs;
use crate::bar::LineBar;
use crate::failure::Failure;
use crate::output;

/// Bytes that the bar counts as one.
const MEGABYTE: u64 = 1_000_000;

pub fn run(args: &ImportArgs) -> Result<(), Failure> {
    let line = LineBar::new("MB read");
    let report = data_import::import(&Request::from(args), &|Progress { done, total }| {
        line.bar.set_length((total / MEGABYTE).max(1));
        line.bar.set_position(done / MEGABYTE);
    });
    line.bar.finish_and_clear();
    let report = report?;
    if args.json {
        output::json(&report);
        return Ok(());
    }
    for text in lines(&report) {
        output::line(text);
    }
    for note in &report.notes {
        output::note(format!("note: {note}"));
    }
    let folder = report.folder.display();
    output::note(format!(
        "train on it with --dataset folder --data-root {folder}; `aoa data check` with the same options reads every image"
    ));
    Ok(())
}

/// What was recognised, and what each split has.
fn lines(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for set in &report.data_sets {
        let parts: Vec<_> = set.parts.iter().map(|part| part.name.as_str()).collect();
        lines.push(format!("recognised {}: {}", set.format, parts.join(", ")));
    }
    for split in &report.splits {
        let parts = split
            .parts
            .iter()
            .map(|(part, questions)| format!("{part} {questions}"));
        lines.push(format!(
            "{}: {} about {} ({})",
            split.split,
            count(split.questions, "question"),
            count(split.images, "image"),
            parts.collect::<Vec<_>>().join(", ")
        ));
    }
    for folder in &report.images {
        let missing = match folder.missing {
            0 => String::new(),
            missing => format!(", {missing} of them missing"),
        };
        lines.push(format!(
            "images {}: {} in {}{missing}",
            folder.name,
            folder.images,
            folder.path.display()
        ));
    }
    lines
}
