use super::normalise::{AnswerNormalisation, trimmed};
use crate::sample::Answer;

/// Equal votes of other annotators that make an answer right in full.
const ENOUGH: f64 = 3.0;

/// What annotators answered to a question, scored by the official rule of VQA for any number of annotators.
///
/// The score of an answer is the mean over the annotators, each left out once, of min(1, equal votes of the others / 3).
/// Among ten annotators that is 0.3 for one vote, 0.6, 0.9, and 1 from four votes on. Where all votes are the same text
/// but for white space around it, nothing is normalised, neither the votes nor what is compared with them.
///
/// ```
/// use data_pipeline::{AnswerNormalisation, Votes};
///
/// let given = ["Two.", "2", "2", "two", "three", "3", "", "4", "4", "4"];
/// let votes = Votes::new(given, AnswerNormalisation::Vqa);
/// assert!((votes.score("two") - 1.0).abs() < 1e-9);
/// assert!((votes.score("3") - 0.6).abs() < 1e-9);
/// assert_eq!((votes.annotators(), votes.blank()), (10, 1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Votes {
    /// The distinct forms that count, in order of first appearance; empty where a vote is blank.
    forms: Vec<String>,
    /// For each annotator, which of the forms the vote has.
    form_of: Vec<usize>,
    /// Whether two votes are the same text but for white space around it.
    repeats: bool,
    normalisation: AnswerNormalisation,
}

impl Votes {
    /// The votes of a question, one for each annotator. A blank vote counts among the annotators and is no answer.
    pub fn new<T: AsRef<str>>(
        given: impl IntoIterator<Item = T>,
        normalisation: AnswerNormalisation,
    ) -> Self {
        let given: Vec<T> = given.into_iter().collect();
        let texts: Vec<_> = given.iter().map(|vote| trimmed(vote.as_ref())).collect();
        let agreed = texts.windows(2).all(|two| two[0] == two[1]);
        let normalisation = if agreed {
            AnswerNormalisation::None
        } else {
            normalisation
        };
        let mut repeats = false;
        let mut forms: Vec<String> = Vec::new();
        let mut form_of: Vec<usize> = Vec::with_capacity(texts.len());
        for (place, text) in texts.iter().enumerate() {
            // Most votes repeat one before them.
            let before = texts[..place].iter().rposition(|other| other == text);
            repeats |= before.is_some();
            form_of.push(before.map_or_else(
                || {
                    let form = normalisation.of(text);
                    let known = forms.iter().position(|known| *known == form);
                    known.unwrap_or_else(|| {
                        forms.push(form);
                        forms.len() - 1
                    })
                },
                |before| form_of[before],
            ));
        }
        Self {
            forms,
            form_of,
            repeats,
            normalisation,
        }
    }

    /// The form in which votes and answers are compared.
    pub fn normalisation(&self) -> AnswerNormalisation {
        self.normalisation
    }

    /// Number of annotators.
    pub fn annotators(&self) -> usize {
        self.form_of.len()
    }

    /// Votes that are blank, or of which normalising leaves nothing.
    pub fn blank(&self) -> usize {
        self.count("")
    }

    /// The form of each vote that counts, in the order given; empty where the vote is blank.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.form_of.iter().map(|&form| &*self.forms[form])
    }

    /// What an answer earns, `0.0..=1.0`.
    pub fn score(&self, answer: &str) -> f64 {
        self.earned(self.count(&self.normalisation.of(answer)))
    }

    /// Each distinct answer once, in order of first appearance. The weight is the answer's share of the votes that are not
    /// blank.
    pub fn answers(&self) -> Vec<Answer> {
        self.clone().into_answers()
    }

    pub(super) fn into_answers(mut self) -> Vec<Answer> {
        let votes = (self.annotators() - self.blank()) as f32;
        let forms = std::mem::take(&mut self.forms).into_iter().enumerate();
        forms
            .filter(|(_, text)| !text.is_empty())
            .map(|(form, text)| {
                let count = self.count_form(form);
                Answer {
                    text,
                    score: self.earned(count) as f32,
                    weight: count as f32 / votes,
                }
            })
            .collect()
    }

    pub(super) fn repeats(&self) -> bool {
        self.repeats
    }

    fn count(&self, text: &str) -> usize {
        let form = self.forms.iter().position(|form| form == text);
        form.map_or(0, |form| self.count_form(form))
    }

    fn count_form(&self, form: usize) -> usize {
        self.form_of.iter().filter(|vote| **vote == form).count()
    }

    /// The score of an answer that `count` annotators gave.
    fn earned(&self, count: usize) -> f64 {
        best_score(count, self.annotators())
    }
}

impl Answer {
    /// What annotators answered, each distinct answer once, in order of first appearance: [`Votes::answers`] without
    /// normalising.
    ///
    /// ```
    /// let given = ["red", "pink", "red", "red", "red", "rose", "red", "red", "pink", "red"];
    /// let answers = data_pipeline::Answer::of_annotators(given);
    /// assert_eq!(answers[1].text, "pink");
    /// assert_eq!((answers[1].score, answers[1].weight), (0.6, 0.2));
    /// ```
    pub fn of_annotators<T: AsRef<str>>(given: impl IntoIterator<Item = T>) -> Vec<Self> {
        Votes::new(given, AnswerNormalisation::None).answers()
    }
}

/// The score of an answer that `count` of `annotators` gave.
pub(crate) fn best_score(count: usize, annotators: usize) -> f64 {
    if count == 0 {
        return 0.0;
    }
    let share = |others: usize| (others as f64 / ENOUGH).min(1.0);
    let left_out = |number: usize, others: usize| number as f64 * share(others);
    (left_out(annotators - count, count) + left_out(count, count - 1)) / annotators as f64
}
