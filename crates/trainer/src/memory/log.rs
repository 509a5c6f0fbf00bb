//! `memory.jsonl` of a run directory.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{CardSample, Usage};
use crate::error::TrainError;

/// Name of the file.
pub const MEMORY: &str = "memory.jsonl";

/// Memory between two reports: a line of `memory.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemorySample {
    /// Steps taken.
    pub step: usize,
    /// Bytes that may be used; absent without a budget.
    pub budget_bytes: Option<u64>,
    /// Samples of the next micro-batch.
    pub micro_batch: usize,
    /// The same in evaluation.
    pub evaluation_micro_batch: usize,
    /// The most bytes in use in the phases that the budget binds: all but storage.
    pub peak_bytes: u64,
    /// Bytes in use at the end.
    pub live_bytes: u64,
    /// Bytes held at the end: in use or kept for later use.
    pub reserved_bytes: u64,
    /// The most bytes in use in each phase that there was.
    pub phase_peak_bytes: BTreeMap<&'static str, u64>,
    /// The card as a whole, whoever uses it; absent where there is none or it cannot be read.
    pub card: Option<Usage>,
    /// What it said every `logging.card_seconds`; absent where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub card_samples: Vec<CardSample>,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct MemoryLog {
    path: PathBuf,
    file: File,
}

impl MemoryLog {
    pub(crate) fn open(run_dir: &Path) -> Result<Self, TrainError> {
        let path = run_dir.join(MEMORY);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        match file {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(TrainError::Write { path, source }),
        }
    }

    pub(crate) fn append(&mut self, sample: &MemorySample) -> Result<(), TrainError> {
        let line = serde_json::to_string(sample).map_err(io::Error::other);
        let written = line.and_then(|line| writeln!(self.file, "{line}"));
        self.or_write_error(written)
    }

    /// Brings the file to the disk and gives its length in bytes.
    pub(crate) fn sync(&self) -> Result<u64, TrainError> {
        let length = self.file.sync_all().and_then(|()| self.file.metadata());
        self.or_write_error(length.map(|data| data.len()))
    }

    /// Cuts the file back to what a checkpoint vouches for.
    pub(crate) fn rewind(&self, bytes: u64) -> Result<(), TrainError> {
        let cut = self.file.metadata().and_then(|data| {
            if data.len() > bytes {
                self.file.set_len(bytes)
            } else {
                Ok(())
            }
        });
        self.or_write_error(cut)
    }

    fn or_write_error<T>(&self, result: io::Result<T>) -> Result<T, TrainError> {
        result.map_err(|source| TrainError::Write {
            path: self.path.clone(),
            source,
        })
    }
}
