//! Shows a run while it goes on.
//!
//! One file because every event has its words in one table.

use std::collections::BTreeMap;

use config_schema::count;
use file_kind::quoted;
use model_api::Pretrained;
use trainer::memory::Bytes;
use trainer::{Event, Observer, Purpose, Summary};

use crate::bar::{Figure, LineBar};
use crate::figures::{duration, percent, segments};
use crate::output;
use crate::terminal;

/// The observer for how the program is used: JSON lines, a progress bar, or plain lines without a terminal.
pub fn observer(json: bool) -> Box<dyn Observer> {
    if json {
        Box::new(JsonLines)
    } else if terminal::is_animated(&std::io::stderr()) {
        Box::new(Bar::new("steps"))
    } else {
        Box::new(PlainLines::default())
    }
}

/// The observer of `of` questions that are answered, of which `done` were before.
pub fn answering(done: usize, of: usize) -> Box<dyn Observer> {
    if !terminal::is_animated(&std::io::stderr()) {
        return Box::new(PlainLines::default());
    }
    let bar = Bar::new("questions");
    bar.line.bar.set_length(of as u64);
    bar.line.bar.set_position(done as u64);
    bar.line.bar.reset_eta();
    Box::new(bar)
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
    line: LineBar,
    files: Files,
    position: Position,
}

/// A bar for the files of a data set while they are looked at; nothing without a terminal.
pub struct Files(LineBar);

impl Files {
    pub fn new() -> Self {
        Self(LineBar::new("files looked at"))
    }

    /// So many were looked at, of so many.
    pub fn show(&mut self, done: usize, of: usize) {
        if done == of {
            self.0.bar.finish_and_clear();
            return;
        }
        self.0.bar.set_length(of as u64);
        self.0.bar.set_position(done as u64);
    }
}

/// Steps before the time left is estimated: the first ones are slower than the rest.
const WARM_UP_STEPS: usize = 3;

