//! Reading and writing the files of a run directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use file_kind::read_regular;
use serde::Serialize;

use crate::error::TrainError;
use crate::run_dir::durable;

pub(super) fn write_json<T: Serialize>(
    run_dir: &Path,
    name: &str,
    value: &T,
) -> Result<(), TrainError> {
    let text = encode(run_dir, name, value, serde_json::to_vec_pretty)?;
    write(run_dir, name, &text)
}

pub(super) fn write(run_dir: &Path, name: &str, content: &[u8]) -> Result<(), TrainError> {
    let path = run_dir.join(name);
    durable::write(&path, content).map_err(|source| TrainError::Write { path, source })
}

fn encode<T: Serialize>(
    run_dir: &Path,
    name: &str,
    value: &T,
    encode: impl Fn(&T) -> serde_json::Result<Vec<u8>>,
) -> Result<Vec<u8>, TrainError> {
    encode(value).map_err(|error| TrainError::Write {
        path: run_dir.join(name),
        source: io::Error::other(error),
    })
}

pub(super) fn invalid(path: PathBuf, error: &dyn std::error::Error) -> TrainError {
    TrainError::Invalid {
        path,
        reason: error.to_string(),
    }
}

/// Requires a file that every run has. Where the folder or the file is there and cannot be used, that is the error.
pub(super) fn require(run_dir: &Path, file: &'static str) -> Result<(), TrainError> {
    let path = run_dir.join(file);
    let failed = |path: &Path, source| {
        Err(TrainError::Read {
            path: path.to_owned(),
            source,
        })
    };
    match fs::metadata(run_dir) {
        Err(source) if !durable::is_absence(&source) => return failed(run_dir, source),
        _ => {}
    }
    match fs::metadata(&path) {
        Ok(there) if there.is_file() => Ok(()),
        Ok(_) => failed(&path, io::Error::other("it is not a regular file")),
        Err(error) if durable::is_absence(&error) && !path.is_symlink() => {
            Err(TrainError::NotARun {
                path: run_dir.to_owned(),
                file,
                because: match fs::metadata(run_dir) {
                    Ok(there) if there.is_dir() => "",
                    Ok(_) => ", since it is not a folder",
                    Err(_) => ", since there is no such folder",
                },
            })
        }
        Err(source) => failed(&path, source),
    }
}

/// Reads a file of a run: a regular one, since anything else may never end.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, TrainError> {
    read_regular(path).map_err(|source| TrainError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Reads a log of a run; one that is not there has no line.
pub(crate) fn read_log(path: &Path) -> Result<Vec<u8>, TrainError> {
    match read(path) {
        Err(TrainError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(Vec::new())
        }
        content => content,
    }
}
