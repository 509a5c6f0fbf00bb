use serde::Serialize;
use serde_json::Value;

use crate::sample::Sample;

/// The answer by which a model says that a question cannot be answered.
pub const UNANSWERABLE: &str = "unanswerable";

/// Field of `VizWiz` that is 1 where a question can be answered and 0 if it cannot.
const ANSWERABLE: &str = "answerable";

/// Probability from which a question is taken to be unanswerable.
const THRESHOLD: f64 = 0.5;

/// How well a model tells that questions cannot be answered: the second task of `VizWiz`, by the rule of its published scorer.
/// Unanswerable is the positive class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Answerability {
    /// Average precision: the sum over falling thresholds of precision times gain in recall; questions of one probability are
    /// taken together. 0 to 1.
    pub average_precision: f64,
    /// Harmonic mean of precision and recall where the probability is above a half, 0 to 1; 0 if no such question is right.
    pub f1: f64,
    /// Questions that say whether they can be answered.
    pub samples: usize,
    /// Those of them that cannot.
    pub unanswerable: usize,
}

/// Questions with the probability that they are unanswerable.
#[derive(Debug, Clone, Default)]
pub struct Verdicts(Vec<(f64, bool)>);

impl Verdicts {
    /// Adds a question, if it says whether it can be answered.
    pub fn add(&mut self, sample: &Sample, probability: f64) {
        let answerable = match sample.fields.get(ANSWERABLE) {
            Some(Value::Bool(answerable)) => *answerable,
            Some(value) => match value.as_f64() {
                Some(number) => number != 0.0,
                None => return,
            },
            None => return,
        };
        self.0.push((probability, !answerable));
    }

    /// What they come to; nothing if no question is unanswerable.
    pub fn measure(mut self) -> Option<Answerability> {
        let unanswerable = self.0.iter().filter(|(_, positive)| *positive).count();
        if unanswerable == 0 {
            return None;
        }
        self.0.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut taken, mut right, mut average_precision) = (0_usize, 0_usize, 0.0);
        for equal in self.0.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
            let gained = equal.iter().filter(|(_, positive)| *positive).count();
            taken += equal.len();
            right += gained;
            let precision = right as f64 / taken as f64;
            average_precision += precision * gained as f64 / unanswerable as f64;
        }
        let said = self
            .0
            .iter()
            .filter(|(probability, _)| *probability > THRESHOLD);
        let hits = said.clone().filter(|(_, positive)| *positive).count();
        Some(Answerability {
            average_precision,
            f1: 2.0 * hits as f64 / (said.count() + unanswerable) as f64,
            samples: self.0.len(),
            unanswerable,
        })
    }
}
