//! What can be wrong with a configuration. All of it is reported at once.

use std::{collections::BTreeSet, error::Error, fmt, ops::Range, sync::Arc};

use crate::source::{Origin, Source, StatedKey};

/// Texts longer than this are not read, in bytes. A configuration has a few kilobytes.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// Brackets deeper than this, and keys of more parts, are not read. A configuration has a depth of two.
pub const MAX_DEPTH: usize = 16;

/// Errors reported for one text; a file that is no configuration at all would have one a line.
pub const MAX_ERRORS: usize = 50;

/// What is wrong, with the values that show it. Exhaustive, so that whoever sorts problems has to sort a new one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// The text is longer than [`MAX_TEXT_BYTES`].
    #[error("the text has {bytes} bytes, more than the {MAX_TEXT_BYTES} that are read")]
    TooLarge {
        /// Length of the text.
        bytes: usize,
    },
    /// Brackets or dotted keys go deeper than [`MAX_DEPTH`].
    #[error("nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// The text has more than [`MAX_ERRORS`] errors.
    #[error("more errors follow; the first {MAX_ERRORS} are shown")]
    TooMany,
    /// Not TOML.
    #[error("not valid TOML: {reason}")]
    Syntax {
        /// What the parser says.
        reason: String,
    },
    /// YAML that is not valid, or has what is not read.
    #[error("cannot be read as YAML: {reason}")]
    Yaml {
        /// What is wrong.
        reason: String,
    },
    /// YAML that states nothing that the program knows.
    #[error("none of its keys was taken, so it makes no preset")]
    NothingTaken,
    /// A key is stated twice in one text.
    #[error("`{key}` is stated twice")]
    DuplicateKey {
        /// The key as written.
        key: String,
    },
    /// The argument of `--set` is not `section.key=value`.
    #[error("`{text}` is not of the form section.key=value")]
    NotAnAssignment {
        /// The argument.
        text: String,
    },
    /// There is no such section.
    #[error("unknown section `{section}`")]
    UnknownSection {
        /// The section as written.
        section: String,
    },
    /// There is no such key.
    #[error("unknown key `{key}`")]
    UnknownKey {
        /// The key as written, with its section if it has one.
        key: String,
    },
    /// `extends` in the environment or in `--set`.
    #[error("`extends` can only be stated in a file")]
    ExtendsOutsideFile,
    /// The value has another type than the key.
    #[error("`{key}` must be {expected}, got {got}")]
    WrongType {
        /// The key.
        key: String,
        /// The type of the key.
        expected: String,
        /// The type of the value.
        got: String,
    },
    /// The number lies outside the range of the key, or is not finite.
    #[error("`{key}` = {value} is out of range: expected {expected}")]
    OutOfRange {
        /// The key.
        key: String,
        /// The value as written.
        value: String,
        /// The range, in words.
        expected: String,
    },
    /// A list is too short or too long.
    #[error("`{key}` has {got} elements: expected {expected}")]
    WrongLength {
        /// The key.
        key: String,
        /// Number of elements.
        got: usize,
        /// The range, in words.
        expected: String,
    },
    /// The string is none of those the key takes.
    #[error("`{key}` cannot be \"{value}\"")]
    UnknownValue {
        /// The key.
        key: String,
        /// The value as written.
        value: String,
    },
    /// The string does not have the form the key asks for.
    #[error("`{key}` cannot be \"{value}\": expected {expected}")]
    Malformed {
        /// The key.
        key: String,
        /// The value as written.
        value: String,
        /// The form, in words.
        expected: String,
    },
    /// No preset has that name.
    #[error("unknown preset `{name}`")]
    UnknownPreset {
        /// The name as written.
        name: String,
    },
    /// Presets extend one another in a circle.
    #[error("`extends` is circular: {}", .chain.join(" -> "))]
    ExtendsCycle {
        /// The presets, from the one that was asked for to the one that closes the circle.
        chain: Vec<String>,
    },
    /// The preset asked for is not the one that the user's file extends.
    #[error("preset `{stated}` was asked for, but the file extends `{extends}`")]
    PresetConflict {
        /// The preset asked for.
        stated: String,
        /// The preset that the file extends.
        extends: String,
    },
    /// Two keys whose values cannot work together.
    #[error("{first} {verb} {second}")]
    Incompatible {
        /// The key that asks too much.
        first: StatedKey,
        /// What it does to the other.
        verb: &'static str,
        /// The key in its way.
        second: StatedKey,
    },
    /// One layer states both spellings of accumulation, and they differ.
    #[error(
        "`training.update_freq` = {update_freq} ({update_freq_origin}) and \
         `memory_optimization.gradient_accumulation_steps` = {steps} ({steps_origin}) are one fact and must be equal"
    )]
    AccumulationDiffers {
        /// `training.update_freq`.
        update_freq: u64,
        /// Who stated it.
        update_freq_origin: Origin,
        /// `memory_optimization.gradient_accumulation_steps`.
        steps: u64,
        /// Who stated it.
        steps_origin: Origin,
    },
    /// The checked values do not make a [`Config`](crate::Config): schema and structs disagree, which is a defect of
    /// this crate.
    #[error("the checked values do not make a configuration: {reason}")]
    Inconsistent {
        /// What serde says.
        reason: String,
    },
}

