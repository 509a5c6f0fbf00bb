//! Folders of output that have all of their files or none of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use data_pipeline::DataError;
use tempfile::TempDir;

use crate::failure::Failure;

/// A folder within the one that files are written to, from which they move to their place when all of them are there. It goes
/// with all that is in it where that does not happen, and so does the folder around it, if it was not there before.
pub struct Staging {
    to: PathBuf,
    made: bool,
    folder: Option<TempDir>,
}

impl Staging {
    /// Begins to write to a folder, which is made where it is not there.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn of(to: &Path) -> Result<Self, Failure> {
        let mut staging = Self {
            to: to.to_owned(),
            made: !to.exists(),
            folder: None,
        };
        let made = fs::create_dir_all(to);
        let within =
            made.and_then(|()| tempfile::Builder::new().prefix(".partial-").tempdir_in(to));
        let folder = within.map_err(|source| failed(to, source))?;
        staging.folder = Some(folder);
        Ok(staging)
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        self.folder.as_ref().map_or(&self.to, TempDir::path)
    }

    /// Moves everything to its place.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn publish(mut self) -> Result<(), Failure> {
        let entries = fs::read_dir(self.path()).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        for entry in entries.map_err(|source| failed(&self.to, source))? {
            let place = self.to.join(entry.file_name());
            fs::rename(entry.path(), &place).map_err(|source| failed(&place, source))?;
        }
        self.made = false;
        Ok(())
    }

    /// An error of writing here, with the place where the file would have been; any other error as it is.
    pub fn write_error(&self, error: DataError) -> Failure {
        match error {
            DataError::Io { path, source } if path.starts_with(self.path()) => {
                let name = path.strip_prefix(self.path()).unwrap_or(&path);
                failed(&self.to.join(name), source)
            }
            other => other.into(),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        self.folder = None;
        if self.made {
            // Only an empty folder goes.
            let _ = fs::remove_dir(&self.to);
        }
    }
}

fn failed(path: &Path, source: io::Error) -> Failure {
    Failure::Write {
        path: path.to_owned(),
        source,
    }
}

/// Something that lies in a folder; nothing if there is no folder.
pub fn first_entry(folder: &Path) -> Result<Option<PathBuf>, Failure> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        entries => {
            let first = entries.map_err(|source| failed(folder, source))?.next();
            let first = first.transpose().map_err(|source| failed(folder, source))?;
            Ok(first.map(|entry| entry.path()))
        }
    }
}
