use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use super::field::text;
use crate::answers::normalise_answer;
use crate::error::DataError;
use crate::sample::Sample;
use crate::source::Source;
use crate::text::AnswerList;

/// Field with the answers of which one is chosen, and with the right one of them, as imported from `Visual7W`.
const CHOICES: &str = "choices";
const RIGHT: &str = "raw_answer";

/// Field of GQA that says whether a question counts.
const BALANCED: &str = "isBalanced";

/// Kind of a question of GQA. All kinds but [`QUERY`] are binary.
const STRUCTURAL: &str = "types.structural";
const SEMANTIC: &str = "types.semantic";
const QUERY: &str = "query";

/// A published way to score answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Accuracy of VQA (Antol et al., 2015), [`Votes`](crate::Votes): of VQA v1 and v2, OK-VQA, `TextVQA` and all data sets without
    /// a metric of their own.
    Vqa,
    /// Accuracy of GQA (Hudson and Manning, 2019): exact answers to balanced questions; also of binary and of open ones.
    Gqa,
    /// Accuracy of `VizWiz` (Gurari et al., 2018), which is that of VQA, and [`Answerability`](super::Answerability).
    VizWiz,
    /// Multiple choice of `Visual7W` (Zhu et al., 2016): the most probable of four given answers.
    Visual7w,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 4] = [Self::Vqa, Self::Gqa, Self::VizWiz, Self::Visual7w];

    /// Its name in arguments and output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vqa => "vqa",
            Self::Gqa => "gqa",
            Self::VizWiz => "vizwiz",
            Self::Visual7w => "visual7w",
        }
    }

    /// The metric of a split that was imported from these layouts; nothing if they have several metrics. Visual Genome has none,
    /// so it does not count beside others.
    pub fn of_layouts(layouts: &[&str]) -> Option<Self> {
        let metrics: BTreeSet<&str> = layouts
            .iter()
            .filter_map(|layout| match *layout {
                "visual-genome" => None,
                "gqa" => Some("gqa"),
                "vizwiz" => Some("vizwiz"),
                "visual7w" => Some("visual7w"),
                _ => Some("vqa"),
            })
            .collect();
        match metrics.len() {
            0 => Some(Self::Vqa),
            1 => metrics.first()?.parse().ok(),
            _ => None,
        }
    }

    /// Fields of questions by which the published metric is also given.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Vqa => &["answer_type", "question_type"],
            Self::Gqa => &[STRUCTURAL, SEMANTIC],
            Self::VizWiz | Self::Visual7w => &["answer_type"],
        }
    }

    /// # Errors
    /// When the split has no answers, or none of its questions has what the metric needs.
    pub fn check(self, split: &dyn Source) -> Result<(), DataError> {
        let samples = split.samples();
        if !split.has_answers() {
            return Err(DataError::NoAnswers {
                split: split.place(),
            });
        }
        let lacking = |sample: &Sample| choices(sample).is_none() || right(sample).is_none();
        match self {
            Self::Visual7w => match samples.iter().position(lacking) {
                None => Ok(()),
                Some(sample) => Err(DataError::NoChoices {
                    sample: split.sample_place(sample),
                }),
            },
            Self::Vqa | Self::Gqa | Self::VizWiz => Ok(()),
        }
    }

    /// Whether a question counts: of GQA only one that is balanced, where the data set says so.
    pub fn counts(self, sample: &Sample) -> bool {
        self != Self::Gqa || sample.fields.get(BALANCED) != Some(&Value::Bool(false))
    }

    /// The portions of the questions that the metric names, such as `binary`, that a question belongs to.
    pub(super) fn portion(self, sample: &Sample) -> Option<&'static str> {
        if self != Self::Gqa {
            return None;
        }
        let open = text(sample, STRUCTURAL)? == QUERY;
        Some(if open { "open" } else { "binary" })
    }

    /// The answer that counts as the model's, with one probability for each answer of the list: the most probable one, or of given
    /// choices the most probable. A choice that is not in the list has probability 0, in the form of VQA's scorer, too. Of
    /// equal choices the first in the alphabet counts.
    pub fn answer(self, sample: &Sample, list: &AnswerList, probabilities: &[f32]) -> String {
        let given = match self {
            Self::Visual7w => choices(sample),
            Self::Vqa | Self::Gqa | Self::VizWiz => None,
        };
        let Some(mut given) = given else {
            let first = list.ranked(probabilities, 1).into_iter().next();
            return first.map_or_else(String::new, |(answer, _)| answer.to_owned());
        };
        given.sort_unstable_by_key(|choice| choice.to_lowercase());
        let mut best = (String::new(), f32::NEG_INFINITY);
        for choice in given {
            let forms = [choice.trim().to_owned(), normalise_answer(choice)];
            let listed = forms.iter().filter_map(|form| list.index(form));
            let probability = listed
                .filter_map(|index| probabilities.get(index).copied())
                .fold(0.0, f32::max);
            if probability > best.1 {
                best = (choice.to_owned(), probability);
            }
        }
        best.0
    }

    /// What an answer earns, `0.0..=1.0`. A choice is compared in lower case, any other answer as the sample says.
    pub fn score(self, sample: &Sample, answer: &str) -> f64 {
        match self {
            Self::Visual7w => {
                let right = right(sample).map(str::to_lowercase);
                f64::from(right.is_some_and(|right| right == answer.to_lowercase()))
            }
            Self::Vqa | Self::Gqa | Self::VizWiz => sample.score(answer),
        }
    }
}

fn choices(sample: &Sample) -> Option<Vec<&str>> {
    let choices = sample.fields.get(CHOICES)?.as_array()?;
    let choices: Vec<_> = choices.iter().filter_map(Value::as_str).collect();
    (!choices.is_empty()).then_some(choices)
}

fn right(sample: &Sample) -> Option<&str> {
    sample.fields.get(RIGHT)?.as_str()
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|metric| metric.name() == name.to_lowercase());
        found.ok_or_else(|| format!("expected one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}
