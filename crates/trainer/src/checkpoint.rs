//! Checkpoints: whole or absent, verified when read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::optim::OptimizerRecord;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::error::TrainError;
use crate::memory::MicroBatches;
use crate::model::{Group, Model};
use crate::optimizers::Optimizers;
use crate::parameters::with_owned_weights;

const FORMAT: u32 = 2;
const MODEL: &str = "model.bpk";
const STATE: &str = "state.json";
const MANIFEST: &str = "manifest.json";
const BEST: &str = "best.json";

/// Where a run stood when its checkpoint was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunState {
    /// Layout of the checkpoint.
    pub format: u32,
    /// Steps taken.
    pub step: usize,
    /// Epoch of the next step, counted from 0.
    pub epoch: usize,
    /// Steps taken in that epoch.
    pub step_in_epoch: usize,
    /// Seconds spent training, evaluation and checkpoints included.
    pub train_seconds: f64,
    /// Length of the run's `metrics.jsonl`, in bytes.
    pub metrics_bytes: u64,
    /// Length of the run's `memory.jsonl`, in bytes.
    pub memory_bytes: u64,
    /// Sizes of micro-batches, and what they follow from.
    pub micro_batches: MicroBatches,
    /// Best validation accuracy so far, 0 to 1, and the step it was measured at.
    pub best: Option<Best>,
    /// Whether the model is to be evaluated on the validation split before the next step: the data failed when it was.
    #[serde(default)]
    pub validation_due: bool,
}

/// The best evaluation so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Validation accuracy, 0 to 1.
    pub accuracy: f64,
    /// Step it was measured at.
    pub step: usize,
}

impl RunState {
    /// A run that has not begun.
    pub fn start(micro_batches: MicroBatches) -> Self {
        Self {
            format: FORMAT,
            step: 0,
            epoch: 0,
            step_in_epoch: 0,
            train_seconds: 0.0,
            metrics_bytes: 0,
            memory_bytes: 0,
            micro_batches,
            best: None,
            validation_due: false,
        }
    }
}

/// Checksum and size of every file of a checkpoint but the manifest itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    files: BTreeMap<String, FileMark>,
    /// CRC-32 of the files' names, sizes and checksums, so that the manifest vouches for itself.
    crc32: u32,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMark {
    bytes: u64,
    crc32: u32,
}

/// The checkpoints of one run.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    folder: PathBuf,
}

/// A checkpoint whose files are all there and match their checksums.
#[derive(Debug)]
pub struct Verified {
    /// Its folder.
    pub path: PathBuf,
    /// Where the run stood.
    pub state: RunState,
    files: BTreeMap<String, Vec<u8>>,
}

/// A checkpoint that was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl Checkpoints {
    /// The checkpoints under `run_dir`.
    pub fn of(run_dir: &Path) -> Self {
        Self {
            folder: run_dir.join("checkpoints"),
        }
    }

    /// Writes a checkpoint and returns its folder. It appears under its name only when all of it is on the
    /// disk.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn save<M: Model>(
        &self,
        model: &M,
        optimizers: &Optimizers,
        state: &RunState,
    ) -> Result<PathBuf, TrainError> {
        let name = self.folder.join(format!("step-{:08}", state.step));
        let failed = |source| TrainError::Write {
            path: name.clone(),
            source,
        };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let staging = tempfile::Builder::new()
            .prefix(".partial-")
            .tempdir_in(&self.folder)
            .map_err(failed)?;
        // A folder within has the usual permissions, which a temporary one has not.
        let staged = staging.path().join("whole");
        fs::create_dir(&staged).map_err(failed)?;

        let record = |error| TrainError::Record {
            path: name.clone(),
            source: error,
        };
        let mut marks = BTreeMap::new();
        // One file at a time: each is a copy in host memory until it is written.
        let mut write = |file: String, content: &[u8]| {
            durable::write_synced(&staged.join(&file), content).map_err(failed)?;
            marks.insert(file, FileMark::of(content));
            Ok::<_, TrainError>(())
        };
        let weights = model.clone().into_record().into_bytes().map_err(record)?;
        write(MODEL.to_owned(), &weights)?;
        drop(weights);
        for (group, optimizer) in optimizers.records() {
            let moments = optimizer.into_bytes().map_err(record)?;
            write(optimizer_file(group), &moments)?;
        }
        write(STATE.to_owned(), &json(state))?;
        let manifest = Manifest {
            crc32: seal(&marks),
            files: marks,
        };
        durable::write_synced(&staged.join(MANIFEST), &json(&manifest)).map_err(failed)?;
        durable::publish_folder(&staged, &name).map_err(failed)?;
        Ok(name)
    }

    /// Notes which checkpoint is the best one.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn mark_best(&self, best: Best) -> Result<(), TrainError> {
        let path = self.folder.join(BEST);
        durable::write(&path, &json(&best)).map_err(|source| TrainError::Write { path, source })
    }

    /// Removes all but the `keep` newest checkpoints and the best one, and what an interrupted write left.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn prune(&self, keep: usize, best: Option<Best>) -> Result<(), TrainError> {
        let best = best.map(|best| best.step);
        let old = self.steps().into_iter().rev().skip(keep.max(1));
        let unwanted = old
            .filter(|(step, _)| Some(*step) != best)
            .map(|(_, path)| path);
        for path in unwanted.chain(self.leftovers()) {
            fs::remove_dir_all(&path).map_err(|source| TrainError::Write { path, source })?;
        }
        Ok(())
    }

    /// The newest whole checkpoint, and those passed over on the way to it.
    pub fn newest(&self) -> (Option<Verified>, Vec<Rejected>) {
        first_whole(self.steps().into_iter().rev().map(|(_, path)| path))
    }

    /// The best checkpoint if it is whole, else the newest whole one, and those passed over.
    pub fn best(&self) -> (Option<Verified>, Vec<Rejected>) {
        let marked = fs::read(self.folder.join(BEST))
            .ok()
            .and_then(|content| serde_json::from_slice::<Best>(&content).ok())
            .map(|best| self.folder.join(format!("step-{:08}", best.step)));
        let others = self.steps().into_iter().rev().map(|(_, path)| path);
        let others: Vec<_> = others
            .filter(|path| Some(path) != marked.as_ref())
            .collect();
        first_whole(marked.into_iter().chain(others))
    }

    /// Checkpoints by ascending step.
    fn steps(&self) -> BTreeMap<usize, PathBuf> {
        self.entries()
            .filter_map(|path| {
                let step = path
                    .file_name()?
                    .to_str()?
                    .strip_prefix("step-")?
                    .parse()
                    .ok()?;
                Some((step, path))
            })
            .collect()
    }

    fn leftovers(&self) -> impl Iterator<Item = PathBuf> {
        self.entries().filter(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            path.is_dir() && (name.starts_with(".partial-") || name.starts_with(".replaced-"))
        })
    }

    fn entries(&self) -> impl Iterator<Item = PathBuf> + use<> {
        fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    }
}

