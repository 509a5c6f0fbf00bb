//! Shows a run while it goes on.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use trainer::memory::Bytes;
use trainer::plan::SegmentChoice;
use trainer::{Event, Observer, Pretrained, Purpose, Summary};

use crate::output;

/// The observer for how the program is used: JSON lines, a progress bar, or plain lines without a terminal.
pub fn observer(json: bool) -> Box<dyn Observer> {
    if json {
        Box::new(JsonLines)
    } else if std::io::stderr().is_terminal() {
        Box::new(Bar::new())
    } else {
        Box::new(PlainLines::default())
    }
}

struct JsonLines;

impl Observer for JsonLines {
    fn observe(&mut self, event: &Event) {
        output::json(event);
    }

    fn tick(&mut self, _step: usize) {}
}

#[derive(Default)]
struct PlainLines {
    position: Position,
}

impl Observer for PlainLines {
    fn observe(&mut self, event: &Event) {
        if let Some(line) = self.position.describe(event) {
            output::note(line);
        }
    }

    fn tick(&mut self, _step: usize) {}
}

struct Bar {
    bar: ProgressBar,
    files: Files,
    position: Position,
}

/// A bar for the files of a data set while they are looked at; nothing without a terminal.
pub struct Files(ProgressBar);

impl Files {
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style =
            ProgressStyle::with_template("{bar:30} {pos}/{len} files looked at  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    /// So many were looked at, of so many.
    pub fn show(&mut self, done: usize, of: usize) {
        if done == of {
            self.0.finish_and_clear();
            return;
        }
        self.0.set_length(of as u64);
        self.0.set_position(done as u64);
    }
}

/// Steps before the time left is estimated: the first ones are slower than the rest.
const WARM_UP_STEPS: usize = 3;

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let template = "{bar:30} {pos}/{len} steps  {msg}  {eta} left";
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Self {
            bar,
            files: Files::new(),
            position: Position::default(),
        }
    }
}

impl Observer for Bar {
    fn checking(&mut self, done: usize, of: usize) {
        self.files.show(done, of);
    }

    fn observe(&mut self, event: &Event) {
        let line = self.position.describe(event);
        match event {
            Event::Start {
                total_steps, step, ..
            } => {
                self.bar.set_length(*total_steps as u64);
                self.bar.set_position(*step as u64);
                self.bar.reset_eta();
            }
            Event::QuestionOnly { total_steps } => {
                self.bar.set_length(*total_steps as u64);
                self.bar.set_position(0);
                self.bar.reset_eta();
            }
            Event::Step { .. } => {
                self.bar.set_message(figures(event));
                return;
            }
            Event::Summary(_) => self.bar.finish_and_clear(),
            _ => {}
        }
        if let Some(line) = line {
            self.bar.suspend(|| output::note(line));
        }
    }

    fn tick(&mut self, step: usize) {
        self.bar.set_position(step as u64);
        if step - self.position.first_step == WARM_UP_STEPS {
            self.bar.reset_eta();
        }
    }
}

/// What is needed to put an event into words.
#[derive(Default)]
struct Position {
    total_steps: usize,
    first_step: usize,
    effective_batch: usize,
}

impl Position {
    fn describe(&mut self, event: &Event) -> Option<String> {
        Some(match event {
            Event::Start {
                run_dir,
                device,
                dataset,
                samples: [train, validation, test],
                vocabulary,
                answers,
                parameters,
                effective_batch,
                micro_batch,
                budget_bytes,
                total_steps,
                step,
            } => {
                *self = Self {
                    total_steps: *total_steps,
                    first_step: *step,
                    effective_batch: *effective_batch,
                };
                let from = if *step == 0 {
                    String::new()
                } else {
                    format!(", going on after step {step}")
                };
                let budget = budget_bytes
                    .map(|bytes| format!("; memory budget {}", Bytes(bytes)))
                    .unwrap_or_default();
                format!(
                    "{dataset}: {train} training, {validation} validation and {test} test samples; {vocabulary} words, \
                     {answers} answers\n{parameters} parameters on {device}; effective batch {effective_batch} in \
                     micro-batches of {micro_batch}{budget}; {total_steps} steps{from}\nrun directory {}",
                    run_dir.display()
                )
            }
            Event::Data(report) => report.lines().join("\n"),
            Event::Segments(choice) => segments(choice),
            Event::Pretrained(pretrained) => weights_taken(pretrained),
            Event::Warning { message } => format!("warning: {message}"),
            Event::Step { step, .. } => {
                let left = self
                    .time_left(event)
                    .map(|left| format!("  {left} left"))
                    .unwrap_or_default();
                format!("step {step}/{}  {}{left}", self.total_steps, figures(event))
            }
            Event::Evaluation {
                step,
                split,
                accuracy,
                branches,
                samples,
            } => {
                let alone = each_branch(branches, |name, accuracy| {
                    format!(", {name} alone {accuracy}")
                });
                format!(
                    "step {step}: {split} accuracy {}{alone} on {samples} samples",
                    percent(*accuracy)
                )
            }
            Event::MicroBatch {
                step,
                purpose,
                from,
                to,
                cause,
                ..
            } => {
                let purpose = match purpose {
                    Purpose::Training => "micro-batch",
                    Purpose::Evaluation => "micro-batch in evaluation",
                };
                let change = if from == to {
                    "one at a time".to_owned()
                } else {
                    format!("{from} to {to}")
                };
                format!("step {step}: {purpose} {change}: {cause}")
            }
            Event::WentBack { from, to, cause } => {
                format!("step {from}: the update was lost, going on after step {to}: {cause}")
            }
            Event::Checkpoint { .. } => return None,
            Event::QuestionOnly { total_steps } => {
                self.total_steps = *total_steps;
                self.first_step = 0;
                format!("question-only baseline: {total_steps} steps with the image zeroed")
            }
            Event::Finished => "the run is finished already: nothing is trained again".to_owned(),
            Event::Summary(summary) => describe_summary(summary),
        })
    }

