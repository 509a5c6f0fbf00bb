//! Why a command failed, as a person should read it.
//!
//! One file because the cause, the exit code and the cure of every failure are decided side by side.

use std::borrow::Cow;
use std::error::Error;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aoa_model::weights::{NoSuchPart, PublishedPart};
use config_schema::{ConfigError, ConfigErrors, FixedKey, Source};
use data_import::ImportError;
use data_pipeline::DataError;
use file_kind::{bounded, quoted};
use gpu_probe::{ChooseError, ProbeError, SamplerError};
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report,
    Severity,
};
use model_api::PretrainedFault;
use preset_tools::preset_check::Finding;
use thiserror::Error;
use trainer::derive::DeriveError;
use trainer::{CONFIG, TrainError};
use weight_files::{Unrepresentable, WeightFileError};

use crate::figures::gibibytes;
use crate::predict_error::PredictError;
use crate::printable::printable;
use crate::terminal;
use crate::terminal::unicode;

/// Exit code where memory is too small: for a plan, for a run, or for the program itself.
pub const DOES_NOT_FIT: u8 = allocator::EXIT_CODE;

/// Why a command failed.
#[derive(Debug, Error)]
pub enum Failure {
    /// The system does not start a thread.
    #[error("the system does not start a thread: {problem}")]
    Threads {
        /// What it said.
        problem: String,
    },
    /// The configuration is not valid.
    #[error(transparent)]
    Configuration(#[from] ConfigErrors),
    /// The configuration file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// A folder of presets cannot be read.
    #[error("cannot read the folder of presets {}", path.display())]
    PresetFolder {
        /// The folder.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// What was set on top of a run would make it another one.
    #[error(
        "{} keeps {}",
        run_dir.display(),
        fixed
            .iter()
            .map(|fixed| format!("`{} = {}` (not {})", fixed.key, fixed.is, fixed.asked))
            .collect::<Vec<_>>()
            .join(", ")
    )]
    AnotherRun {
        /// The run.
        run_dir: PathBuf,
        /// What differs.
        fixed: Vec<FixedKey>,
    },
    /// A folder of data was named for a data set that is drawn and not read.
    #[error(
        "`--data-root {root}` has no effect: the data set is \"shapes\", which is drawn and reads no files"
    )]
    UnreadRoot {
        /// The folder.
        root: String,
    },
    /// There is no such preset.
    #[error("there is no preset \"{name}\"")]
    Preset {
        /// What was asked for.
        name: String,
        /// Which may have been meant.
        help: String,
    },
    /// The budget that was stated cannot be meant.
    #[error("{budget} {why}")]
    Budget {
        /// The assignment, and who made it.
        budget: String,
        /// Why it cannot be meant.
        why: BadBudget,
    },
    /// No preset or device can be chosen.
    #[error(transparent)]
    Choice(#[from] ChooseError),
    /// There is no card to derive a preset for.
    #[error("there is no card here to derive a preset for")]
    NoCard(#[source] ChooseError),
    /// No preset can be derived.
    #[error(transparent)]
    Derive(DeriveError),
    /// The NVML library that was named cannot be used.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The GPUs cannot be watched.
    #[error(transparent)]
    Sampler(#[from] SamplerError),
    /// The data set cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Official files cannot be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// Answers cannot be written as a result.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// A run cannot start, go on or be read.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// An image or another file that an argument names cannot be read or written.
    #[error("cannot access {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// A file that is to be written is there.
    #[error("{} exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// What is to be written is there as something else than a file.
    #[error("{} is not a regular file, and is not replaced", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A file that an argument names cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// A file of weights cannot be read or written.
    #[error(transparent)]
    Weights(#[from] WeightFileError),
    /// A weight is too large for the type that was asked for.
    #[error("cannot round {name}")]
    TooLarge {
        /// The tensor.
        name: String,
        /// The weight and the type.
        #[source]
        source: Unrepresentable,
    },
    /// The model has no such part.
    #[error(transparent)]
    Part(#[from] NoSuchPart),
    /// A checkpoint does not have all of the model.
    #[error("{} does not have all of the model", path.display())]
    Incomplete {
        /// The checkpoint.
        path: PathBuf,
    },
    /// A question says nothing.
    #[error("the question \"{question}\" has no word")]
    NoQuestion {
        /// The question.
        question: String,
    },
    /// No run directory was named, and there is none.
    #[error("there is no run under runs/")]
    NoRun,
    /// The program could not start itself anew with a variable that makes CUDA show the chosen device.
    #[error("CUDA does not show the chosen GPU to this process, and it cannot be restarted with {}={}", variable.0, variable.1)]
    Environment {
        /// The variable and its value.
        variable: (String, String),
        /// The error of the file system.
        source: io::Error,
    },
    /// The program could not start itself anew.
    #[error("cannot restart the program")]
    Restart(#[source] io::Error),
    /// The process that was to measure cannot do so; memory is not the reason.
    #[error("cannot measure: {message}")]
    Measurement {
        /// What it said.
        message: String,
        /// Its exit code.
        code: u8,
    },
    /// The completion script cannot be made.
    #[error("cannot write the completion script")]
    Completions(#[source] io::Error),
    /// The signal handler could not be installed.
    #[error("cannot watch for signals")]
    Signals(#[source] io::Error),
}

/// Why a budget cannot be meant.
#[derive(Debug, Error)]
pub enum BadBudget {
    /// No run fits into it.
    #[error("is less than any run takes")]
    TooSmall,
    /// It would bind nothing.
    #[error("is more than the {} that {device} has", gibibytes(*memory))]
    TooLarge {
        /// The device.
        device: String,
        /// Its bytes.
        memory: u64,
    },
}

impl From<DeriveError> for Failure {
    fn from(error: DeriveError) -> Self {
        match error {
            DeriveError::Config(errors) => Self::Configuration(errors),
            DeriveError::Plan(error) => Self::Train(error),
            error @ (DeriveError::DoesNotFit { .. } | DeriveError::HostTooSmall { .. }) => {
                Self::Derive(error)
            }
        }
    }
}

impl Failure {
    /// The documented exit code.
    pub fn exit_code(&self) -> ExitCode {
        let code = match self {
            Self::Configuration(_)
            | Self::Config { .. }
            | Self::PresetFolder { .. }
            | Self::AnotherRun { .. }
            | Self::Preset { .. }
            | Self::UnreadRoot { .. }
            | Self::NoQuestion { .. }
            | Self::Budget { .. }
            | Self::Part(_)
            | Self::TooLarge { .. }
            | Self::Exists { .. }
            | Self::NotAFile { .. }
            | Self::Data(DataError::Occupied { .. }) => 2,
            Self::Predict(error) => error.exit_code(),
            Self::Data(error) if is_memory(error) => DOES_NOT_FIT,
            Self::Signals(_)
            | Self::Completions(_)
            | Self::Write { .. }
            | Self::Import(ImportError::Write { .. }) => 1,
            Self::Import(_)
            | Self::Data(_)
            | Self::File { .. }
            | Self::Weights(_)
            | Self::Incomplete { .. } => 3,
            Self::Choice(_)
            | Self::NoCard(_)
            | Self::Probe(_)
            | Self::Sampler(_)
            | Self::Environment { .. } => 4,
            Self::Derive(_) | Self::Threads { .. } => DOES_NOT_FIT,
            Self::NoRun => 5,
            Self::Restart(_) => 8,
            Self::Measurement { code, .. } => *code,
            Self::Train(error) => match error {
                TrainError::Model(_) | TrainError::Parallel | TrainError::NeedsRegions => 2,
                TrainError::Pretrained(error) => match error.fault {
                    PretrainedFault::Settings => 2,
                    PretrainedFault::File => 3,
                },
                TrainError::Data(error) if is_memory(error) => DOES_NOT_FIT,
                TrainError::Data(_) | TrainError::DataFailed { .. } | TrainError::Image { .. } => 3,
                TrainError::Device { .. } | TrainError::Precision { .. } => 4,
                TrainError::Diverged { .. } => 6,
                TrainError::DoesNotFit { .. } | TrainError::HostMemory(_) => DOES_NOT_FIT,
                TrainError::DevicePoisoned { .. } => 8,
                _ => 5,
            },
        };
        ExitCode::from(code)
    }

    /// Message, place and cure, for a terminal.
    pub fn render(&self) -> String {
        let styled = terminal::has_colours(&io::stderr());
        if let Self::Configuration(errors) = self {
            return errors
                .errors
                .iter()
                .map(|error| graphical(&located(error), styled))
                .collect();
        }
        let mut messages = vec![self.to_string()];
        let mut cause = self.source();
        while let Some(error) = cause {
            messages.push(error.to_string());
            cause = error.source();
        }
        let mut diagnostic = MietteDiagnostic::new(bounded(&messages.join(": ")));
        diagnostic.help = self.help().map(|help| bounded(&help).into_owned());
        graphical(&Report::new(diagnostic), styled)
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Preset { help, .. } => Some(help.clone()),
            Self::UnreadRoot { .. } => Some(
                "say which data set it holds: `--dataset folder` for one of your own, or a name such as `--dataset vqa2`".to_owned(),
            ),
            Self::AnotherRun { run_dir, fixed } => Some(instead_of_another_run(run_dir, fixed)),
            Self::TooLarge { .. } => {
                Some("export as `--dtype bf16`, which has the range of f32, or as `--dtype f32`".to_owned())
            }
            Self::Threads { .. } => Some(
                "raise the limits of address space (`ulimit -v`) and of processes (`ulimit -u`), or start fewer threads with \
                 the environment variable RAYON_NUM_THREADS and `memory_optimization.num_workers`"
                    .to_owned(),
            ),
            Self::Budget { .. } => Some(
                "state it with a unit, such as `--memory-budget 12GiB`, or leave it out: then it is the part \
                  `memory_optimization.max_memory_usage` of the device's memory"
                    .to_owned(),
            ),
            Self::Choice(error) => Some(error.hint()),
            Self::NoCard(_) => Some("name its memory, as in `--vram 16GiB`".to_owned()),
            Self::Derive(DeriveError::HostTooSmall { .. }) => Some(
                "train on a machine with more memory; a smaller `dataset.image_size` needs less, in a configuration of your \
                 own"
                    .to_owned(),
            ),
            Self::Derive(_) => Some(
                "a smaller `dataset.image_size` needs less, in a configuration of your own; another image size is another \
                 task, so no preset changes it"
                    .to_owned(),
            ),
            Self::Environment { variable: (name, value), .. } => {
                Some(format!("start it with {name}={value}"))
            }
            Self::Sampler(error) => Some(error.hint().to_owned()),
            Self::Import(error) => error.hint(),
            Self::Predict(error) => error.help(),
            Self::Weights(error) => error.hint().map(str::to_owned),
            Self::Data(error) | Self::Train(TrainError::Data(error)) => error.hint(),
            Self::Train(error) => error.help(),
            Self::Incomplete { .. } => Some(
                "nothing was written; see what is missing and mis-shaped: a checkpoint of X-VLM wants the sizes of the [xvlm] \
                 section to be those of the file, and a fine branch cannot be imported"
                    .to_owned(),
            ),
            Self::Part(NoSuchPart(PublishedPart::Xvlm)) => Some(
                "train with `model.branches = \"both\"` or \"coarse\", and with `model.image_encoder = \"swin\"`, as the GPU presets do"
                    .to_owned(),
            ),
            Self::Part(NoSuchPart(PublishedPart::Fine)) => Some(
                "train with `model.branches = \"both\"` or \"fine\", and with `model.fine_form = \"cfr\"`"
                    .to_owned(),
            ),
            Self::Exists { .. } => {
                Some("name another file, or replace this one with `--force`".to_owned())
            }
            Self::NoQuestion { .. } => Some(
                "ask about the image in quotation marks: `aoa ask --image FILE \"what color is it?\"`".to_owned(),
            ),
            Self::NotAFile { .. } => Some("name another file".to_owned()),
            Self::NoRun => Some("train one with `aoa train`, or name a run directory".to_owned()),
            _ => None,
        }
    }
}

/// How to get what a run cannot be changed to.
fn instead_of_another_run(run_dir: &Path, fixed: &[FixedKey]) -> String {
    let sets = fixed
        .iter()
        .map(|one| format!(" --set {}={}", one.key, quoted(&one.asked)));
    let steps = ["training.epochs", "training.max_steps"];
    let why = if fixed.iter().any(|one| steps.contains(&one.key.as_str())) {
        "a run cannot be made longer, since its learning rates follow from its number of steps: "
    } else {
        ""
    };
    format!(
        "{why}remove these from the arguments and the environment, or start a new run with them: `aoa train --config {}{} --set \
         logging.run_dir=NEW_DIR`",
        quoted(run_dir.join(CONFIG)),
        sets.collect::<String>()
    )
}

/// Whether there is too little memory, and nothing is wrong with the data.
fn is_memory(error: &DataError) -> bool {
    matches!(
        error,
        DataError::PreloadLimit { .. } | DataError::Threads { .. }
    )
}

/// A broken rule, its place and its cure, for a terminal.
pub fn render_finding(finding: &Finding) -> String {
    let message = bounded(&finding.message()).into_owned();
    let mut diagnostic = MietteDiagnostic::new(&message).with_code(finding.rule.id());
    diagnostic.help = finding
        .help
        .as_deref()
        .map(|help| bounded(help).into_owned());
    if finding.rule.warns() {
        diagnostic.severity = Some(Severity::Warning);
    }
    if finding.span.is_none() {
        // Without text there is no place that would name the file.
        diagnostic.message = format!("{}: {message}", finding.source.name);
    }
    let source = finding.span.as_ref().map(|_| &*finding.source);
    let report = placed(diagnostic, source, finding.span.clone());
    graphical(&report, terminal::has_colours(&io::stdout()))
}

fn located(error: &ConfigError) -> Report {
    let mut diagnostic = MietteDiagnostic::new(bounded(&error.message()));
    diagnostic.help = error.help.as_deref().map(|help| bounded(help).into_owned());
    placed(diagnostic, error.source.as_deref(), error.span.clone())
}

/// Most bytes of a line of a file that a message shows.
const LONGEST_LINE: usize = 1000;

/// With the line of the text that it is about, or with the line's number where that is too long to be shown.
fn placed(
    mut diagnostic: MietteDiagnostic,
    source: Option<&Source>,
    span: Option<Range<usize>>,
) -> Report {
    if let (Some(source), Some(span)) = (source, &span) {
        let before = source.text.get(..span.start).unwrap_or_default();
        let behind = source.text.get(span.end..).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let end = behind.find('\n').unwrap_or(behind.len());
        if before.len() - start + span.len() + end > LONGEST_LINE {
            let line = 1 + before.matches('\n').count();
            diagnostic.message = format!("{}, line {line}: {}", source.name, diagnostic.message);
            return Report::new(diagnostic);
        }
    }
    diagnostic.labels = span.map(|span| vec![LabeledSpan::underline(span)]);
    let report = Report::new(diagnostic);
    match source {
        Some(source) => {
            report.with_source_code(NamedSource::new(&source.name, source.text.clone()))
        }
        None => report,
    }
}

fn graphical(report: &Report, styled: bool) -> String {
    let render = |theme| {
        let mut text = String::new();
        let handler = GraphicalReportHandler::new_themed(theme);
        match handler.render_report(&mut text, report.as_ref()) {
            Ok(()) => text,
            Err(_) => report.to_string(),
        }
    };
    let plain = render(GraphicalTheme::none());
    match printable(&plain) {
        // Without style, since nothing tells the style of the message from what a file contains.
        Cow::Owned(escaped) => escaped,
        Cow::Borrowed(_) if !styled => plain,
        Cow::Borrowed(_) if unicode() => render(GraphicalTheme::unicode()),
        Cow::Borrowed(_) => render(GraphicalTheme::ascii()),
    }
}
