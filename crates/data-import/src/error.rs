use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use file_kind::FileKind;
use region_features::StoreError;

/// Why an import did not happen. Nothing was written then.
///
/// The message says what was found and where; [`ImportError::hint`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A file or folder could not be read or written.
    #[error("cannot access `{}`", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// What is to be written could not be.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// Something else took the place of a file.
    #[error("`{}` is {kind}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: FileKind,
    },

    /// A file is not JSON, or not the JSON that its layout has.
    #[error("`{}`, line {line}, column {column}{}: {problem}", path.display(), in_element(*element))]
    Json {
        /// The file.
        path: PathBuf,
        /// Line of the problem, from 1.
        line: usize,
        /// Column of the problem, from 1.
        column: usize,
        /// The element of the file's list that has the problem, from 0.
        element: Option<usize>,
        /// What the parser says.
        problem: String,
    },

    /// The content of a file is not what its layout has.
    #[error("`{}`{place}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        place: Place,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        cure: String,
    },

    /// What was asked for cannot be done with the files that there are.
    #[error("{problem}")]
    Choice {
        /// What cannot be done, and why.
        problem: String,
        /// What to do about it.
        cure: String,
    },

    /// The folder that is to be written holds something.
    #[error("`{}` is there already; nothing was written", path.display())]
    Occupied {
        /// What is there.
        path: PathBuf,
    },

    /// The file of region features cannot be written, or one that is read is damaged.
    #[error(transparent)]
    Features(#[from] StoreError),

    /// Another process writes the folder at this moment.
    #[error("another process is writing `{}`", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
}

/// A place within a file, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The whole file.
    File,
    /// A line, from 1.
    Line(usize),
    /// An element of the file's list, from 0.
    Element(usize),
    /// The question with this id.
    Question(String),
    /// The image with this id.
    Image(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => Ok(()),
            Self::Line(line) => write!(f, ", line {line}"),
            Self::Element(element) => write!(f, ", element {element}"),
            Self::Question(id) => write!(f, ", question {id}"),
            Self::Image(id) => write!(f, ", image {id}"),
        }
    }
}

fn in_element(element: Option<usize>) -> String {
    element.map_or_else(String::new, |element| format!(" (element {element})"))
}

impl ImportError {
    /// What to do about it, as an instruction.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Content { cure, .. } | Self::Choice { cure, .. } => Some(cure.clone()),
            Self::Foreign { kind, .. } => kind.cure().map(str::to_owned),
            Self::Json { problem, .. } if problem.starts_with("EOF") => Some(
                "the file ends too early: download it again, and unpack it whole".to_owned(),
            ),
            Self::Json { .. } => Some(
                "compare the element with the layout in docs/real-data.md, or download the file again"
                    .to_owned(),
            ),
            Self::Occupied { .. } => Some("name a new or an empty folder".to_owned()),
            Self::Busy { .. } => Some("wait until it has ended, or name another folder".to_owned()),
            Self::Features(error) => error.hint().map(str::to_owned),
            Self::Write { .. } => Some(
                "name a folder that this user may write, on a disk with room for it".to_owned(),
            ),
            Self::Io { .. } => None,
        }
    }

    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn write(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Write {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn content(
        path: &Path,
        place: Place,
        problem: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self::Content {
            path: path.to_owned(),
            place,
            problem: problem.into(),
            cure: cure.into(),
        }
    }

    pub(crate) fn choice(problem: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::Choice {
            problem: problem.into(),
            cure: cure.into(),
        }
    }
}