    fn time_left(&self, event: &Event) -> Option<String> {
        let Event::Step {
            step,
            samples_per_second,
            ..
        } = event
        else {
            return None;
        };
        let samples = (self.total_steps - step) * self.effective_batch;
        let seconds = samples as f64 / samples_per_second;
        (*samples_per_second > 0.0).then(|| duration(seconds))
    }
}

/// What was chosen of `checkpoint_segment`, in words.
pub fn segments(choice: &SegmentChoice) -> String {
    format!(
        "checkpoint_segment {}: a peak of {} is planned, and the budget is {}",
        choice.checkpoint_segment,
        Bytes(choice.planned_bytes),
        Bytes(choice.budget_bytes)
    )
}

/// What became of published weights.
pub fn weights_taken(Pretrained { path, report }: &Pretrained) -> String {
    format!("weights of {}: {report}", path.display())
}

/// Loss, speed and memory of a step.
fn figures(event: &Event) -> String {
    let Event::Step {
        epoch,
        loss,
        lr,
        samples_per_second,
        memory_bytes,
        ..
    } = event
    else {
        return String::new();
    };
    let memory = memory_bytes
        .map(|bytes| format!("  {}", Bytes(bytes)))
        .unwrap_or_default();
    format!(
        "epoch {}  loss {loss:.4}  lr {lr:.1e}  {samples_per_second:.0} samples/s{memory}",
        epoch + 1
    )
}

fn describe_summary(summary: &Summary) -> String {
    let shown = |accuracy: Option<f64>| accuracy.map_or_else(|| "not measured".to_owned(), percent);
    let unmeasured = summary.question_only_unmeasured.as_ref();
    let because = unmeasured.map_or_else(String::new, |cause| format!(": {cause}"));
    let steps = format!(
        "{}/{} steps in {}",
        summary.steps,
        summary.total_steps,
        duration(summary.train_seconds)
    );
    if summary.test_accuracy.is_none() {
        let run_dir = summary.run_dir.display();
        return format!("{steps}\nstopped; go on with `aoa train --resume {run_dir}`");
    }
    let alone = each_branch(&summary.branch_accuracy, |name, accuracy| {
        format!("\n  {accuracy}  of the {name} branch alone")
    });
    format!(
        "{steps}\ntest accuracy  {}{alone}\n  {}  with the question only{because}\n  {}  by always answering \"{}\"",
        shown(summary.test_accuracy),
        shown(summary.question_only_accuracy),
        percent(summary.majority_accuracy),
        summary.majority_answer,
    )
}

/// A phrase for each branch and its accuracy; nothing where a model has one branch only.
fn each_branch(
    branches: &BTreeMap<impl AsRef<str>, f64>,
    phrase: impl Fn(&str, String) -> String,
) -> String {
    let phrases: Vec<_> = branches
        .iter()
        .map(|(name, accuracy)| phrase(name.as_ref(), percent(*accuracy)))
        .collect();
    phrases.concat()
}

/// A share as a percentage.
pub fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    // What is printed as zero has no sign.
    let percent = if percent.abs() < 0.005 { 0.0 } else { percent };
    format!("{percent:.2} %")
}

/// Bytes in GiB.
pub fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

fn duration(seconds: f64) -> String {
    indicatif::HumanDuration(std::time::Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_has_no_sign() {
        for share in [-0.0, 0.0, -1e-9, -0.000_049, 1e-9] {
            assert_eq!(percent(share), "0.00 %", "{share}");
        }
        assert_eq!(percent(-0.0001), "-0.01 %");
        assert_eq!(percent(0.5), "50.00 %");
    }
}
