//! The folder that a run writes to.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use data_pipeline::{AnswerList, Vocabulary};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::durable;
use crate::error::TrainError;

/// The resolved configuration, every value with its origin.
pub const CONFIG: &str = "config.toml";
const VOCABULARY: &str = "vocabulary.json";
const ANSWERS: &str = "answers.json";
const MODEL: &str = "model.json";
const METRICS: &str = "metrics.jsonl";
const SUMMARY: &str = "summary.json";
const LOCK: &str = ".lock";

/// A run directory. While it is open for writing no other process can write to it.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    metrics: File,
    _lock: File,
}

/// What a checkpoint needs beside it to be used.
#[derive(Debug, Clone)]
pub struct Blueprint<C> {
    /// Word ids.
    pub vocabulary: Vocabulary,
    /// Answer indices.
    pub answers: AnswerList,
    /// The model's configuration.
    pub model: C,
}

impl RunDir {
    /// Creates a run directory, with the configuration text in it.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written or holds a run already.
    pub fn create(path: &Path, config: &str) -> Result<Self, TrainError> {
        let failed = |source| TrainError::Write {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(path).map_err(failed)?;
        if path.join(CONFIG).exists() {
            return Err(TrainError::RunExists {
                path: path.to_owned(),
            });
        }
        let run_dir = Self::open(path)?;
        durable::write(&path.join(CONFIG), config.as_bytes()).map_err(failed)?;
        Ok(run_dir)
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

    fn open(path: &Path) -> Result<Self, TrainError> {
        let failed = |source| TrainError::Write {
            path: path.to_owned(),
            source,
        };
        let lock = File::create(path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(TrainError::RunInUse {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let metrics = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path.join(METRICS))
            .map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            metrics,
            _lock: lock,
        })
    }

    /// Saves what checkpoints need beside them.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn write_blueprint<C: Serialize>(
        &self,
        blueprint: &Blueprint<C>,
    ) -> Result<(), TrainError> {
        self.write_text(VOCABULARY, &blueprint.vocabulary.to_json())?;
        self.write_text(ANSWERS, &blueprint.answers.to_json())?;
        self.write_json(MODEL, &blueprint.model)
    }

    /// Appends a line to `metrics.jsonl`.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn append_metrics<T: Serialize>(&mut self, line: &T) -> Result<(), TrainError> {
        let mut text = self.encode(METRICS, line, serde_json::to_vec)?;
        text.push(b'\n');
        self.metrics
            .write_all(&text)
            .map_err(|source| TrainError::Write {
                path: self.path.join(METRICS),
                source,
            })
    }

    /// Brings `metrics.jsonl` to the disk and gives its length in bytes.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn sync_metrics(&self) -> Result<u64, TrainError> {
        let length = self
            .metrics
            .sync_all()
            .and_then(|()| self.metrics.metadata());
        length
            .map(|data| data.len())
            .map_err(|source| TrainError::Write {
                path: self.path.join(METRICS),
                source,
            })
    }

    /// Cuts `metrics.jsonl` back to what a checkpoint vouches for.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn rewind_metrics(&self, bytes: u64) -> Result<(), TrainError> {
        let failed = |source| TrainError::Write {
            path: self.path.join(METRICS),
            source,
        };
        let length = self.metrics.metadata().map_err(failed)?.len();
        if length > bytes {
            self.metrics.set_len(bytes).map_err(failed)
        } else {
            Ok(())
        }
    }

    /// Saves the run's result.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn write_summary<T: Serialize>(&self, summary: &T) -> Result<(), TrainError> {
        self.write_json(SUMMARY, summary)
    }

    fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), TrainError> {
        let text = self.encode(name, value, serde_json::to_vec_pretty)?;
        self.write_text(name, &String::from_utf8_lossy(&text))
    }

    fn write_text(&self, name: &str, text: &str) -> Result<(), TrainError> {
        let path = self.path.join(name);
        durable::write(&path, text.as_bytes()).map_err(|source| TrainError::Write { path, source })
    }

    fn encode<T: Serialize>(
        &self,
        name: &str,
        value: &T,
        encode: impl Fn(&T) -> serde_json::Result<Vec<u8>>,
    ) -> Result<Vec<u8>, TrainError> {
        encode(value).map_err(|error| TrainError::Write {
            path: self.path.join(name),
            source: io::Error::other(error),
        })
    }
}

/// Reads what a run's checkpoints need beside them.
///
/// # Errors
///
/// When a file is missing or does not hold what it should.
pub fn read_blueprint<C: DeserializeOwned>(run_dir: &Path) -> Result<Blueprint<C>, TrainError> {
    require(run_dir, CONFIG)?;
    let vocabulary = run_dir.join(VOCABULARY);
    let answers = run_dir.join(ANSWERS);
    let model = run_dir.join(MODEL);
    let invalid = |error: serde_json::Error| TrainError::Invalid {
        path: model.clone(),
        reason: error.to_string(),
    };
    Ok(Blueprint {
        vocabulary: Vocabulary::from_json(&read(&vocabulary)?, &vocabulary)?,
        answers: AnswerList::from_json(&read(&answers)?, &answers)?,
        model: serde_json::from_str(&read(&model)?).map_err(invalid)?,
    })
}

/// Reads the configuration text of a run.
///
/// # Errors
///
/// When there is none.
pub fn read_config(run_dir: &Path) -> Result<String, TrainError> {
    require(run_dir, CONFIG)?;
    read(&run_dir.join(CONFIG))
}

fn require(run_dir: &Path, file: &'static str) -> Result<(), TrainError> {
    if run_dir.join(file).is_file() {
        return Ok(());
    }
    Err(TrainError::NotARun {
        path: run_dir.to_owned(),
        file,
    })
}

fn read(path: &Path) -> Result<String, TrainError> {
    fs::read_to_string(path).map_err(|source| TrainError::Read {
        path: path.to_owned(),
        source,
    })
}

/// The run directory under `folder` whose metrics were written to last.
pub fn newest_run(folder: &Path) -> Option<PathBuf> {
    let runs = fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path());
    let dated = runs
        .filter(|path| path.join(CONFIG).is_file())
        .filter_map(|path| {
            let written = fs::metadata(path.join(METRICS))
                .and_then(|data| data.modified())
                .ok()?;
            Some((written, path))
        });
    dated.max().map(|(_, path)| path)
}