impl Verified {
    /// Reads and checks a checkpoint; the error says what is wrong with it.
    fn read(path: &Path) -> Result<Self, String> {
        let content =
            |name: &str| fs::read(path.join(name)).map_err(|error| format!("{name}: {error}"));
        let manifest: Manifest = serde_json::from_slice(&content(MANIFEST)?)
            .map_err(|error| format!("{MANIFEST}: {error}"))?;
        if seal(&manifest.files) != manifest.crc32 {
            return Err(format!("{MANIFEST}: its checksum does not match"));
        }
        let mut files = BTreeMap::new();
        for (name, mark) in manifest.files {
            let bytes = content(&name)?;
            let found = FileMark::of(&bytes);
            if found.bytes != mark.bytes {
                return Err(format!(
                    "{name}: {} bytes instead of {}",
                    found.bytes, mark.bytes
                ));
            }
            if found != mark {
                return Err(format!("{name}: its checksum does not match"));
            }
            files.insert(name, bytes);
        }
        let state = files
            .get(STATE)
            .ok_or_else(|| format!("{STATE} is missing"))?;
        let state: RunState =
            serde_json::from_slice(state).map_err(|error| format!("{STATE}: {error}"))?;
        if state.format != FORMAT {
            return Err(format!(
                "it has format {}, and this program reads format {FORMAT}",
                state.format
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            state,
            files,
        })
    }

    /// Gives `model` the checkpoint's weights.
    ///
    /// # Errors
    ///
    /// When the checkpoint is of another model.
    pub fn load_model<M: Model>(&self, model: M) -> Result<M, TrainError> {
        let record = ModuleRecord::from_bytes(self.bytes(MODEL)?);
        record
            .and_then(|record| model.try_load_record(record))
            .map(with_owned_weights)
            .map_err(|source| TrainError::Record {
                path: self.path.join(MODEL),
                source,
            })
    }

    /// Gives the optimizers the checkpoint's state.
    ///
    /// # Errors
    ///
    /// When a group's state is missing or cannot be read.
    pub fn load_optimizers(&self, optimizers: &mut Optimizers) -> Result<(), TrainError> {
        for group in Group::ALL {
            let file = optimizer_file(group);
            let record = OptimizerRecord::from_bytes(self.bytes(&file)?).map_err(|source| {
                TrainError::Record {
                    path: self.path.join(&file),
                    source,
                }
            })?;
            optimizers.load(group, record);
        }
        Ok(())
    }

    fn bytes(&self, name: &str) -> Result<Bytes, TrainError> {
        let content = self
            .files
            .get(name)
            .ok_or_else(|| TrainError::CheckpointIncomplete {
                path: self.path.clone(),
                file: name.to_owned(),
            })?;
        Ok(Bytes::from_bytes_vec(content.clone()))
    }
}

impl FileMark {
    fn of(content: &[u8]) -> Self {
        Self {
            bytes: content.len() as u64,
            crc32: crc32fast::hash(content),
        }
    }
}

fn seal(files: &BTreeMap<String, FileMark>) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for (name, mark) in files {
        hasher.update(name.as_bytes());
        hasher.update(&mark.bytes.to_le_bytes());
        hasher.update(&mark.crc32.to_le_bytes());
    }
    hasher.finalize()
}

fn first_whole(candidates: impl Iterator<Item = PathBuf>) -> (Option<Verified>, Vec<Rejected>) {
    let mut rejected = Vec::new();
    for path in candidates {
        match Verified::read(&path) {
            Ok(verified) => return (Some(verified), rejected),
            Err(reason) => rejected.push(Rejected { path, reason }),
        }
    }
    (None, rejected)
}

fn optimizer_file(group: Group) -> String {
    format!("optimizer-{}.bpk", group.name())
}

/// Serializes one of this module's own plain structs, which cannot fail.
fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec_pretty(value)
        .unwrap_or_else(|error| unreachable!("plain data serializes: {error}"))
}
