//! The checkpoints of a run on the disk.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use burn::optim::OptimizerRecord;
use burn::store::RecordError;
use burn::tensor::Bytes;
use burn_pack::{Reader, Writer};
use model_api::Model;

use crate::error::TrainError;
use crate::optim::Optimizers;
use crate::run_dir::durable;
use crate::run_dir::names::{CHECKPOINTS, STEP};

use super::files::{AVERAGED, Fault, Files, MANIFEST, MODEL, STATE, Wanted, content};
use super::manifest::{FileMark, Manifest};
use super::own::{MEASURED, OPTIMIZER, RECORD, is_checkpoint, is_leftover};
use super::rejected::Rejected;
use super::state::{Best, RunState, json};

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
    files: Files,
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
            folder: run_dir.join(CHECKPOINTS),
        }
    }

    /// Makes the folder for checkpoints, if it is not there. Only a run that begins or goes on does: a folder that is gone
    /// later was taken away.
    ///
    /// # Errors
    ///
    /// When the file system refuses, or [`require_room`](Self::require_room) does.
    pub fn prepare(&self, step: usize) -> Result<(), TrainError> {
        match fs::create_dir(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(TrainError::Write {
                path: self.folder.clone(),
                source: error,
            }),
            _ => self.require_room(step),
        }
    }

    /// Checks that a run which stands at a step will find no file or folder of somebody else under the name of a checkpoint.
    ///
    /// # Errors
    ///
    /// Names what is there.
    pub(crate) fn require_room(&self, step: usize) -> Result<(), TrainError> {
        let later = self.listed()?.split_off(&(step + 1));
        let foreign = later.into_values().filter(|path| !is_checkpoint(path));
        let names = foreign.filter_map(|path| Some(path.file_name()?.display().to_string()));
        let files: Vec<_> = names.collect();
        if files.is_empty() {
            return Ok(());
        }
        let path = self.folder.clone();
        Err(TrainError::Occupied { path, files })
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
        if path.symlink_metadata().is_ok() && !is_checkpoint(path) {
            let message = "the path holds something other than a checkpoint, which is not replaced";
            return Err(io::Error::other(message).into());
        }
        let staging = durable::staging_folder(path)?;
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
        if optimizers.has_average() {
            let averaged = optimizers.averaged(model).into_record().into_bytes()?;
            write(AVERAGED.to_owned(), &averaged)?;
        }
        for (group, optimizer) in optimizers.records() {
            let moments = ordered(optimizer)?;
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

    /// The error of a checkpoint that takes at least this many bytes, with what there is to go on from.
    fn unsaved(&self, path: PathBuf, bytes: u64, source: io::Error) -> TrainError {
        if !self.folder.is_dir() {
            return TrainError::moved(&self.folder);
        }
        let (newest, _) = self.newest();
        let before = newest.as_ref().map_or(0, |newest| newest.files.len());
        TrainError::Unsaved {
            path,
            bytes: bytes.max(before),
            whole: newest.map(|newest| newest.state.step),
            source,
        }
    }

    /// Removes all but the `keep` newest checkpoints and the best one of a run that stands at a step, and what an interrupted
    /// write left. A checkpoint of a later step, which the run could not go on from, counts for nothing and stays. So does
    /// whatever the trainer did not write.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn prune(&self, keep: usize, step: usize, best: Option<Best>) -> Result<(), TrainError> {
        let read = |source| TrainError::Read {
            path: self.folder.clone(),
            source,
        };
        let best = best.map(|best| best.step);
        let old = self.steps().map_err(read)?.into_iter();
        let unwanted = old
            .filter(|(old, path)| *old <= step && is_checkpoint(path))
            .rev()
            .skip(keep.max(1))
            .filter(|(step, _)| Some(*step) != best);
        for (_, path) in unwanted {
            remove(path)?;
        }
        let kept = self.steps().map_err(read)?;
        for path in self.entries().map_err(read)? {
            let measured = numbered(&path, MEASURED).filter(|step| path == self.measured(*step));
            let alone = measured.is_some_and(|step| !kept.contains_key(&step)) && path.is_file();
            if alone || is_leftover(&path) {
                remove(path)?;
            }
        }
        Ok(())
    }

    /// The newest whole checkpoint, and those passed over on the way to it.
    pub fn newest(&self) -> (Option<Verified>, Vec<Rejected>) {
        let steps = match self.steps() {
            Ok(steps) => steps,
            Err(error) => return (None, vec![self.unreadable(&error)]),
        };
        let mut rejected = Vec::new();
        for (step, path) in steps.into_iter().rev() {
            match self.read(step, &path) {
                Ok(verified) => return (Some(verified), rejected),
                Err(fault) => rejected.push(fault.of(path)),
            }
        }
        (None, rejected)
    }

    fn read(&self, step: usize, path: &Path) -> Result<Verified, Fault> {
        let (files, position) = Files::read(step, path, Wanted::All)?;
        let measured = match &position.earlier {
            Some(_) => Vec::new(),
            None => content(&self.measured(step))?,
        };
        let state = RunState::of(position, &measured);
        let state = state.map_err(|reason| Fault::damaged(format!("{STATE}: {reason}")))?;
        Ok(Verified {
            path: path.to_owned(),
            state,
            files,
        })
    }

    /// The run directory.
    pub(super) fn run_dir(&self) -> &Path {
        self.folder.parent().unwrap_or(Path::new("."))
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
            // Another spelling of the number is a copy that somebody made.
            .filter(|(step, path)| *path == self.path(*step))
            .collect())
    }

    /// [`steps`](Self::steps), or that they cannot be read.
    pub(super) fn listed(&self) -> Result<BTreeMap<usize, PathBuf>, TrainError> {
        let unreadable = |error| TrainError::Unreadable(self.unreadable(&error));
        self.steps().map_err(unreadable)
    }

    /// The entries of the folder, none if it does not exist.
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
        Rejected::unreadable(self.folder.clone(), error)
    }
}

