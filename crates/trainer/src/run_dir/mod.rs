//! The folder that a run writes to.

mod blueprint;
pub(crate) mod durable;
mod files;
pub(crate) mod json_lines;
pub(crate) mod names;
mod seal;
mod standing;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::TrainError;
use crate::run_dir::names::{
    ANSWERS, CONFIG, DATA, INPUTS, LOCK, METRICS, MODEL, SEAL, SUMMARY, VOCABULARY, WORD_PIECES,
};
use crate::run_dir::standing::{ODD_LOCK, Standing, clear, is_leftover, mark, remove};

pub use blueprint::{
    Blueprint, changed_splits, read_blueprint, require_same_data, write_fingerprints,
};
use files::{invalid, require, write, write_json};
pub(crate) use files::{read, read_log};
use seal::seal;
pub(crate) use seal::{Sealed, has_begun};

/// A run directory. While it is open for writing no other process can write to it.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    lock: File,
}

impl RunDir {
    /// Refuses a folder that holds a run, or files that a run would overwrite.
    ///
    /// # Errors
    ///
    /// When it does, or cannot be read.
    pub fn require_vacant(path: &Path) -> Result<(), TrainError> {
        match Standing::of(path)? {
            Standing::Vacant | Standing::Stepless => Ok(()),
            Standing::Run => Err(TrainError::RunExists {
                path: path.to_owned(),
            }),
            Standing::Foreign(files) => Err(TrainError::Occupied {
                path: path.to_owned(),
                files,
            }),
        }
    }

    /// Creates a run directory, or takes over one whose run ended before its first step: of that one, the configuration alone is
    /// left. It holds a run when its [blueprint](Self::write_blueprint) is written.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written, is in use, holds a run already, or files that a run would overwrite.
    pub fn create(path: &Path) -> Result<Self, TrainError> {
        Self::require_vacant(path)?;
        let failed = |source| TrainError::Write {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(path).map_err(failed)?;
        let mut run_dir = Self::open(path)?;
        // Another process may have been quicker.
        Self::require_vacant(path)?;
        mark(&mut run_dir.lock).map_err(failed)?;
        clear(path)?;
        Ok(run_dir)
    }

    /// Removes a run directory whose run ended before it told of its start. Any other folder stays as it is.
    ///
    /// # Errors
    ///
    /// When the folder is in use, or the file system refuses.
    pub fn discard_unbegun(path: &Path) -> Result<(), TrainError> {
        let told = fs::metadata(path.join(METRICS)).map_or(0, |log| log.len());
        if told > 0 || Standing::of(path)? != Standing::Stepless {
            return Ok(());
        }
        let _lock = Self::open(path)?;
        clear(path)?;
        remove(path.join(CONFIG))?;
        remove(path.join(LOCK))?;
        // Not where somebody else put a file.
        let _ = fs::remove_dir(path);
        Ok(())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a run directory to continue its run.
    ///
    /// # Errors
    ///
    /// When it is not a run directory, cannot be written or is in use.
    pub fn reopen(path: &Path) -> Result<Self, TrainError> {
        require(path, CONFIG)?;
        Self::open(path)
    }

    /// Opens a folder, removing what a process that was killed left of files that were not whole.
    fn open(path: &Path) -> Result<Self, TrainError> {
        let failed = |source| TrainError::Write {
            path: path.to_owned(),
            source,
        };
        let lock = open_lock(path, true).map_err(failed)?;
        lock_for_one(&lock, path)?;
        let run_dir = Self {
            path: path.to_owned(),
            lock,
        };
        // The lock may be of a folder that was removed in between.
        run_dir.require_in_place()?;
        for entry in fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let left = entry.path();
            if is_leftover(&left) && entry.file_type().map_err(failed)?.is_file() {
                fs::remove_file(&left).map_err(failed)?;
            }
        }
        Ok(run_dir)
    }

    /// Checks that the folder is still there and nobody else's.
    ///
    /// # Errors
    ///
    /// When it was removed or replaced since it was opened.
    pub(crate) fn require_in_place(&self) -> Result<(), TrainError> {
        let path = self.path.join(LOCK);
        match durable::is_at(&self.lock, &path) {
            Ok(true) => Ok(()),
            Ok(false) => Err(TrainError::moved(&path)),
            Err(source) => Err(TrainError::Read { path, source }),
        }
    }

    /// Saves the configuration text: the first file of a run, from which it can be begun again.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn write_config(&self, config: &str) -> Result<(), TrainError> {
        self.write_text(CONFIG, config)
    }

