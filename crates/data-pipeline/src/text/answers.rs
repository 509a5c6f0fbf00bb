use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;
use std::path::Path;

use super::words::WordList;
use crate::error::DataError;
use crate::files;
use crate::sample::{Answer, Sample};

/// The answers a model can give, each with its index.
///
/// By descending number of samples that have the answer, equal numbers alphabetically.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerList(WordList);

/// Decimals of a probability that count: those behind them depend on the size of the batch.
const DECIMALS: f64 = 1e6;

/// A probability without the digits that rounding of sums changes.
fn rounded(probability: f32) -> f64 {
    (f64::from(probability) * DECIMALS).round() / DECIMALS
}

impl AnswerList {
    /// Every answer of the samples with a score above 0.
    ///
    /// # Errors
    /// When there is none.
    pub fn build(samples: &[Sample]) -> Result<Self, DataError> {
        WordList::by_count(&[], samples, |sample, see| {
            let scored = sample.answers.iter().filter(|answer| answer.score > 0.0);
            scored.for_each(|answer| see(&answer.text));
        })
        .map(Self)
        .ok_or(DataError::NothingToList {
            what: "answer",
            samples: samples.len(),
        })
    }

    /// The answers of a JSON list, in its order.
    ///
    /// # Errors
    /// As for [`AnswerList::from_json`], and when the file cannot be read.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        Self::from_json(&files::text(path, files::LARGEST_LIST)?, path)
    }

    /// The answers that are the most common answer to at least `min_count` of the samples, the first `top` of them; 0 for all.
    /// If several answers of a sample are equally common, the first counts. Answers by descending count, unless the list is
    /// `fixed`: then they stay in their order.
    ///
    /// # Errors
    /// When none is left.
    pub fn limited(
        self,
        samples: &[Sample],
        min_count: usize,
        top: usize,
        fixed: bool,
    ) -> Result<Self, DataError> {
        if min_count <= 1 && top == 0 {
            return Ok(self);
        }
        let mut counts = HashMap::<&str, usize>::new();
        for sample in samples {
            let best = sample.answers.iter().rev();
            let best = best.max_by(|a, b| {
                (a.score, a.weight)
                    .partial_cmp(&(b.score, b.weight))
                    .unwrap_or(Ordering::Equal)
            });
            if let Some(best) = best {
                *counts.entry(&best.text).or_default() += 1;
            }
        }
        let count = |answer: &String| counts.get(answer.as_str()).copied().unwrap_or(0);
        let mut answers: Vec<String> = self.answers().to_vec();
        let most = answers.iter().map(count).max().unwrap_or(0);
        if min_count > 1 {
            answers.retain(|answer| count(answer) >= min_count);
        }
        if !fixed {
            // Equal counts stay in the order of the list.
            answers.sort_by_key(|answer| Reverse(count(answer)));
        }
        if top > 0 {
            answers.truncate(top);
        }
        WordList::of(answers)
            .map(Self)
            .ok_or(DataError::NoCommonAnswer {
                min_count,
                most,
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

    /// Index of the empty answer that a published list may hold. It keeps its place and is never given.
    pub fn blank(&self) -> Option<usize> {
        self.index("")
    }

    /// The `count` most probable answers that are not empty, the most probable first, equal ones in the order of the list;
    /// `probabilities` has one for each answer of the list.
    pub fn ranked(&self, probabilities: &[f32], count: usize) -> Vec<(&str, f64)> {
        let answers = self.answers().iter().zip(probabilities).enumerate();
        let mut ranked: Vec<(usize, f64)> = answers
            .filter(|(_, (answer, _))| !answer.is_empty())
            .map(|(index, (_, &probability))| (index, rounded(probability)))
            .collect();
        let order = |a: &(usize, f64), b: &(usize, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if count < ranked.len() {
            // The rest of a long list needs no order.
            ranked.select_nth_unstable_by(count, order);
            ranked.truncate(count);
        }
        ranked.sort_unstable_by(order);
        let named = ranked.into_iter();
        named
            .map(|(index, probability)| (self.answers()[index].as_str(), probability))
            .collect()
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

    /// Reads what [`AnswerList::to_json`] wrote, or a published list; `path` is named in errors. One answer may be empty, as in
    /// the list of LXMERT: it holds its place and is no answer to any question.
    ///
    /// # Errors
    /// When the text is not a JSON array of strings, or the list is empty or holds an answer twice.
    pub fn from_json(text: &str, path: &Path) -> Result<Self, DataError> {
        WordList::from_json(text, path, true).map(Self)
    }

    /// A list of one answer a line; `path` is named in errors.
    pub(crate) fn from_lines(text: &str, path: &Path) -> Result<Self, DataError> {
        WordList::from_lines(text, path).map(Self)
    }
}
