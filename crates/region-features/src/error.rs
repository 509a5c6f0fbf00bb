use std::io;
use std::path::{Path, PathBuf};

use file_kind::FileKind;

/// Why a file of region features cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused.
    #[error("cannot access `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is something else.
    #[error("`{}` is {kind}, not a file of region features", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: FileKind,
    },
    /// The file is damaged, or of a version that is not read.
    #[error("`{}`{place}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in the file, with a comma in front; empty for the whole file.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// A number that 16 bits cannot hold.
    #[error("{number} is too large for 16 bits, which hold up to 65504")]
    TooLarge {
        /// The number.
        number: f32,
    },
    /// What is to be added does not fit to what is there.
    #[error("{problem}")]
    Unfit {
        /// What does not fit.
        problem: String,
    },
    /// There is a file of this name.
    #[error("`{}` is there already", path.display())]
    Occupied {
        /// The file.
        path: PathBuf,
    },
    /// Another program writes this file.
    #[error("another import is writing `{}`", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
}

impl StoreError {
    /// What to do about it, as an instruction.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Foreign { kind, .. } => kind
                .cure()
                .or(Some("import features with `aoa data import-features`")),
            Self::Damaged { .. } => {
                Some("copy the file again, or import it again with `aoa data import-features`")
            }
            Self::TooLarge { .. } => Some("keep the features in 32 bits: `--dtype f32`"),
            Self::Occupied { .. } => Some("remove it, or give the new file another `--name`"),
            Self::Busy { .. } => Some("wait until it has ended"),
            Self::Io { .. } | Self::Unfit { .. } => None,
        }
    }

    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn damaged(path: &Path, place: &str, problem: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            place: place.to_owned(),
            problem: problem.into(),
        }
    }
}
