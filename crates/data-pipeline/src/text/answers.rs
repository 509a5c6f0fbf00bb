use std::path::Path;

use super::words::WordList;
use crate::error::DataError;
use crate::sample::{Answer, Sample};

/// The answers a model can give, each with its index.
///
/// By descending number of samples that have the answer, equal numbers alphabetically.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerList(WordList);

impl AnswerList {
    /// Every answer of the samples with a score above 0.
    ///
    /// # Errors
    /// When there is none.
    pub fn build(samples: &[Sample]) -> Result<Self, DataError> {
        let scored = samples.iter().flat_map(|sample| &sample.answers);
        WordList::by_count(
            &[],
            scored
                .filter(|answer| answer.score > 0.0)
                .map(|answer| answer.text.clone()),
        )
        .map(Self)
        .ok_or(DataError::NothingToList {
            what: "answer",
            samples: samples.len(),
        })
    }

    /// Number of answers.
    #[expect(clippy::len_without_is_empty, reason = "an answer list is never empty")]
    pub fn len(&self) -> usize {
        self.0.words().len()
    }

    /// The answers by index.
    pub fn answers(&self) -> &[String] {
        self.0.words()
    }

    /// Index of an answer, if it is in the list.
    pub fn index(&self, answer: &str) -> Option<usize> {
        self.0.position(answer)
    }

    /// The answers of a sample that are in the list, as (answer index, score). Others cannot be given, nor learned.
    pub fn targets(&self, sample: &Sample) -> Vec<(usize, f32)> {
        self.listed(sample, |answer| answer.score)
    }

    /// The same with the weights to write the answers with, as (answer index, weight).
    pub fn weights(&self, sample: &Sample) -> Vec<(usize, f32)> {
        self.listed(sample, |answer| answer.weight)
    }

    fn listed(&self, sample: &Sample, value: impl Fn(&Answer) -> f32) -> Vec<(usize, f32)> {
        let answers = sample.answers.iter();
        answers
            .filter_map(|answer| Some((self.index(&answer.text)?, value(answer))))
            .collect()
    }

    /// The answers as a JSON array, one a line: the text of `answers.json`.
    pub fn to_json(&self) -> String {
        self.0.to_json()
    }

    /// Reads what [`AnswerList::to_json`] wrote; `path` is named in errors.
    ///
    /// # Errors
    /// When the text is not a JSON array of strings, or the list is empty or holds an answer twice.
    pub fn from_json(text: &str, path: &Path) -> Result<Self, DataError> {
        WordList::from_json(text, path).map(Self)
    }

    /// A list of one answer a line; `path` is named in errors.
    pub(crate) fn from_lines(text: &str, path: &Path) -> Result<Self, DataError> {
        WordList::from_lines(text, path).map(Self)
    }
}
