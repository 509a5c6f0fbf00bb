//! The checksums of the files that give a run's checkpoints their meaning.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::TrainError;
use crate::run_dir::files::{invalid, read, require, write_json};
use crate::run_dir::names::{SEAL, START_WEIGHTS};

/// Checksum of each file by its name.
type Seal = BTreeMap<String, u32>;

/// The files of a run that must be as they were when it began: a checkpoint means nothing without them.
pub(crate) struct Sealed<'a> {
    run_dir: &'a Path,
    seal: Seal,
}

/// Whether a run began in this folder: all files are there that it needs to go on.
pub(crate) fn has_begun(run_dir: &Path) -> bool {
    run_dir.join(SEAL).exists()
}

/// Writes down the checksum of every file that decides what a checkpoint means.
pub(super) fn seal(run_dir: &Path, names: &[&str]) -> Result<(), TrainError> {
    let mut seal = Seal::new();
    for name in names {
        let content = read(&run_dir.join(name))?;
        seal.insert((*name).to_owned(), crc32fast::hash(&content));
    }
    write_json(run_dir, SEAL, &seal)
}

impl<'a> Sealed<'a> {
    /// # Errors
    ///
    /// When the run was never sealed.
    pub(crate) fn of(run_dir: &'a Path) -> Result<Self, TrainError> {
        require(run_dir, SEAL)?;
        let path = run_dir.join(SEAL);
        match serde_json::from_slice(&read(&path)?) {
            Ok(seal) => Ok(Self { run_dir, seal }),
            Err(error) => Err(invalid(path, &error)),
        }
    }

    /// Checks that every file that the run began with is there and as it was: without one of them its result could not be
    /// used. Of the weights it is not told whether they were changed, since they are large.
    pub(super) fn require_whole(run_dir: &'a Path) -> Result<(), TrainError> {
        let seal = run_dir.join(SEAL);
        if !seal.exists() {
            return Err(TrainError::moved(&seal));
        }
        let sealed = Self::of(run_dir)?;
        let mut files = sealed.seal.keys().map(|name| run_dir.join(name));
        if let Some(file) = files.find(|file| !file.exists()) {
            return Err(TrainError::moved(&file));
        }
        let mut small = sealed.seal.keys().filter(|name| *name != START_WEIGHTS);
        small.try_for_each(|name| sealed.read(name).map(drop))
    }

    /// Whether the run began with such a file.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.seal.contains_key(name)
    }

    /// # Errors
    ///
    /// When the file cannot be read, or was changed.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, TrainError> {
        let path = self.run_dir.join(name);
        let content = read(&path)?;
        if self.seal.get(name) == Some(&crc32fast::hash(&content)) {
            return Ok(content);
        }
        Err(TrainError::Invalid {
            path,
            reason: "it has changed since the run began".to_owned(),
        })
    }

    /// # Errors
    ///
    /// As [`read`](Self::read), and when the file is not JSON of a `T`.
    pub(crate) fn parse<T: DeserializeOwned>(&self, name: &str) -> Result<T, TrainError> {
        serde_json::from_slice(&self.read(name)?)
            .map_err(|error| invalid(self.run_dir.join(name), &error))
    }

    pub(super) fn text(&self, name: &str) -> Result<String, TrainError> {
        String::from_utf8(self.read(name)?)
            .map_err(|error| invalid(self.run_dir.join(name), &error))
    }
}
