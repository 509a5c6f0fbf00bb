//! What can go wrong in a run.
//!
//! One file because each error has a message and a cure, and both tables must have every error.

use std::io;
use std::path::{Path, PathBuf};

use burn::store::RecordError;
use config_schema::PrecisionMode;
use data_pipeline::{DataError, ImageError};
use file_kind::quoted;
use model_api::{ConfigureError, PretrainedError};
use thiserror::Error;

use crate::checkpoint::{Flaw, Rejected};
use crate::host::HostRefusal;
use crate::memory::{Bytes, OutOfMemory};
use crate::run_dir::names::{ALL, CHECKPOINTS, CONFIG, LOCK, MEMORY, METRICS, SEAL};

/// Why a run could not start or go on.
#[derive(Debug, Error)]
pub enum TrainError {
    /// The data set could not be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The data set failed while the run used it.
    #[error("{}", stopped_after(*step))]
    DataFailed {
        /// Steps taken, which a checkpoint has.
        step: usize,
        /// The run.
        run_dir: PathBuf,
        /// What failed.
        source: Box<DataError>,
    },
    /// The image of a question cannot be decoded.
    #[error("cannot decode the image `{name}`")]
    Image {
        /// What the user called it.
        name: String,
        /// The error behind it.
        source: ImageError,
    },
    /// The model looks at region features, and there is an image alone.
    #[error("this run answers from region features, which an image alone does not have")]
    NeedsRegions,
    /// The settings do not describe a model.
    #[error(transparent)]
    Model(#[from] ConfigureError),
    /// Micro-batches were to be computed side by side on a GPU, where each thread would have a pool of memory of its own.
    #[error("`hardware.parallel_micro_batches` is for the CPU: a GPU is busy with one micro-batch")]
    Parallel,
    /// The device asked for is not there or not part of this build.
    #[error("device `{wanted}` is not available: {reason}")]
    Device {
        /// What `hardware.device` says.
        wanted: String,
        /// The reason, as a sentence.
        reason: String,
    },
    /// A file or folder could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Path of the file or folder.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// A checkpoint could not be written, and nothing is left of it.
    #[error(
        "cannot write the checkpoint {}, which takes at least {}; {}",
        path.display(),
        Bytes(*bytes),
        whole.map_or_else(
            || "there is none before it".to_owned(),
            |step| format!("the one of step {step} is whole"),
        )
    )]
    Unsaved {
        /// Path of the file or folder.
        path: PathBuf,
        /// What it takes, as far as that is known.
        bytes: u64,
        /// The step of the newest whole checkpoint.
        whole: Option<usize>,
        /// The error of the file system.
        source: io::Error,
    },
    /// A file or folder of a run is not the one any more that the run writes to.
    #[error("{} was {change} while the run wrote to it", path.display())]
    Moved {
        /// Which; the run directory where all of it is gone.
        path: PathBuf,
        /// `removed` or `replaced`.
        change: &'static str,
    },
    /// A file of a run could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Path of the file or folder.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// A file of a run does not hold what it should.
    #[error("{} is not valid: {reason}", path.display())]
    Invalid {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Weights or optimizer state could not be saved or loaded.
    #[error("{}: {source}", path.display())]
    Record {
        /// The file or checkpoint.
        path: PathBuf,
        /// What Burn says.
        source: RecordError,
    },
    /// Published weights could not be taken over.
    #[error(transparent)]
    Pretrained(#[from] PretrainedError),
    /// A checkpoint lacks a file that this program needs.
    #[error("the checkpoint {} has no {file}", path.display())]
    CheckpointIncomplete {
        /// The checkpoint.
        path: PathBuf,
        /// The file.
        file: String,
    },
    /// No checkpoint of the run can be used.
    #[error("{} has no usable checkpoint: {}", run_dir.display(), listed(rejected))]
    NoCheckpoint {
        /// The run.
        run_dir: PathBuf,
        /// Every checkpoint that there is or was, with what is wrong with it.
        rejected: Vec<Rejected>,
    },
    /// The checkpoint that is asked for cannot be used, and no other one takes its place.
    #[error("cannot use the {which}checkpoint {rejected}")]
    Unusable {
        /// `best ` or `newest ` where the run decides which it is.
        which: &'static str,
        /// The checkpoint.
        rejected: Rejected,
        /// The run.
        run_dir: PathBuf,
        /// Steps of the checkpoints that can be used, of which there is at least one.
        others: Vec<usize>,
    },
    /// A checkpoint that may be whole cannot be read, and a run does not go on without it.
    #[error("cannot read the checkpoint {0}")]
    Unreadable(Rejected),
    /// A new run would overwrite another one.
    #[error("{} already holds a run", path.display())]
    RunExists {
        /// The run directory.
        path: PathBuf,
    },
    /// A new run would overwrite files that no run wrote.
    #[error("{} holds files that a run would overwrite: {}", path.display(), files.join(", "))]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// Names of the files.
        files: Vec<String>,
    },
    /// The folder is not a run directory.
    #[error("{} is not a run directory: it has no {file}{because}", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// The file that is missing.
        file: &'static str,
        /// That there is no folder, in words; nothing if there is one.
        because: &'static str,
    },
    /// A run to be continued would go on with other data.
    #[error("the {split} split is not the one that {} began with", run_dir.display())]
    OtherData {
        /// The run.
        run_dir: PathBuf,
        /// The split.
        split: &'static str,
    },
    /// A run to be continued would go on in another order.
    #[error("the training images do not lie in the shards that {} began with", run_dir.display())]
    OtherShards {
        /// The run.
        run_dir: PathBuf,
    },
    /// Another process writes to the run.
    #[error("{} is in use by another process", path.display())]
    RunInUse {
        /// The run directory.
        path: PathBuf,
    },
    /// The loss or the gradient stopped being a number.
    #[error("training diverged at step {step}: loss {loss}, gradient norm {norm}")]
    Diverged {
        /// Step, counted from 1.
        step: usize,
        /// Loss of the step.
        loss: f64,
        /// Gradient norm of the step.
        norm: f64,
    },
    /// The device does not have the numbers that the settings ask for.
    #[error("{device} has no {}", mode.name())]
    Precision {
        /// What `precision.mode` asks for.
        mode: PrecisionMode,
        /// The device.
        device: String,
    },
    /// The smallest micro-batch, or an update, needs more memory than there is.
    #[error("the run does not fit: {cause}")]
    DoesNotFit {
        /// What was needed, and the budget.
        cause: OutOfMemory,
    },
    /// The data of the run, or what it preloads of it, needs more memory than there is.
    #[error("the run does not fit: {0}")]
    HostMemory(Box<HostRefusal>),
    /// The device stopped working for this process.
    #[error("the device failed and this process cannot use it any more: {reason}")]
    DevicePoisoned {
        /// What the backend says.
        reason: String,
    },
}

