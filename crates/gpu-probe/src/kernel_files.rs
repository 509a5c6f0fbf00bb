//! Files in which the kernel says something of processes and memory.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where the kernel shows processes and control groups. The defaults are `/proc` and `/sys/fs/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRoots {
    /// Mount point of procfs.
    pub proc: PathBuf,
    /// Mount point of the control groups, unified (v2) or with one folder for each controller (v1).
    pub cgroup: PathBuf,
}

impl Default for HostRoots {
    fn default() -> Self {
        Self {
            proc: "/proc".into(),
            cgroup: "/sys/fs/cgroup".into(),
        }
    }
}

/// Text of a kernel file, or a reason that names it.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Text of a kernel file, where there is one.
pub(crate) fn if_exists(path: &Path) -> Result<Option<String>, String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// A number of bytes as a kernel file states it.
pub(crate) fn number(text: &str, path: &Path) -> Result<u64, String> {
    text.trim().parse().map_err(|_| {
        format!(
            "{}: {:?} is not a number of bytes",
            path.display(),
            text.trim()
        )
    })
}