impl Problem {
    /// The verb of [`Incompatible`](Self::Incompatible) keys of which the first should divide the second.
    pub const DOES_NOT_DIVIDE: &'static str = "does not divide";
}

/// One error and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigError {
    /// The text with the error, whole; `None` where the caller stated the value without a text.
    pub source: Option<Arc<Source>>,
    /// Bytes of the text that are at fault.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub problem: Problem,
    /// How to cure it.
    pub help: Option<String>,
}

impl ConfigError {
    /// An error in a text that the caller names later, as [`Draft::refuse`](crate::Draft::refuse) does.
    pub fn at(span: Range<usize>, problem: Problem, help: Option<String>) -> Self {
        Self {
            source: None,
            span: Some(span),
            problem,
            help,
        }
    }

    /// What is wrong, in one line, without place and cure.
    pub fn message(&self) -> String {
        self.problem.to_string()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            write!(f, "{}:", source.name)?;
            if let Some(span) = &self.span {
                let (line, column) = source.line_column(span.start);
                write!(f, "{line}:{column}:")?;
            }
            f.write_str(" ")?;
        }
        write!(f, "{}", self.problem)
    }
}

/// All errors of a resolution, at least one: those of the preset before those of presets it extends, then of the user's
/// file, the environment and `--set`, each by place within its text; last those that concern several keys.
///
/// [`Display`](fmt::Display) prints one line an error: `name:line:column: message`.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigErrors {
    /// Every error that was found.
    pub errors: Vec<ConfigError>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl Error for ConfigErrors {}

/// Collects errors while the rest is still read.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) errors: Vec<ConfigError>,
    /// Keys whose value is not known because a statement of them is at fault. A rule that reads one is not applied:
    /// it would judge a value that nobody wrote.
    pub(crate) unknown: BTreeSet<&'static str>,
    /// A text or preset could not be read, so any key may be missing and no rule is applied.
    pub(crate) incomplete: bool,
}

impl Report {
    /// Adds the errors of one text, ordered by place and cut off at [`MAX_ERRORS`].
    pub(crate) fn text(&mut self, source: &Arc<Source>, mut found: Vec<Found>) {
        found.sort_by_key(|found| found.span.start);
        if found.len() > MAX_ERRORS {
            let at = found[MAX_ERRORS].span.clone();
            found.truncate(MAX_ERRORS);
            let help = "mend these first".to_owned();
            found.push(Found::new(at, Problem::TooMany).help(help));
        }
        self.errors
            .extend(found.into_iter().map(|found| ConfigError {
                source: Some(Arc::clone(source)),
                span: Some(found.span),
                problem: found.problem,
                help: found.help,
            }));
    }
}

/// An error at a place of the text being read.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) span: Range<usize>,
    pub(crate) problem: Problem,
    pub(crate) help: Option<String>,
}

impl Found {
    pub(crate) fn new(span: Range<usize>, problem: Problem) -> Self {
        Self {
            span,
            problem,
            help: None,
        }
    }

    /// For an error found in a piece of the text that starts at byte `start`.
    pub(crate) fn shifted(mut self, start: usize) -> Self {
        self.span = self.span.start + start..self.span.end + start;
        self
    }

    pub(crate) fn help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into();
        self
    }
}

/// A piece of the user's text fit for a one-line message: control characters escaped, and cut after 60 characters.
pub fn excerpt(text: &str) -> String {
    const LIMIT: usize = 60;
    let mut shown = String::new();
    for (index, letter) in text.chars().enumerate() {
        if index == LIMIT {
            shown.push('…');
            break;
        }
        if letter.is_control() {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}
