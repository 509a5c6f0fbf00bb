//! Files that grow by a line of JSON at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use file_kind::read_regular;
use serde::Serialize;

use crate::error::TrainError;
use crate::run_dir::durable;

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

    /// Appends a line, or nothing.
    ///
    /// # Errors
    ///
    /// When the file system refuses, and when the file was removed or replaced since it was opened.
    pub(crate) fn append<T: Serialize>(&mut self, line: &T) -> Result<(), TrainError> {
        let line = serde_json::to_string(line).map_err(io::Error::other);
        let lines = line.map(|line| format!("{line}\n"));
        self.require_in_place()?;
        let written = lines.and_then(|lines| self.write(lines.as_bytes()));
        self.or_write_error(written)
    }

    /// Brings the file to the disk.
    pub(crate) fn sync(&self) -> Result<(), TrainError> {
        self.require_in_place()?;
        self.or_write_error(self.file.sync_all())
    }

    /// The lines.
    pub(crate) fn read(&self) -> Result<Vec<u8>, TrainError> {
        read_regular(&self.path).map_err(|source| TrainError::Read {
            path: self.path.clone(),
            source,
        })
    }

    /// Moves the lines that `leaves` chooses to the end of another file. A process that is killed meanwhile leaves them in
    /// both at worst.
    pub(crate) fn move_lines(
        &mut self,
        to: &Path,
        leaves: impl Fn(&[u8]) -> bool,
    ) -> Result<(), TrainError> {
        self.require_in_place()?;
        let text = self.read()?;
        let lines = text.split_inclusive(|&byte| byte == b'\n');
        let (moved, kept): (Vec<_>, Vec<_>) = lines.partition(|line| leaves(line));
        if moved.is_empty() {
            return Ok(());
        }
        let mut other = Self::open(to.to_owned())?;
        let written = other.write(&moved.concat());
        other.or_write_error(written)?;
        other.sync()?;
        let replaced = durable::write(&self.path, &kept.concat()).and_then(|()| open(&self.path));
        self.file = self.or_write_error(replaced)?;
        Ok(())
    }

    /// Writes all or nothing.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let end = self.file.metadata()?.len();
        self.file.write_all(lines).inspect_err(|_| {
            // Where this fails as well, the next process cuts the line that is not whole.
            let _ = self.file.set_len(end);
        })
    }

    fn require_in_place(&self) -> Result<(), TrainError> {
        match durable::is_at(&self.file, &self.path) {
            Ok(true) => Ok(()),
            Ok(false) => Err(TrainError::moved(&self.path)),
            Err(source) => Err(TrainError::Read {
                path: self.path.clone(),
                source,
            }),
        }
    }

    fn or_write_error<T>(&self, result: io::Result<T>) -> Result<T, TrainError> {
        result.map_err(|source| TrainError::Write {
            path: self.path.clone(),
            source,
        })
    }
}

fn open(path: &Path) -> io::Result<File> {
    let whole = match fs::metadata(path) {
        // A pipe would wait for a reader that may never come.
        Ok(data) if !data.is_file() => {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(_) => {
            let content = read_regular(path)?;
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
            lines.sync().expect("it is synced");
            assert_eq!(text(), after, "{before:?}");
        }
        let error = JsonLines::open(folder.path().to_owned()).expect_err("a folder");
        assert!(matches!(error, TrainError::Write { .. }), "{error}");
    }

    #[test]
    fn lines_move_and_the_rest_grows_on() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [path, other] = ["lines", "other"].map(|name| folder.path().join(name));
        fs::write(&path, "1\n2\n3\n4\n").expect("it is written");
        let mut lines = JsonLines::open(path.clone()).expect("it opens");
        let odd = |line: &[u8]| line == b"1\n" || line == b"3\n";
        lines.move_lines(&other, odd).expect("they move");
        lines.append(&5).expect("it is written");
        lines.move_lines(&other, |_| false).expect("nothing moves");
        let text = |path| fs::read_to_string(path).expect("the file is there");
        assert_eq!(text(path), "2\n4\n5\n");
        assert_eq!(text(other), "1\n3\n");
    }

    #[test]
    fn a_file_that_is_gone_or_another_one_is_not_written_to() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lines");
        let changes: [fn(&Path) -> io::Result<()>; 2] = [
            |path| fs::remove_file(path),
            |path| {
                // The new file is there first, so that it is another one.
                let new = path.with_extension("new");
                fs::write(&new, "")?;
                fs::rename(new, path)
            },
        ];
        for (change, says) in changes.into_iter().zip(["removed", "replaced"]) {
            let mut lines = JsonLines::open(path.clone()).expect("it opens");
            lines.append(&1).expect("it is written");
            change(&path).expect("it is changed");
            let error = lines.append(&2).expect_err("it is not in place");
            assert!(error.to_string().contains(says), "{error}");
            assert!(lines.sync().is_err());
        }
    }
}
