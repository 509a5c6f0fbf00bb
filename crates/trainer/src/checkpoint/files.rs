//! Files of a checkpoint, read and checked against its manifest.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use file_kind::read_regular;
use model_api::Model;

use super::manifest::Manifest;
use super::rejected::{Flaw, Rejected};
use super::state::Position;
use crate::error::TrainError;
use crate::parameters::with_owned_weights;
use crate::run_dir::durable;

pub(super) const MODEL: &str = "model.bpk";
/// The model with the moving average of its weights, where the run has one.
pub(super) const AVERAGED: &str = "averaged.bpk";
pub(super) const STATE: &str = "state.json";
pub(super) const MANIFEST: &str = "manifest.json";

impl Rejected {
    /// Requires that every one of these could be read: what the system does not let this process read is not lost, and nothing
    /// may take its place.
    ///
    /// # Errors
    ///
    /// Names the first that could not.
    pub(crate) fn require_readable(all: &[Self]) -> Result<(), TrainError> {
        match all.iter().find(|one| one.flaw == Flaw::Unreadable) {
            Some(one) => Err(TrainError::Unreadable(one.clone())),
            None => Ok(()),
        }
    }
}

/// What is wrong with a file of a checkpoint.
pub(super) struct Fault {
    reason: String,
    flaw: Flaw,
}

impl Fault {
    pub(super) fn damaged(reason: String) -> Self {
        Self {
            reason,
            flaw: Flaw::Damaged,
        }
    }

    pub(super) fn of(self, path: PathBuf) -> Rejected {
        let Self { reason, flaw } = self;
        Rejected { path, reason, flaw }
    }
}

/// Which files of a checkpoint are read; the state always is.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    /// All that a run goes on with.
    All,
    /// The weights that answer: the average where there is one.
    Weights,
    /// The state alone.
    State,
}

impl Wanted {
    fn has(self, name: &str, manifest: &Manifest) -> bool {
        match self {
            Self::All => true,
            Self::Weights if manifest.files.contains_key(AVERAGED) => name == AVERAGED,
            Self::Weights => name == MODEL,
            Self::State => false,
        }
    }
}

/// Files of a checkpoint by name, all of them as the manifest describes them.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    contents: BTreeMap<String, Vec<u8>>,
}

impl Files {
    /// Reads the files that are wanted, and the position at which the checkpoint of a step says that it was saved.
    pub(super) fn read(
        step: usize,
        folder: &Path,
        wanted: Wanted,
    ) -> Result<(Self, Position), Fault> {
        let manifest = Manifest::parse(&content(&folder.join(MANIFEST))?)
            .map_err(|reason| Fault::damaged(format!("{MANIFEST}: {reason}")))?;
        let mut contents = BTreeMap::new();
        for (name, mark) in &manifest.files {
            if name == STATE || wanted.has(name, &manifest) {
                let bytes = content(&folder.join(name))?;
                mark.check(&bytes)
                    .map_err(|reason| Fault::damaged(format!("{name}: {reason}")))?;
                contents.insert(name.clone(), bytes);
            }
        }
        let state = contents.get(STATE);
        let state = state.ok_or_else(|| Fault::damaged(format!("{STATE} is missing")))?;
        let position = Position::parse(state)
            .map_err(|reason| Fault::damaged(format!("{STATE}: {reason}")))?;
        if position.step != step {
            let reason = format!(
                "it was saved at step {}, and its folder was renamed",
                position.step
            );
            return Err(Fault::damaged(reason));
        }
        let folder = folder.to_owned();
        Ok((Self { folder, contents }, position))
    }

    /// A copy of a file.
    ///
    /// # Errors
    ///
    /// When the checkpoint has no such file.
    pub(super) fn bytes(&self, name: &str) -> Result<Bytes, TrainError> {
        let content = self.contents.get(name);
        let content = content.ok_or_else(|| TrainError::CheckpointIncomplete {
            path: self.folder.clone(),
            file: name.to_owned(),
        })?;
        Ok(Bytes::from_bytes_vec(content.clone()))
    }

    /// Gives `model` the weights in a file.
    ///
    /// # Errors
    ///
    /// When the checkpoint is of another model.
    pub(super) fn load_model<M: Model>(&self, file: &str, model: M) -> Result<M, TrainError> {
        ModuleRecord::from_bytes(self.bytes(file)?)
            .and_then(|record| model.try_load_record(record))
            .map(with_owned_weights)
            .map_err(|source| TrainError::Record {
                path: self.folder.join(file),
                source,
            })
    }

    /// The file with the weights that answer: the average where there is one.
    pub(super) fn answering(&self) -> &'static str {
        if self.contents.contains_key(AVERAGED) {
            AVERAGED
        } else {
            MODEL
        }
    }

    /// CRC-32 of a file; that of an empty file if there is none.
    pub(super) fn checksum(&self, name: &str) -> u32 {
        crc32fast::hash(self.contents.get(name).map_or(&[], Vec::as_slice))
    }

    /// Length of all files together, in bytes.
    pub(super) fn len(&self) -> u64 {
        self.contents.values().map(|file| file.len() as u64).sum()
    }
}

/// The content of a file of a checkpoint.
pub(super) fn content(path: &Path) -> Result<Vec<u8>, Fault> {
    read_regular(path).map_err(|error| {
        let name = path.file_name().unwrap_or_default().display();
        // What is there and is no file was put there.
        let damaged = durable::is_absence(&error) || error.kind() == io::ErrorKind::Other;
        Fault {
            reason: format!("{name}: {error}"),
            flaw: if damaged {
                Flaw::Damaged
            } else {
                Flaw::Unreadable
            },
        }
    })
}
