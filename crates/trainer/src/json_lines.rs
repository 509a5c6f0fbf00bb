//! Files that grow by a line of JSON at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;

use crate::error::TrainError;

/// A file that is appended to.
#[derive(Debug)]
pub(crate) struct JsonLines {
    path: PathBuf,
    file: File,
}

impl JsonLines {
    /// Opens a file, or makes it. What a process that was killed left of its last line goes.
    pub(crate) fn open(path: PathBuf) -> Result<Self, TrainError> {
        match open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(TrainError::Write { path, source }),
        }
    }

    /// Appends a line.
    pub(crate) fn append<T: Serialize>(&mut self, line: &T) -> Result<(), TrainError> {
        let line = serde_json::to_string(line).map_err(io::Error::other);
        let written = line.and_then(|line| self.file.write_all(format!("{line}\n").as_bytes()));
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

fn open(path: &PathBuf) -> io::Result<File> {
    let whole = match fs::metadata(path) {
        // A pipe would wait for a reader that may never come.
        Ok(data) if !data.is_file() => {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(_) => {
            let content = fs::read(path)?;
            let end = content.iter().rposition(|&byte| byte == b'\n');
            Some(end.map_or(0, |end| end as u64 + 1))
        }
        Err(_) => None,
    };
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    if let Some(whole) = whole {
        file.set_len(whole)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_goes_and_what_is_no_file_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lines");
        let text = || fs::read_to_string(&path).expect("the file is there");
        for (before, after) in [
            ("", "7\n"),
            ("1\n2\n", "1\n2\n7\n"),
            ("1\n2", "1\n7\n"),
            ("1", "7\n"),
        ] {
            fs::write(&path, before).expect("it is written");
            let mut lines = JsonLines::open(path.clone()).expect("it opens");
            lines.append(&7).expect("it is written");
            assert_eq!(text(), after, "{before:?}");
            assert_eq!(lines.sync().expect("it is synced"), after.len() as u64);
            lines.rewind(2).expect("it is cut");
            assert_eq!(text(), after[..2]);
        }
        let error = JsonLines::open(folder.path().to_owned()).expect_err("a folder");
        assert!(matches!(error, TrainError::Write { .. }), "{error}");
    }
}
