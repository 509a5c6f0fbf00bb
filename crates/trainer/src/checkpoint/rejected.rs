//! Checkpoints that cannot be used.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A checkpoint that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
    /// What kind of fault that is.
    pub flaw: Flaw,
}

/// Why a checkpoint cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Its folder is not there.
    Gone,
    /// The system does not let this process read it; it may be whole.
    Unreadable,
    /// It is not what was saved.
    Damaged,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl Rejected {
    pub(crate) fn gone(path: PathBuf) -> Self {
        Self {
            path,
            reason: "it is gone".to_owned(),
            flaw: Flaw::Gone,
        }
    }

    pub(super) fn unreadable(path: PathBuf, error: &io::Error) -> Self {
        Self {
            path,
            reason: error.to_string(),
            flaw: Flaw::Unreadable,
        }
    }
}
