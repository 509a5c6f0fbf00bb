use std::borrow::Cow;
use std::fmt::{self, Write};

use serde::Serialize;

/// Most files that an error lists.
const MOST_LISTED: usize = 20;

/// Most lines of a file that a message names.
const MOST_NUMBERS: usize = 5;

/// A file of a data set that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// What is wrong with it.
    pub cause: String,
    /// What to do about it.
    pub cure: &'static str,
    /// Who needs it.
    pub used_by: Vec<Use>,
}

/// The samples of a split that use a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Use {
    /// Which of the splits that were checked.
    #[serde(skip)]
    pub split: usize,
    /// The file that the samples are written in, where there is one.
    pub questions: Option<String>,
    /// What is counted there: lines or entries.
    pub unit: &'static str,
    /// Numbers of the samples there.
    pub numbers: Vec<usize>,
    /// Indices of the samples in the split.
    #[serde(skip)]
    pub samples: Vec<usize>,
}

/// Files that cannot be used. As text a line each, as many as can be taken in, and the number of the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Faults(pub Vec<Fault>);

impl Fault {
    /// The file, without characters that a terminal would act on.
    pub fn name(&self) -> Cow<'_, str> {
        printable(&self.file)
    }

    /// Who needs the file, in words; empty where that is not known.
    pub fn places(&self) -> String {
        let places = self.used_by.iter().map(ToString::to_string);
        places.collect::<Vec<_>>().join("; ")
    }
}

/// `` `data/train.jsonl`, lines 2, 5 and 9 ``
impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = match (self.numbers.len(), self.unit) {
            (1, unit) => unit.to_owned(),
            (_, "entry") => "entries".to_owned(),
            (_, unit) => format!("{unit}s"),
        };
        if let Some(file) = &self.questions {
            write!(f, "`{}`, ", printable(file))?;
        }
        write!(f, "{plural} {}", listed(&self.numbers))
    }
}

/// Some of the numbers, and how many more there are: `2, 5 and 9`.
fn listed<T: ToString>(all: &[T]) -> String {
    let mut named: Vec<_> = all.iter().take(MOST_NUMBERS).map(T::to_string).collect();
    let last = match all.len() - named.len() {
        0 => named.pop().unwrap_or_default(),
        more => format!("{more} more"),
    };
    if named.is_empty() {
        return last;
    }
    format!("{} and {last}", named.join(", "))
}

/// `` `data/images/a.png`: cut off (`data/train.jsonl`, line 3) ``
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", printable(&self.file), self.cause)?;
        match self.used_by.as_slice() {
            [] => Ok(()),
            _ => write!(f, " ({})", self.places()),
        }
    }
}

/// Begins with a line feed, to stand behind a sentence.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in self.0.iter().take(MOST_LISTED) {
            write!(f, "\n  {fault}")?;
        }
        match self.0.len().saturating_sub(MOST_LISTED) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// A name without the characters that would break a line or move the cursor of a terminal.
pub(crate) fn printable(name: &str) -> Cow<'_, str> {
    if !name.contains(char::is_control) {
        return name.into();
    }
    let mut text = String::new();
    for c in name.chars() {
        if c.is_control() {
            let _ = write!(text, "{}", c.escape_default());
        } else {
            text.push(c);
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut_and_counted() {
        for (count, text) in [
            (1, "1"),
            (2, "1 and 2"),
            (5, "1, 2, 3, 4 and 5"),
            (6, "1, 2, 3, 4, 5 and 1 more"),
            (900, "1, 2, 3, 4, 5 and 895 more"),
        ] {
            assert_eq!(listed(&(1..=count).collect::<Vec<_>>()), text);
        }
        let fault = |number: usize| Fault {
            file: format!("{number}.png"),
            cause: "broken".to_owned(),
            cure: "",
            used_by: Vec::new(),
        };
        let text = Faults((0..30).map(fault).collect()).to_string();
        assert_eq!(text.lines().count(), 1 + MOST_LISTED + 1);
        assert!(text.ends_with("and 10 more"), "{text}");
    }

    #[test]
    fn names_cannot_break_a_message() {
        assert_eq!(printable("a\u{1b}[2J\nb\u{9b}"), "a\\u{1b}[2J\\nb\\u{9b}");
        assert_eq!(printable("红 色.png"), "红 色.png");
    }
}
