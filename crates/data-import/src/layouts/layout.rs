//! What a layout is, and what all of them check.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use crate::error::{ImportError, Place};
use crate::format::Format;
use crate::json::Input;
use crate::record::{Record, Style};
use crate::sniff::{Kind, Sniffed};

/// What questions are for in the folder that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Split {
    /// Learned from.
    Train,
    /// Chooses the best checkpoint.
    Validation,
    /// Reported.
    Test,
}

impl Split {
    /// Every split.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// Its name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// A split of a data set as it was published, such as `train` or `nominival`.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// Its name, such as `train`, `val` or `train_all`.
    pub(crate) name: String,
    /// Where it goes unless told otherwise.
    pub(crate) split: Option<Split>,
    /// What is read for it.
    pub(crate) files: Vec<PathBuf>,
    /// The part that has all its questions, where it is a portion of another one.
    pub(crate) within: Option<&'static str>,
}

impl Part {
    /// The first of its files, to be read.
    pub(super) fn input<'a>(&'a self, meter: &'a AtomicU64) -> Input<'a> {
        Input {
            path: &self.files[0],
            meter,
        }
    }
}

/// Adds a part of one file, which is named after the split that it goes to, if after any.
///
/// # Errors
///
/// When there is a part of that name.
pub(super) fn add_named(parts: &mut Vec<Part>, name: &str, path: &Path) -> Result<(), ImportError> {
    if let Some(known) = parts.iter().find(|part| part.name == name) {
        return Err(twice(name, &known.files[0], path));
    }
    parts.push(Part {
        name: name.to_owned(),
        split: match name {
            "train" => Some(Split::Train),
            "val" => Some(Split::Validation),
            "test" => Some(Split::Test),
            _ => None,
        },
        files: vec![path.to_owned()],
        within: None,
    });
    Ok(())
}

/// How a part is read.
pub(crate) struct Job<'a> {
    /// Whether answers are not asked for, so that files of them may be absent.
    pub(crate) unanswered: bool,
    pub(crate) style: &'a mut Style,
    pub(crate) meter: &'a AtomicU64,
    pub(crate) sink: &'a mut dyn FnMut(&Record<'_>) -> Result<(), ImportError>,
}

/// Lists of words by the path of the image in its folder.
pub(crate) type Words = BTreeMap<String, Vec<String>>;

/// Words that a layout has for images, each list by folder and name.
#[derive(Debug, Default)]
pub(crate) struct ImageWords {
    pub(crate) statistical: Words,
    pub(crate) attributes: Words,
}

/// A data set whose files were recognised.
pub(crate) trait Layout: Sync {
    fn format(&self) -> Format;

    fn parts(&self) -> &[Part];

    /// Reads a part: every question once, in the order of the files.
    fn read(&self, part: usize, job: &mut Job<'_>) -> Result<(), ImportError>;

    /// Where the images of a folder name lie below a base.
    fn below(&self, folder: &str) -> Vec<String> {
        vec![folder.to_owned()]
    }

    /// Whether questions have entities.
    fn has_entities(&self) -> bool {
        false
    }

    /// Words for the images of a part.
    fn words(&self, _part: usize, _meter: &AtomicU64) -> Result<Option<ImageWords>, ImportError> {
        Ok(None)
    }

    /// What a user should know of the files.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Files of a kind.
pub(super) fn of(files: &[Sniffed], kind: Kind) -> impl Iterator<Item = &Sniffed> {
    files.iter().filter(move |file| file.kind == kind)
}

/// Two files claim to be one part.
pub(super) fn twice(part: &str, one: &Path, other: &Path) -> ImportError {
    ImportError::choice(
        format!(
            "`{}` and `{}` are both the {part} split",
            one.display(),
            other.display()
        ),
        "name the files that are meant one by one instead of their folder",
    )
}

/// A file has a question twice.
pub(crate) fn repeated(questions: &Path, id: &str) -> ImportError {
    ImportError::content(
        questions,
        Place::Question(id.to_owned()),
        "the question is there a second time",
        "leave one of them out: remove it, or do not name both splits that have it",
    )
}

/// A question that says nothing.
pub(super) fn check_question(
    question: &str,
    input: Input<'_>,
    place: &Place,
) -> Result<(), ImportError> {
    if question.trim().is_empty() {
        return Err(ImportError::content(
            input.path,
            place.clone(),
            "the question is blank",
            "remove the element, or download the file again",
        ));
    }
    Ok(())
}

/// The name of an image file that stays within its folder.
pub(super) fn check_image(name: &str, input: Input<'_>, place: &Place) -> Result<(), ImportError> {
    let mut parts = Path::new(name).components().peekable();
    let within =
        parts.peek().is_some() && parts.all(|part| matches!(part, std::path::Component::Normal(_)));
    if within && !name.contains('\\') {
        return Ok(());
    }
    Err(ImportError::content(
        input.path,
        place.clone(),
        format!("`{name}` is not the path of an image within its folder"),
        "write a path without `..` that begins neither with `/` nor with a drive",
    ))
}