impl From<Box<HostRefusal>> for TrainError {
    fn from(refusal: Box<HostRefusal>) -> Self {
        Self::HostMemory(refusal)
    }
}

fn stopped_after(step: usize) -> String {
    match step {
        0 => "the run stopped before its first step".to_owned(),
        1 => "the run stopped after 1 step, which is saved".to_owned(),
        step => format!("the run stopped after {step} steps, which are saved"),
    }
}

/// Checkpoints with what is wrong with each.
fn listed(rejected: &[Rejected]) -> String {
    if rejected.is_empty() {
        return "it has saved none yet".to_owned();
    }
    let each: Vec<_> = rejected.iter().map(ToString::to_string).collect();
    each.join("; ")
}

/// What to do where a run has no usable checkpoint.
fn without_checkpoint(run_dir: &Path, rejected: &[Rejected]) -> String {
    if rejected.is_empty() {
        return format!(
            "a run saves its first checkpoint after an epoch, or after `checkpoint.every_steps` steps; if it no longer \
             runs, go on with `aoa train --resume {}`",
            quoted(run_dir)
        );
    }
    if rejected.iter().any(|one| one.flaw == Flaw::Unreadable) {
        return READABLE.to_owned();
    }
    format!(
        "put one back from a copy, or begin a new run with its settings: `aoa train --config {} --set logging.run_dir=NEW_DIR`",
        quoted(run_dir.join(CONFIG))
    )
}

/// What to do after a file or folder of a run was removed or replaced: what is left decides whether the run can go on.
fn after_removal(path: &Path) -> String {
    let name = path.file_name().and_then(|name| name.to_str());
    let own = name.filter(|name| ALL.contains(name));
    let run_dir = match own {
        Some(_) => path.parent().unwrap_or(path),
        None => path,
    };
    let resume = format!("`aoa train --resume {}`", quoted(run_dir));
    let again = format!(
        "begin a new run with its settings: `aoa train --config {} --set logging.run_dir=NEW_DIR`",
        quoted(run_dir.join(CONFIG))
    );
    let there = |name: &str| run_dir.join(name).exists();
    let cure = if !there(CONFIG) && !there(SEAL) {
        "move the run directory back to this place and go on with its latest checkpoint by "
            .to_owned()
            + &resume
            + ", or begin a new run"
    } else if !there(CONFIG) {
        format!("put {CONFIG} back from a copy and go on with {resume}, or begin a new run")
    } else if !there(CHECKPOINTS) {
        format!("put {CHECKPOINTS} back from a copy and go on with {resume}, or {again}")
    } else if own.is_none_or(|name| [LOCK, METRICS, MEMORY, CHECKPOINTS].contains(&name)) {
        format!("go on from the latest checkpoint with {resume}")
    } else {
        let name = own.unwrap_or_default();
        format!("put {name} back from a copy and go on with {resume}, or {again}")
    };
    format!("leave a run directory in place while its run goes on; {cure}")
}

