//! Checkpoints: whole or absent, verified when read.
//!
//! The folder `step-N` holds what the configuration and the data decide, so equal runs have equal files there. What was
//! measured lies beside it in `measured-N.json`, which is written first and belongs to the checkpoint.

mod manifest;
mod record;
mod state;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use burn::optim::OptimizerRecord;
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Bytes;
use model_api::Model;

use crate::durable;
use crate::error::TrainError;
use crate::optimizers::Optimizers;
use crate::parameters::with_owned_weights;

use manifest::{FileMark, Manifest};
use state::json;

pub use state::{Best, RunState, Sums};

/// The folder of a run's checkpoints.
pub(crate) const FOLDER: &str = "checkpoints";
const MODEL: &str = "model.bpk";
const STATE: &str = "state.json";
const MANIFEST: &str = "manifest.json";
const STEP: &str = "step-";
const MEASURED: &str = "measured-";

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

/// Why a checkpoint could not be written.
enum Unsaved {
    Files(io::Error),
    Record(RecordError),
}

impl From<io::Error> for Unsaved {
    fn from(error: io::Error) -> Self {
        Self::Files(error)
    }
}

impl From<RecordError> for Unsaved {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl Checkpoints {
    /// The checkpoints under `run_dir`.
    pub fn of(run_dir: &Path) -> Self {
        Self {
            folder: run_dir.join(FOLDER),
        }
    }

    /// Makes the folder for checkpoints, if it is not there. Only a run that begins or goes on does: a folder that is gone
    /// later was taken away.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn prepare(&self) -> Result<(), TrainError> {
        match fs::create_dir(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(TrainError::Write {
                path: self.folder.clone(),
                source: error,
            }),
            _ => Ok(()),
        }
    }

    /// Writes a checkpoint and returns its folder. It appears under its name only when all of it is on the
    /// disk.
    ///
    /// # Errors
    ///
    /// When the file system refuses; nothing of the checkpoint is left then.
    pub fn save<M: Model>(
        &self,
        model: &M,
        optimizers: &Optimizers,
        state: &RunState,
    ) -> Result<PathBuf, TrainError> {
        let path = self.path(state.step);
        let mut bytes = 0;
        match self.write(&path, model, optimizers, state, &mut bytes) {
            Ok(()) => Ok(path),
            Err(Unsaved::Record(source)) => Err(TrainError::Record { path, source }),
            Err(Unsaved::Files(source)) => Err(self.unsaved(path, bytes, source)),
        }
    }

    fn write<M: Model>(
        &self,
        path: &Path,
        model: &M,
        optimizers: &Optimizers,
        state: &RunState,
        bytes: &mut u64,
    ) -> Result<(), Unsaved> {
        let staging = tempfile::Builder::new()
            .prefix(durable::PARTIAL)
            .tempdir_in(&self.folder)?;
        // A folder within has the usual permissions, which a temporary one has not.
        let staged = staging.path().join("whole");
        fs::create_dir(&staged)?;
        let mut marks = BTreeMap::new();
        // One file at a time: each is a copy in host memory until it is written.
        let mut write = |file: String, content: &[u8]| {
            *bytes += content.len() as u64;
            durable::write_synced(&staged.join(&file), content)?;
            marks.insert(file, FileMark::of(content));
            Ok::<_, io::Error>(())
        };
        let weights = model.clone().into_record().into_bytes()?;
        write(MODEL.to_owned(), &weights)?;
        drop(weights);
        for (group, optimizer) in optimizers.records() {
            let moments = record::ordered(optimizer)?;
            write(optimizer_file(group), &moments)?;
        }
        write(STATE.to_owned(), &state.position())?;
        durable::write_synced(&staged.join(MANIFEST), &json(&Manifest::new(marks)))?;
        let measured = self.measured(state.step);
        durable::write(&measured, &state.measured())?;
        durable::publish_folder(&staged, path).inspect_err(|_| {
            // It is of no use by itself; the error is what counts.
            let _ = fs::remove_file(&measured);
        })?;
        Ok(())
    }

    /// The error of a checkpoint that takes at least so many bytes, with what there is to go on from.
    fn unsaved(&self, path: PathBuf, bytes: u64, source: io::Error) -> TrainError {
        if !self.folder.is_dir() {
            return TrainError::moved(&self.folder);
        }
        let (newest, _) = self.newest();
        let before = newest.as_ref().map_or(0, |newest| {
            newest.files.values().map(|file| file.len() as u64).sum()
        });
        TrainError::Unsaved {
            path,
            bytes: bytes.max(before),
            whole: newest.map(|newest| newest.state.step),
            source,
        }
    }

