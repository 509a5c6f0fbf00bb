//! Why answers cannot be written as a result.

use std::io;
use std::path::PathBuf;

use data_pipeline::Faults;
use file_kind::{counted, quoted};
use thiserror::Error;

/// Why answers cannot be written as a result.
#[derive(Debug, Error)]
pub enum PredictError {
    /// A question has no id.
    #[error("{place}: the question has no `question_id`, which `--format {format}` needs{}", and_more(*more))]
    NoId {
        /// Its place.
        place: String,
        /// The form of the result.
        format: &'static str,
        /// Further questions with a fault of their ids.
        more: usize,
    },
    /// An id is none that the form has.
    #[error("{place}: `question_id` is {id}, and `--format {format}` needs {needs}{}", and_more(*more))]
    WrongId {
        /// Place of the question.
        place: String,
        /// The id in JSON.
        id: String,
        /// The form of the result.
        format: &'static str,
        /// What it needs.
        needs: &'static str,
        /// Further questions with a fault of their ids.
        more: usize,
    },
    /// Two questions have one id.
    #[error("{place}: {what} {id} is already used by {first}{}", and_more(*more))]
    SameId {
        /// Place of the second question.
        place: String,
        /// What an id is: `question_id` or `the image`.
        what: &'static str,
        /// The id in JSON.
        id: String,
        /// Place of the first question.
        first: String,
        /// Further questions with a fault of their ids.
        more: usize,
    },
    /// Files that questions need cannot be used.
    #[error("{} of {} that the questions need cannot be used{faults}", faults.0.len(), counted(*files, "file", "files"))]
    Files {
        /// Which, and why not.
        faults: Faults,
        /// Files that were looked at.
        files: usize,
    },
    /// The model looks at region features, and a file of questions names images alone.
    #[error("this model looks at region features, which a file of `--questions` cannot give")]
    QuestionsNeedRegions,
    /// Another process writes to the file of answers.
    #[error("another `aoa predict` is writing `{}`", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The file where answers are kept until all are there is another one.
    #[error("`{}` does not hold partial answers", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Answers were begun with something else.
    #[error("`{}` holds partial answers made with {what}", path.display())]
    Stale {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// The file where answers are kept until all are there cannot be used.
    #[error("cannot write `{}`", path.display())]
    Partial {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// No question has the field.
    #[error("no question of the {split} split has a text or number in the field `{field}`")]
    NoField {
        /// The split.
        split: &'static str,
        /// The field.
        field: String,
        /// The fields that the first question has.
        there: Vec<String>,
    },
}

fn and_more(more: usize) -> String {
    match more {
        0 => String::new(),
        1 => "; 1 more question has such a fault".to_owned(),
        more => format!("; {more} more questions have such faults"),
    }
}

impl PredictError {
    /// The documented exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoId { .. } | Self::WrongId { .. } | Self::SameId { .. } | Self::Files { .. } => {
                3
            }
            Self::QuestionsNeedRegions
            | Self::Busy { .. }
            | Self::Foreign { .. }
            | Self::Stale { .. }
            | Self::NoField { .. } => 2,
            Self::Partial { .. } => 1,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::NoId { .. } => {
                "give every question the id of the official file, or write `--format jsonl`, which needs none".to_owned()
            }
            Self::WrongId { .. } => {
                "take the questions with their official ids, or write `--format jsonl`, which keeps any id".to_owned()
            }
            Self::SameId { .. } => {
                "leave one of the questions out, or write `--format jsonl`, which keeps both".to_owned()
            }
            Self::Files { .. } => {
                "repair these files, name the folder of the images by `--images DIR`, or predict for a file without their questions: \
                 `--questions FILE`".to_owned()
            }
            Self::QuestionsNeedRegions => {
                "put the questions into the data set as `test.jsonl`, bring in the features of their images with \
                 `aoa data import-features PATH --to DATASET`, and leave `--questions` out: `aoa predict RUN --split test`"
                    .to_owned()
            }
            Self::Busy { .. } => "wait until it has ended, or name another file".to_owned(),
            Self::Foreign { path } => format!("name another file, or move this one: {}", quoted(path)),
            Self::Stale { path, .. } => format!(
                "`--force` starts over; to keep these answers, name another file or move {}",
                quoted(path)
            ),
            Self::Partial { .. } => return None,
            Self::NoField { there, .. } if there.is_empty() => {
                "the questions of this split have no fields beside image, question and answers".to_owned()
            }
            Self::NoField { there, .. } => format!(
                "its first question has {}; a field within another is written as in `types.semantic`",
                there.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ")
            ),
        })
    }
}
