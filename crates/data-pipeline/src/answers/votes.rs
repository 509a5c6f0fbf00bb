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
    /// One for each annotator, in the form that counts; empty where a vote is blank.
    texts: Vec<String>,
    normalisation: AnswerNormalisation,
}

impl Votes {
    /// The votes of a question, one for each annotator. A blank vote counts among the annotators and is no answer.
    pub fn new<T: AsRef<str>>(
        given: impl IntoIterator<Item = T>,
        normalisation: AnswerNormalisation,
    ) -> Self {
        let texts: Vec<String> = given
            .into_iter()
            .map(|vote| trimmed(vote.as_ref()).into_owned())
            .collect();
        let agreed = texts.windows(2).all(|two| two[0] == two[1]);
        let normalisation = if agreed {
            AnswerNormalisation::None
        } else {
            normalisation
        };
        // Most votes repeat one before them.
        let mut forms: Vec<String> = Vec::with_capacity(texts.len());
        for (place, text) in texts.iter().enumerate() {
            let before = texts[..place].iter().rposition(|other| other == text);
            forms.push(match before {
                Some(before) => forms[before].clone(),
                None => normalisation.of(text),
            });
        }
        Self {
            texts: forms,
            normalisation,
        }
    }

    /// The form in which votes and answers are compared.
    pub fn normalisation(&self) -> AnswerNormalisation {
        self.normalisation
    }

    /// Number of annotators.
    pub fn annotators(&self) -> usize {
        self.texts.len()
    }

    /// Votes that are blank, or of which normalising leaves nothing.
    pub fn blank(&self) -> usize {
        self.count("")
    }

    /// The form of each vote that counts, in the order given; empty where the vote is blank.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// What an answer earns, `0.0..=1.0`.
    pub fn score(&self, answer: &str) -> f64 {
        self.earned(self.count(&self.normalisation.of(answer)))
    }

    /// Each distinct answer once, in order of first appearance. The weight is the answer's share of the votes that are not
    /// blank.
    pub fn answers(&self) -> Vec<Answer> {
        let votes = (self.annotators() - self.blank()) as f32;
        let mut answers: Vec<Answer> = Vec::new();
        for text in self.texts.iter().filter(|text| !text.is_empty()) {
            if !answers.iter().any(|known| known.text == *text) {
                let count = self.count(text);
                answers.push(Answer {
                    text: text.clone(),
                    score: self.earned(count) as f32,
                    weight: count as f32 / votes,
                });
            }
        }
        answers
    }

    fn count(&self, text: &str) -> usize {
        self.texts.iter().filter(|vote| *vote == text).count()
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
pub(super) fn best_score(count: usize, annotators: usize) -> f64 {
    if count == 0 {
        return 0.0;
    }
    let share = |others: usize| (others as f64 / ENOUGH).min(1.0);
    let left_out = |number: usize, others: usize| number as f64 * share(others);
    (left_out(annotators - count, count) + left_out(count, count - 1)) / annotators as f64
}