    /// Removes all but the `keep` newest checkpoints and the best one, and what an interrupted write left.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn prune(&self, keep: usize, best: Option<Best>) -> Result<(), TrainError> {
        let read = |source| TrainError::Read {
            path: self.folder.clone(),
            source,
        };
        let best = best.map(|best| best.step);
        let old = self.steps().map_err(read)?.into_iter();
        let unwanted = old
            .rev()
            .skip(keep.max(1))
            .filter(|(step, _)| Some(*step) != best);
        for (_, path) in unwanted {
            remove(path)?;
        }
        let kept = self.steps().map_err(read)?;
        for path in self.entries().map_err(read)? {
            let alone = numbered(&path, MEASURED).is_some_and(|step| !kept.contains_key(&step));
            if alone || durable::is_leftover(&path) {
                remove(path)?;
            }
        }
        Ok(())
    }

    /// The newest whole checkpoint, and those passed over on the way to it.
    pub fn newest(&self) -> (Option<Verified>, Vec<Rejected>) {
        match self.steps() {
            Ok(steps) => first_whole(steps.into_iter().rev()),
            Err(error) => (None, vec![self.unreadable(&error)]),
        }
    }

    /// The best checkpoint if it is whole, else the newest whole one, and those passed over. Which is the best the newest
    /// one says.
    pub fn best(&self) -> (Option<Verified>, Vec<Rejected>) {
        let steps = match self.steps() {
            Ok(steps) => steps,
            Err(error) => return (None, vec![self.unreadable(&error)]),
        };
        let mut newest = steps.values().rev();
        let best = newest.find_map(|path| best_of(path).ok());
        let best = best.flatten().map(|best| best.step);
        let others = steps.into_iter().rev();
        let others = others.filter(|(step, _)| Some(*step) != best);
        let best = best.map(|step| (step, self.path(step)));
        first_whole(best.into_iter().chain(others))
    }

    /// The folder of the checkpoint of a step.
    pub(crate) fn path(&self, step: usize) -> PathBuf {
        self.folder.join(format!("{STEP}{step:08}"))
    }

    fn measured(&self, step: usize) -> PathBuf {
        self.folder.join(format!("{MEASURED}{step:08}.json"))
    }

    /// Checkpoints by ascending step.
    fn steps(&self) -> io::Result<BTreeMap<usize, PathBuf>> {
        let entries = self.entries()?.into_iter();
        Ok(entries
            .filter_map(|path| Some((numbered(&path, STEP)?, path)))
            .collect())
    }

    /// What is in the folder; nothing where there is none.
    fn entries(&self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect()
    }

    fn unreadable(&self, error: &io::Error) -> Rejected {
        Rejected {
            path: self.folder.clone(),
            reason: error.to_string(),
        }
    }
}

impl Verified {
    /// Reads and checks the checkpoint of a step; the error says what is wrong with it.
    fn read(step: usize, path: &Path) -> Result<Self, String> {
        let manifest = manifest(path)?;
        let mut files = BTreeMap::new();
        for (name, mark) in &manifest.files {
            let bytes = content(&path.join(name))?;
            mark.check(&bytes)
                .map_err(|reason| format!("{name}: {reason}"))?;
            files.insert(name.clone(), bytes);
        }
        let position = files
            .get(STATE)
            .ok_or_else(|| format!("{STATE} is missing"))?;
        let measured = Checkpoints {
            folder: path.parent().unwrap_or(Path::new(".")).to_owned(),
        }
        .measured(step);
        let state = RunState::read(position, || content(&measured))
            .map_err(|reason| format!("{STATE}: {reason}"))?;
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
        let groups: Vec<_> = optimizers.groups().collect();
        for group in groups {
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

fn manifest(path: &Path) -> Result<Manifest, String> {
    Manifest::parse(&content(&path.join(MANIFEST))?)
        .map_err(|reason| format!("{MANIFEST}: {reason}"))
}

/// What the state of a checkpoint says of the best one; the rest of the checkpoint is not read.
fn best_of(path: &Path) -> Result<Option<Best>, String> {
    let manifest = manifest(path)?;
    let state = content(&path.join(STATE))?;
    let mark = manifest.files.get(STATE);
    mark.ok_or_else(|| format!("{MANIFEST} does not name {STATE}"))?
        .check(&state)?;
    Ok(RunState::best_of(&state))
}

fn content(path: &Path) -> Result<Vec<u8>, String> {
    let name = path.file_name().unwrap_or_default().display();
    fs::read(path).map_err(|error| format!("{name}: {error}"))
}

/// The step in the name of a folder or file.
fn numbered(path: &Path, prefix: &str) -> Option<usize> {
    let name = path.file_name()?.to_str()?.strip_prefix(prefix)?;
    name.strip_suffix(".json").unwrap_or(name).parse().ok()
}

fn first_whole(
    candidates: impl Iterator<Item = (usize, PathBuf)>,
) -> (Option<Verified>, Vec<Rejected>) {
    let mut rejected = Vec::new();
    for (step, path) in candidates {
        match Verified::read(step, &path) {
            Ok(verified) => return (Some(verified), rejected),
            Err(reason) => rejected.push(Rejected { path, reason }),
        }
    }
    (None, rejected)
}

fn optimizer_file(group: &str) -> String {
    format!("optimizer-{group}.bpk")
}

fn remove(path: PathBuf) -> Result<(), TrainError> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(&path)
    } else {
        fs::remove_file(&path)
    };
    removed.map_err(|source| TrainError::Write { path, source })
}