    /// Saves what checkpoints need beside them, and seals it with the configuration, the fingerprints and the files `kept`
    /// that the run has besides.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn write_blueprint<C: Serialize>(
        &self,
        blueprint: &Blueprint<C>,
        kept: &[&'static str],
    ) -> Result<(), TrainError> {
        let encoder = &blueprint.encoder;
        let mut names = [&[CONFIG, VOCABULARY, ANSWERS, INPUTS, DATA, MODEL], kept].concat();
        self.write_text(VOCABULARY, &encoder.vocabulary.to_json())?;
        self.write_text(ANSWERS, &encoder.answers.to_json())?;
        if let Some(pieces) = &encoder.pieces {
            self.write_text(WORD_PIECES, &pieces.tokenizer().to_text())?;
            names.push(WORD_PIECES);
        }
        self.write_json(INPUTS, &encoder.inputs)?;
        self.write_json(MODEL, &blueprint.model)?;
        seal(&self.path, &names)
    }

    /// Saves the run's result.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn write_summary<T: Serialize>(&self, summary: &T) -> Result<(), TrainError> {
        self.require_whole()?;
        self.write_json(SUMMARY, summary)
    }

    /// Checks that the run can go on: its folder is in place, with every file that the run began with.
    ///
    /// # Errors
    ///
    /// When a file or the folder was removed or replaced.
    pub(crate) fn require_whole(&self) -> Result<(), TrainError> {
        self.require_in_place()?;
        Sealed::require_whole(&self.path)
    }

    pub(crate) fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), TrainError> {
        write_json(&self.path, name, value)
    }

    fn write_text(&self, name: &str, text: &str) -> Result<(), TrainError> {
        self.write(name, text.as_bytes())
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), TrainError> {
        write(&self.path, name, content)
    }
}

/// Reads the configuration text of a run.
///
/// # Errors
///
/// When there is none.
pub fn read_config(run_dir: &Path) -> Result<String, TrainError> {
    require(run_dir, CONFIG)?;
    if is_torso(run_dir)? {
        let path = run_dir.join(CONFIG);
        return String::from_utf8(read(&path)?).map_err(|error| invalid(path, &error));
    }
    Sealed::of(run_dir)?.text(CONFIG)
}

/// Whether a process ended in this folder before its run [began](has_begun).
fn is_torso(path: &Path) -> Result<bool, TrainError> {
    Ok(!has_begun(path) && Standing::of(path)? == Standing::Stepless)
}

/// Opens the file that a process locks while it writes to a run directory.
fn open_lock(run_dir: &Path, create: bool) -> io::Result<File> {
    let path = run_dir.join(LOCK);
    // What a link leads to is not ours, and a pipe would wait for a reader.
    if path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        return Err(io::Error::other(ODD_LOCK));
    }
    let mut options = File::options();
    options
        .write(true)
        .create(create)
        .truncate(false)
        .open(path)
}

/// Checks that a run could begin in a folder, or go on there, and changes nothing.
///
/// # Errors
///
/// What beginning or going on is refused for: the folder holds a run, or none, is in use, or cannot be written.
pub fn check_run_dir(path: &Path, resume: bool) -> Result<(), TrainError> {
    let failed = |source| TrainError::Write {
        path: path.to_owned(),
        source,
    };
    if resume {
        require(path, CONFIG)?;
        if !is_torso(path)? {
            require(path, SEAL)?;
        }
    } else {
        RunDir::require_vacant(path)?;
    }
    match open_lock(path, false) {
        Ok(lock) => lock_for_one(&lock, path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let absent = |path: &Path| {
        let there = path.symlink_metadata();
        there.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    let mut there = path;
    while absent(there) {
        there = match there.parent() {
            Some(parent) if parent != "" => parent,
            _ => Path::new("."),
        };
    }
    // Most systems give such a file no name, so nobody sees it.
    tempfile::tempfile_in(there).map(drop).map_err(failed)
}

/// Takes a lock, or says who has it.
fn lock_for_one(lock: &File, run_dir: &Path) -> Result<(), TrainError> {
    let path = run_dir.to_owned();
    match lock.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(TrainError::RunInUse { path }),
        Err(TryLockError::Error(source)) => Err(TrainError::Write { path, source }),
    }
}

/// The run directory under `folder` whose metrics were written to last; none if there is no run or no such folder.
///
/// # Errors
///
/// When the folder, or a run in it, cannot be looked at: which run is the newest is not known then.
pub fn newest_run(folder: &Path) -> Result<Option<PathBuf>, TrainError> {
    let failed = |path: &Path, source| TrainError::Read {
        path: path.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries.map_err(|source| failed(folder, source))?,
    };
    let mut newest = None;
    for entry in entries {
        let path = entry.map_err(|source| failed(folder, source))?.path();
        let written = fs::metadata(path.join(CONFIG))
            .and_then(|_| fs::metadata(path.join(METRICS)))
            .and_then(|log| log.modified());
        match written {
            Ok(written) => newest = newest.max(Some((written, path))),
            Err(error) if durable::is_absence(&error) => {}
            Err(source) => return Err(failed(&path, source)),
        }
    }
    Ok(newest.map(|(_, path)| path))
}