impl Verified {
    /// Gives `model` the checkpoint's weights.
    ///
    /// # Errors
    ///
    /// When the checkpoint is of another model.
    pub fn load_model<M: Model>(&self, model: M) -> Result<M, TrainError> {
        self.files.load_model(MODEL, model)
    }

    /// Gives the optimizers of a model the checkpoint's state.
    ///
    /// # Errors
    ///
    /// When a group's state or the average is missing or cannot be read.
    pub fn load_optimizers<M: Model>(
        &self,
        optimizers: &mut Optimizers,
        model: &M,
    ) -> Result<(), TrainError> {
        if optimizers.has_average() {
            let averaged = self.files.load_model(AVERAGED, model.clone())?;
            optimizers.load_average(&averaged);
        }
        let groups: Vec<_> = optimizers.groups().collect();
        for group in groups {
            let file = optimizer_file(group);
            let record =
                OptimizerRecord::from_bytes(self.files.bytes(&file)?).map_err(|source| {
                    TrainError::Record {
                        path: self.path.join(&file),
                        source,
                    }
                })?;
            optimizers.load(group, record);
        }
        Ok(())
    }
}

/// The step in the name of a folder or file.
fn numbered(path: &Path, prefix: &str) -> Option<usize> {
    let name = path.file_name()?.to_str()?.strip_prefix(prefix)?;
    name.strip_suffix(".json").unwrap_or(name).parse().ok()
}

fn optimizer_file(group: &str) -> String {
    format!("{OPTIMIZER}{group}{RECORD}")
}

fn remove(path: PathBuf) -> Result<(), TrainError> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(&path)
    } else {
        fs::remove_file(&path)
    };
    removed.map_err(|source| TrainError::Write { path, source })
}

/// The state of an optimizer, its tensors ordered by name. Burn keeps it in a hash map, whose order is another one in every
/// process.
fn ordered(record: OptimizerRecord) -> Result<Bytes, RecordError> {
    let reader = Reader::from_bytes(record.into_bytes()?)?;
    let (scalars, metadata) = (reader.scalars().clone(), reader.metadata().clone());
    let mut tensors = reader.into_tensors()?;
    tensors.sort_by(|one, other| one.name.cmp(&other.name));
    let mut writer = Writer::new(tensors);
    for (name, value) in scalars {
        writer = writer.with_scalar(&name, value);
    }
    for (name, value) in metadata {
        writer = writer.with_metadata(&name, &value);
    }
    Ok(writer.into_bytes()?)
}
