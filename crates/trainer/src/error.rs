//! What can go wrong in a run.

use std::io;
use std::path::{Path, PathBuf};

use burn::store::RecordError;
use data_pipeline::{DataError, ImageError};
use model_api::{ConfigureError, PretrainedError};
use thiserror::Error;

use crate::checkpoint::Rejected;
use crate::host::HostRefusal;
use crate::memory::{Bytes, OutOfMemory};

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
        /// Why not.
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
        /// Why not.
        reason: String,
    },
    /// A file or folder could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why not.
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
        /// Where.
        path: PathBuf,
        /// What it takes, as far as that is known.
        bytes: u64,
        /// The step of the newest whole checkpoint.
        whole: Option<usize>,
        /// Why not.
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
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of a run does not hold what it should.
    #[error("{} is not valid: {reason}", path.display())]
    Invalid {
        /// Which.
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
    #[error("{} has no usable checkpoint: {}", run_dir.display(), rejected.join("; "))]
    NoCheckpoint {
        /// The run.
        run_dir: PathBuf,
        /// Every checkpoint that there is or was, with what is wrong with it.
        rejected: Vec<String>,
    },
    /// A new run would overwrite another one.
    #[error("{} already holds a run", path.display())]
    RunExists {
        /// The run directory.
        path: PathBuf,
    },
    /// The folder is not a run directory.
    #[error("{} is not a run directory: it has no {file}", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// The file that is missing.
        file: &'static str,
    },
    /// A run to be continued would go on with other data.
    #[error("the {split} split is not the one that {} began with", run_dir.display())]
    OtherData {
        /// The run.
        run_dir: PathBuf,
        /// The split.
        split: &'static str,
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

impl TrainError {
    pub(crate) fn no_checkpoint(run_dir: &Path, rejected: Vec<Rejected>) -> Self {
        let line = |one: Rejected| format!("{}: {}", one.path.display(), one.reason);
        let mut rejected: Vec<_> = rejected.into_iter().map(line).collect();
        if rejected.is_empty() {
            rejected.push("there is none".to_owned());
        }
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

    /// What the user can do about it, where there is something to say.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::RunExists { .. } => {
                Some("continue it with `--resume RUN_DIR`, or choose another `logging.run_dir`")
            }
            Self::NeedsRegions => Some(
                "`aoa eval` measures it on its data set; a run with `model.region_features = false` answers from images",
            ),
            Self::Parallel => Some("set `hardware.parallel_micro_batches=1`"),
            Self::NotARun { .. } => Some(
                "name a folder that `aoa train` wrote; a run that was killed before it wrote config.toml is started again \
                 without `--resume`",
            ),
            Self::Unsaved { .. } => Some(
                "make room, or keep fewer checkpoints with `checkpoint.keep_last`; then go on with `--resume RUN_DIR`",
            ),
            Self::Moved { .. } => Some(
                "leave a run directory in place while its run goes on; `--resume RUN_DIR` goes on from what is left of it",
            ),
            Self::NoCheckpoint { .. } => {
                Some("start the run again; its configuration is in config.toml there")
            }
            Self::Diverged { .. } => {
                Some("lower `training.lr` and `training.xvlm_lr`, or lengthen the warm-up")
            }
            Self::Pretrained(error) => error.help,
            Self::DoesNotFit { .. } => Some(
                "give it more with `--memory-budget`, or need less with what of this is not set yet: \
                 `memory_optimization.gradient_checkpointing=true`, `memory_optimization.memory_efficient_attention=true`, a \
                 smaller `dataset.image_size`, a frozen X-VLM with `training.tune_xvlm=false`, on the CPU fewer samples that wait \
                 with a smaller `memory_optimization.num_workers`; `aoa plan` says what a switch would save",
            ),
            Self::HostMemory(refusal) => Some(refusal.help()),
            Self::DevicePoisoned { .. } => {
                Some("go on from the last checkpoint with `--resume RUN_DIR`")
            }
            Self::OtherData { .. } => Some(
                "a resumed run is the same run: put the data set back as it was, or start a run of its own, also where an \
                 earlier version of the program began it and read the answers in another way",
            ),
            Self::RunInUse { .. } => {
                Some("wait for the other process, or choose another `logging.run_dir`")
            }
            _ => None,
        }
    }
}
