use crate::answers::AnswerNormalisation;
use crate::fields::Fields;

/// The part a set of samples plays in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// Learned from.
    Train,
    /// Held out of training; decides which checkpoint is best.
    Validation,
    /// Looked at once, at the end.
    Test,
}

impl Split {
    /// Its name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// One question about one image with its answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Index of the image in its [`Source`](crate::Source).
    pub image: usize,
    /// The question as asked.
    pub question: String,
    /// Right answers, each once; none if no answer is right, or the data set gives none, as in the test split of a challenge:
    /// [`Source::has_answers`](crate::Source::has_answers) tells these apart.
    pub answers: Vec<Answer>,
    /// How an answer is compared with the right ones.
    pub comparison: Comparison,
    /// What the question speaks of, as words or phrases; none if the data set does not say.
    pub entities: Vec<String>,
    /// What else the data set has with the question, such as `question_id`: not used, but given back with whatever is
    /// written about the sample.
    pub fields: Fields,
}

impl Sample {
    /// What an answer earns, `0.0..=1.0`: the score of the right answer that it is, as it stands or in the form that counts.
    pub fn score(&self, answer: &str) -> f64 {
        let score = |text: &str| {
            let right = self.answers.iter().find(|right| right.text == text)?;
            Some(decimal(right.score))
        };
        let form = || match self.comparison.normalisation.of(answer).as_str() {
            "" => Some(decimal(self.comparison.blank)),
            form => score(form),
        };
        score(answer).or_else(form).unwrap_or(0.0)
    }
}

/// How an answer to a question is compared with the right ones.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Comparison {
    /// The form that counts. It is none if all annotators wrote the same text.
    pub normalisation: AnswerNormalisation,
    /// What an answer earns that is blank in this form: more than 0 if votes are blank.
    pub blank: f32,
}

/// The number with the digits that the score is written with, so that sums of `0.3` are exact to rounding in `f64`.
fn decimal(score: f32) -> f64 {
    score.to_string().parse().unwrap_or(f64::from(score))
}

/// A right answer to a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The answer.
    pub text: String,
    /// How right it is, `0.0..=1.0`: the target of a classifier, and what giving the answer earns.
    pub score: f32,
    /// Its part in what a decoder learns to write, `0.0..=1.0`; the weights of a sample's answers sum to 1.
    pub weight: f32,
}

impl Answer {
    /// The one answer to a question.
    pub fn only(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            score: 1.0,
            weight: 1.0,
        }
    }
}