impl Bar {
    /// A bar that counts `unit`.
    fn new(unit: &'static str) -> Self {
        Self {
            line: LineBar::new(unit),
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
        let bar = &self.line.bar;
        match event {
            Event::Start {
                total_steps, step, ..
            } => {
                bar.set_length(*total_steps as u64);
                bar.set_position(*step as u64);
                bar.reset_eta();
            }
            Event::QuestionOnly { total_steps } => {
                bar.set_length(*total_steps as u64);
                bar.set_position(0);
                bar.reset_eta();
            }
            Event::Step { .. } => {
                self.line.show(figures(event));
                return;
            }
            Event::Summary(_) => bar.finish_and_clear(),
            _ => {}
        }
        if let Some(line) = line {
            bar.suspend(|| output::note(line));
        }
    }

    fn tick(&mut self, step: usize) {
        self.line.bar.set_position(step as u64);
        if step.saturating_sub(self.position.first_step) == WARM_UP_STEPS {
            self.line.bar.reset_eta();
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
                effective_batch,
                total_steps,
                step,
                ..
            } => {
                *self = Self {
                    total_steps: *total_steps,
                    first_step: *step,
                    effective_batch: *effective_batch,
                };
                beginning(event)
            }
            Event::Data(report) => report.lines().join("\n"),
            Event::Segments(choice) => segments(choice),
            Event::Preloaded { images, of, bytes } => preloaded(*images, *of, *bytes),
            Event::Pretrained(pretrained) => weights_taken(pretrained),
            Event::Note { message } => message.clone(),
            Event::Warning { message } => format!("warning: {message}"),
            Event::Step { step, .. } => {
                let left = self
                    .time_left(event)
                    .map(|left| format!("  {left} left"))
                    .unwrap_or_default();
                let figures = figures(event).into_iter().map(|figure| figure.text);
                let figures = figures.collect::<Vec<_>>().join("  ");
                format!("step {step}/{}  {figures}{left}", self.total_steps)
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
                    "step {step}: {split} accuracy {}{alone} on {}",
                    percent(*accuracy),
                    count(*samples, "sample")
                )
            }
            Event::MicroBatch {
                step,
                purpose,
                from,
                to,
                parallel,
                cause,
                ..
            } => {
                let purpose = match purpose {
                    Purpose::Training => "micro-batches",
                    Purpose::Evaluation => "evaluation micro-batches",
                };
                let change = match (from == to, parallel) {
                    (false, _) => format!("of {} instead of {from}", count(*to, "sample")),
                    (true, 1) => "now run one after another".to_owned(),
                    (true, _) => format!("now run {parallel} at a time again"),
                };
                format!("step {step}: {purpose} {change}: {cause}")
            }
            Event::Overflow { step, from, to } => format!(
                "step {step}: a gradient overflowed; the step is taken again with loss scale {to} instead of {from}"
            ),
            Event::WentBack { from, to, cause } => {
                format!("step {from}: going back to step {to}: {cause}")
            }
            Event::EarlyEnd {
                step,
                since_best,
                best_step,
            } => format!(
                "step {step}: training ends: {} without improvement since step {best_step} (`evaluation.patience`)",
                count(*since_best, "evaluation")
            ),
            Event::Checkpoint { .. } => return None,
            Event::QuestionOnly { total_steps } => {
                self.total_steps = *total_steps;
                self.first_step = 0;
                format!(
                    "question-only baseline: {} with the image zeroed",
                    count(*total_steps, "step")
                )
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

/// What a run has to work with, in words.
fn beginning(event: &Event) -> String {
    let Event::Start {
        run_dir,
        device,
        dataset,
        samples: [train, validation, test],
        vocabulary,
        answers,
        parameters,
        precision,
        effective_batch,
        micro_batch,
        budget_bytes,
        total_steps,
        step,
    } = event
    else {
        return String::new();
    };
    let from = match step {
        0 => String::new(),
        step => format!(", going on after step {step}"),
    };
    let budget = budget_bytes
        .map(|bytes| format!("; memory budget {}", Bytes(bytes)))
        .unwrap_or_default();
    format!(
        "{dataset}: {train} training, {validation} validation and {}; {}, {}\n{} on {device} in {}; effective batch \
         {effective_batch} in micro-batches of {}{budget}; {}{from}\nrun directory {}",
        count(*test, "test sample"),
        count(*vocabulary, "word"),
        count(*answers, "answer"),
        count(*parameters, "parameter"),
        precision.name(),
        count(*micro_batch, "sample"),
        count(*total_steps, "step"),
        run_dir.display()
    )
}

/// How many images are kept in host memory, in words.
fn preloaded(images: usize, of: usize, bytes: usize) -> String {
    let which = match of {
        1 if images == of => "the image".to_owned(),
        _ if images == of => format!("all {of} images"),
        _ => format!("as many of {} as fit, {images}", count(of, "image")),
    };
    format!("preloaded {which}: {} of host memory", Bytes(bytes as u64))
}

/// What became of published weights.
pub fn weights_taken(Pretrained { path, report }: &Pretrained) -> String {
    format!("weights of {}: {report}", path.display())
}

/// Loss, speed and memory of a step.
fn figures(event: &Event) -> Vec<Figure> {
    let Event::Step {
        epoch,
        loss,
        lr,
        samples_per_second,
        memory_bytes,
        ..
    } = event
    else {
        return Vec::new();
    };
    let memory = memory_bytes.map(|bytes| Figure::new(6, Bytes(bytes).to_string()));
    let others = [
        Figure::new(3, format!("epoch {}", epoch + 1)),
        Figure::new(1, format!("loss {loss:.4}")),
        Figure::new(7, format!("lr {lr:.1e}")),
        Figure::new(5, format!("{samples_per_second:.0} samples/s")),
    ];
    others.into_iter().chain(memory).collect()
}

fn describe_summary(summary: &Summary) -> String {
    let shown = |accuracy: Option<f64>| accuracy.map_or_else(|| "not measured".to_owned(), percent);
    let unmeasured = summary.question_only_unmeasured.as_ref();
    let because = unmeasured.map_or_else(String::new, |cause| format!(": {cause}"));
    let early = if summary.ended_early {
        ", ended early"
    } else {
        ""
    };
    let steps = format!(
        "{}/{} in {}{early}",
        summary.steps,
        count(summary.total_steps, "step"),
        duration(summary.train_seconds)
    );
    if let Some(unmeasured) = &summary.test_unmeasured {
        return format!("{steps}\n{unmeasured}");
    }
    if summary.test_accuracy.is_none() {
        let run_dir = quoted(&summary.run_dir);
        return format!("{steps}\nstopped; go on with `aoa train --resume {run_dir}`");
    }
    let alone = each_branch(&summary.branch_accuracy, |name, accuracy| {
        format!("\n  {accuracy}  of the {name} branch alone")
    });
    format!(
        "{steps}\ntest accuracy  {}{alone}\n  {}  with the question only{because}\n  {}  by always answering \"{}\"",
        shown(summary.test_accuracy),
        shown(summary.question_only_accuracy),
        shown(summary.majority_accuracy),
        summary.majority_answer,
    )
}

/// A phrase for each branch and its accuracy; nothing if a model has one branch only.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check((from, to, parallel): (usize, usize, usize), expected: &str) {
        let event = Event::MicroBatch {
            step: 3,
            purpose: Purpose::Training,
            from,
            to,
            parallel,
            out_of_memory: false,
            cause: "so".to_owned(),
        };
        let line = Position::default().describe(&event);
        assert_eq!(line.as_deref(), Some(expected));
    }

    #[test]
    fn a_change_of_micro_batches_says_its_direction() {
        check(
            (8, 4, 2),
            "step 3: micro-batches of 4 samples instead of 8: so",
        );
        check(
            (1, 1, 1),
            "step 3: micro-batches now run one after another: so",
        );
        check(
            (1, 1, 2),
            "step 3: micro-batches now run 2 at a time again: so",
        );
    }
}