/// What to do where the checkpoint that is asked for cannot be used.
fn instead_of(which: &str, rejected: &Rejected, run_dir: &Path, others: &[usize]) -> String {
    let steps: Vec<_> = others.iter().map(ToString::to_string).collect();
    let other = format!(
        "`aoa eval {} --step {}` (there are steps {})",
        quoted(run_dir),
        steps.last().map_or("STEP", String::as_str),
        steps.join(", ")
    );
    match (rejected.flaw, which) {
        (Flaw::Unreadable, _) => format!("{READABLE}; or use another checkpoint: {other}"),
        (Flaw::Gone, "") => format!("take another one: {other}"),
        (Flaw::Gone | Flaw::Damaged, _) => format!(
            "put it back from a copy; or take another one, which may answer less well: {other}"
        ),
    }
}

/// What to do about a file that is there and that this process may not read.
const READABLE: &str =
    "give the user of this process read permission for it, its content and the folders above it";

impl TrainError {
    pub(crate) fn no_checkpoint(run_dir: &Path, rejected: Vec<Rejected>) -> Self {
        Self::NoCheckpoint {
            run_dir: run_dir.to_owned(),
            rejected,
        }
    }

    /// The error of a file or folder of a run that is gone or replaced. Names the folder where that is gone.
    pub(crate) fn moved(path: &Path) -> Self {
        let folder = path.parent().filter(|folder| *folder != "");
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Self::moved(folder);
        }
        let change = if path.symlink_metadata().is_ok() {
            "replaced"
        } else {
            "removed"
        };
        Self::Moved {
            path: path.to_owned(),
            change,
        }
    }

    /// What the user can do about it, where there is something to say. Paths in commands are quoted for a shell.
    pub fn help(&self) -> Option<String> {
        let resume = |run_dir: &Path| format!("`aoa train --resume {}`", quoted(run_dir));
        Some(match self {
            Self::RunExists { path } => format!(
                "continue it with {}, or choose another `logging.run_dir`",
                resume(path)
            ),
            Self::Occupied { .. } => {
                "choose another `logging.run_dir`, or move these files away".to_owned()
            }
            Self::NeedsRegions => {
                "`aoa eval` measures it on its data set; a run with `model.region_features = false` answers from images"
                    .to_owned()
            }
            Self::Precision { .. } => {
                "set `precision.mode=auto`, which takes what the device has".to_owned()
            }
            Self::Parallel => "set `hardware.parallel_micro_batches=1`".to_owned(),
            Self::NotARun { because: "", .. } => {
                "name a folder that `aoa train` wrote; a run that was killed before it wrote config.toml is started again without \
                 `--resume`"
                    .to_owned()
            }
            Self::NotARun { .. } => "name a folder that `aoa train` wrote".to_owned(),
            Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                READABLE.to_owned()
            }
            Self::Unsaved { path, .. } => {
                let run_dir = path.ancestors().nth(2).unwrap_or(path);
                format!(
                    "make room, or keep fewer checkpoints with `checkpoint.keep_last`; then go on with {}",
                    resume(run_dir)
                )
            }
            Self::Moved { path, .. } => after_removal(path),
            Self::NoCheckpoint { run_dir, rejected } => without_checkpoint(run_dir, rejected),
            Self::Unusable {
                which,
                rejected,
                run_dir,
                others,
            } => instead_of(which, rejected, run_dir, others),
            Self::Unreadable(_) => {
                format!("{READABLE}; or move it away to go on from an older one")
            }
            Self::Diverged { .. } => {
                "lower `training.lr` and `training.xvlm_lr`, or lengthen the warm-up".to_owned()
            }
            Self::Pretrained(error) => return error.help.map(str::to_owned),
            Self::DoesNotFit { .. } => {
                "raise `--memory-budget`, or set one of these that is not set yet: `memory_optimization.gradient_checkpointing=true`, \
                 `memory_optimization.memory_efficient_attention=true`, a smaller `dataset.image_size`, \
                 `training.tune_xvlm=false` where the model has X-VLM, on the CPU a smaller `memory_optimization.num_workers`; \
                 `aoa plan` says what each would save"
                    .to_owned()
            }
            Self::HostMemory(refusal) => refusal.help().to_owned(),
            Self::DevicePoisoned { .. } => {
                "go on from the latest checkpoint with `aoa train --resume RUN_DIR`".to_owned()
            }
            Self::OtherData { .. } => {
                "put the data set back as it was, name it with `--data-root DIR`, such as an earlier import of official files \
                 (`.aoa-cache/NAME-..` beside them), or start a new run; a run that an earlier version began, which read answers in \
                 another way, cannot be resumed"
                    .to_owned()
            }
            Self::OtherShards { .. } => {
                "name the folder that the run began with by `--data-root DIR`: the order of samples depends on the shards".to_owned()
            }
            Self::RunInUse { .. } => {
                "wait for the other process, or choose another `logging.run_dir`".to_owned()
            }
            Self::DataFailed {
                run_dir, source, ..
            } => {
                let cure = source.hint().map_or_else(String::new, |hint| format!("{hint}; "));
                format!(
                    "{cure}repair or replace what failed, then go on with {}: a run that goes on leaves out only what it left out \
                     when it began",
                    resume(run_dir)
                )
            }
            _ => return None,
        })
    }
}
