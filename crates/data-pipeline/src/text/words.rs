use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::Path;

use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use crate::error::DataError;

/// Texts whose words are counted together.
const STRETCH: usize = 16_384;

/// Distinct words, each with its position. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WordList {
    words: Vec<String>,
    positions: HashMap<String, usize>,
}

impl WordList {
    /// The words of `front`, then the distinct words of all `texts` by descending count, equal counts alphabetically; nothing
    /// where there are none to count. Texts are split side by side.
    pub(super) fn by_count<T: Sync>(
        front: &[&str],
        texts: &[T],
        each_word: impl Fn(&T, &mut dyn FnMut(&str)) + Sync,
    ) -> Option<Self> {
        let count = |mut counts: HashMap<String, usize>, text: &T| {
            each_word(text, &mut |word| match counts.get_mut(word) {
                Some(count) => *count += 1,
                None => _ = counts.insert(word.to_owned(), 1),
            });
            counts
        };
        let add = |mut all: HashMap<String, usize>, counts: HashMap<String, usize>| {
            for (word, count) in counts {
                *all.entry(word).or_default() += count;
            }
            all
        };
        // Long stretches: each has counts of its own.
        let counts = texts.par_iter().with_min_len(STRETCH);
        let counts = counts.fold(HashMap::new, count).reduce(HashMap::new, add);
        let mut counted: Vec<_> = counts.into_iter().collect();
        counted.sort_unstable_by(|(a, m), (b, n)| (Reverse(m), a).cmp(&(Reverse(n), b)));
        if counted.is_empty() {
            return None;
        }
        let front = front.iter().map(|word| (*word).to_owned());
        let words: Vec<_> = front
            .chain(counted.into_iter().map(|(word, _)| word))
            .collect();
        let positions = words.iter().cloned().zip(0..).collect();
        Some(Self { words, positions })
    }

    /// Distinct words in this order; nothing if there are none.
    pub(super) fn of(words: Vec<String>) -> Option<Self> {
        let positions = words.iter().cloned().zip(0..).collect();
        (!words.is_empty()).then_some(Self { words, positions })
    }

    pub(super) fn words(&self) -> &[String] {
        &self.words
    }

    pub(super) fn position(&self, word: &str) -> Option<usize> {
        self.positions.get(word).copied()
    }

    /// A JSON array, one word a line.
    pub(super) fn to_json(&self) -> String {
        let lines: Vec<_> = self
            .words
            .iter()
            .map(|word| format!("  {}", serde_json::Value::from(word.as_str())))
            .collect();
        format!("[\n{}\n]\n", lines.join(",\n"))
    }

    /// A JSON array of distinct words. With `blank`, one of them may be empty.
    pub(super) fn from_json(text: &str, path: &Path, blank: bool) -> Result<Self, DataError> {
        let words: Vec<String> =
            serde_json::from_str(text).map_err(|error| DataError::json(path, &error))?;
        Self::distinct(words, path, blank)
    }

    /// One word a line.
    pub(super) fn to_lines(&self) -> String {
        let words = self.words.iter();
        words.flat_map(|word| [word.as_str(), "\n"]).collect()
    }

    /// Reads what [`WordList::to_lines`] wrote.
    pub(super) fn from_lines(text: &str, path: &Path) -> Result<Self, DataError> {
        let lines = text.lines().map(|line| line.trim_end().to_owned());
        Self::from_words(lines.collect(), path).map_err(DataError::by_line)
    }

    /// # Errors
    /// When there is no word, an empty word, or one twice.
    pub(super) fn from_words(words: Vec<String>, path: &Path) -> Result<Self, DataError> {
        Self::distinct(words, path, false)
    }

    fn distinct(words: Vec<String>, path: &Path, blank: bool) -> Result<Self, DataError> {
        if words.is_empty() {
            return Err(DataError::EmptyList {
                path: path.to_owned(),
            });
        }
        let mut positions = HashMap::with_capacity(words.len());
        for (entry, word) in words.iter().enumerate() {
            if word.trim().is_empty() && !(blank && word.is_empty()) {
                return Err(DataError::Entry {
                    path: path.to_owned(),
                    entry,
                    expected: "a word",
                    found: word.clone(),
                });
            }
            // White space around an answer does not count.
            let counts = if blank { word.trim() } else { word.as_str() };
            if positions.insert(counts, entry).is_some() {
                return Err(DataError::DuplicateEntry {
                    path: path.to_owned(),
                    entry,
                    word: word.clone(),
                });
            }
        }
        Ok(Self::of(words).expect("there is a word"))
    }
}
