use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

use super::facts::ReadingFacts;
use super::normalise::{AnswerNormalisation, trimmed};
use super::votes::Votes;
use crate::sample::{Answer, Comparison};

/// How the lists of answers of a data set are read.
///
/// A list in which an answer is repeated holds votes of annotators, and so does every list of the data set that is as long
/// as such a list. In any other list each answer is right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerReading {
    /// The form of an answer that counts.
    pub normalisation: AnswerNormalisation,
    /// Lengths of the lists with repeats.
    pub vote_lengths: BTreeSet<usize>,
}

/// Answers of a list that are compared with each other one by one.
const FEW: usize = 32;

/// Answers as they stand in a line of questions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ReadAnswers<'a> {
    /// A list.
    Given(Vec<Cow<'a, str>>),
    /// An object from answer to score, in the order written.
    Scored(Vec<(Cow<'a, str>, f32)>),
}

impl ReadAnswers<'_> {
    /// Length of the list, if an answer is repeated in it.
    pub(crate) fn repeating(&self) -> Option<usize> {
        let Self::Given(given) = self else {
            return None;
        };
        let mut texts = given.iter().map(|answer| trimmed(answer));
        let repeats = if given.len() <= FEW {
            let texts: Vec<_> = texts.collect();
            (1..texts.len()).any(|place| texts[..place].contains(&texts[place]))
        } else {
            let mut seen = HashSet::new();
            texts.any(|text| !seen.insert(text))
        };
        repeats.then_some(given.len())
    }

    /// Whether no answer is given, not even a blank one.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Given(given) => given.is_empty(),
            Self::Scored(scored) => scored.is_empty(),
        }
    }
}

impl AnswerReading {
    /// What the answers are worth, each distinct one once; nothing if none is right. Beside them how others are compared
    /// with them. `facts` takes note of how they were read.
    pub(crate) fn read(
        &self,
        answers: &ReadAnswers,
        facts: &mut ReadingFacts,
    ) -> (Vec<Answer>, Comparison) {
        let mut comparison = Comparison {
            normalisation: self.normalisation,
            blank: 0.0,
        };
        let votes =
            |given: &[_]| self.vote_lengths.contains(&given.len()) || answers.repeating().is_some();
        let read = match answers {
            ReadAnswers::Given(given) if votes(given) => {
                let votes = Votes::new(given, self.normalisation);
                for (written, text) in given.iter().zip(votes.texts()) {
                    facts.note_spelling(&trimmed(written), text);
                }
                facts.blank_answers += votes.blank();
                comparison = Comparison {
                    normalisation: votes.normalisation(),
                    blank: votes.score("") as f32,
                };
                *facts.vote_lists.entry(given.len()).or_default() += 1;
                if !votes.repeats() {
                    facts.votes_without_repeats += 1;
                }
                votes.into_answers()
            }
            ReadAnswers::Given(given) => {
                facts.right_lists += 1;
                let mut right: Vec<Answer> = Vec::new();
                for text in given.iter().filter_map(|written| self.form(written, facts)) {
                    if !right.iter().any(|known| known.text == text) {
                        right.push(Answer::only(text));
                    }
                }
                let share = 1.0 / right.len() as f32;
                for answer in &mut right {
                    answer.weight = share;
                }
                right
            }
            ReadAnswers::Scored(scored) => {
                facts.scored += 1;
                let mut read: Vec<Answer> = Vec::new();
                for (written, score) in scored {
                    let Some(text) = self.form(written, facts) else {
                        continue;
                    };
                    match read.iter_mut().find(|known| known.text == text) {
                        Some(known) => known.score = known.score.max(*score),
                        None => read.push(Answer {
                            text,
                            score: *score,
                            weight: 0.0,
                        }),
                    }
                }
                let total: f32 = read.iter().map(|answer| answer.score).sum();
                if total <= 0.0 {
                    read.clear();
                }
                for answer in &mut read {
                    answer.weight = answer.score / total;
                }
                read
            }
        };
        if read.is_empty() {
            facts.none_right += 1;
        }
        (read, comparison)
    }

    /// The form of a right answer, nothing if it is blank. An answer of which normalising leaves nothing, such as the
    /// letter of a choice, stays as written.
    fn form(&self, written: &str, facts: &mut ReadingFacts) -> Option<String> {
        let written = trimmed(written);
        if written.is_empty() {
            facts.blank_answers += 1;
            return None;
        }
        let form = self.normalisation.of(&written);
        let form = if form.is_empty() {
            written.clone().into_owned()
        } else {
            form
        };
        facts.note_spelling(&written, &form);
        Some(form)
    }
}
