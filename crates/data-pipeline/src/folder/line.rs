use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::sample::Answer;

/// Answers of a list that are those of annotators, to be counted.
const ANNOTATORS: usize = 10;

/// Most answers of a question.
const MAX_ANSWERS: usize = 1000;

/// A line of questions.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) image: String,
    pub(super) question: String,
    pub(super) answers: Answers,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) entities: Option<Vec<String>>,
}

/// Answers as they are written down, but for white space around them.
#[derive(Debug)]
pub(super) enum Answers {
    /// A list.
    Given(Vec<String>),
    /// An object from answer to score, in the order written.
    Scored(Vec<(String, f32)>),
}

impl Answers {
    /// Text of every answer.
    pub(super) fn texts(&self) -> impl Iterator<Item = &String> {
        let (given, scored) = match self {
            Self::Given(given) => (given.as_slice(), &[][..]),
            Self::Scored(scored) => (&[][..], scored.as_slice()),
        };
        given.iter().chain(scored.iter().map(|(text, _)| text))
    }

    /// Whether there is an answer with a score above 0.
    pub(super) fn scores(&self) -> bool {
        match self {
            Self::Given(given) => !given.is_empty(),
            Self::Scored(scored) => scored.iter().any(|(_, score)| *score > 0.0),
        }
    }

    /// Ten answers of a list are scored as those of annotators; of another number each is right. A score is the share of
    /// the sum of scores as a weight.
    pub(super) fn into_answers(self) -> Vec<Answer> {
        match self {
            Self::Given(given) => {
                let mut answers = Answer::of_annotators(&given);
                if given.len() != ANNOTATORS {
                    for answer in &mut answers {
                        answer.score = 1.0;
                    }
                }
                answers
            }
            Self::Scored(scored) => {
                let total: f32 = scored.iter().map(|(_, score)| score).sum();
                let answer = |(text, score)| Answer {
                    text,
                    score,
                    weight: score / total,
                };
                scored.into_iter().map(answer).collect()
            }
        }
    }
}

impl From<&[Answer]> for Answers {
    fn from(answers: &[Answer]) -> Self {
        match answers {
            [only] if (only.score - 1.0).abs() < f32::EPSILON => {
                Self::Given(vec![only.text.clone()])
            }
            several => {
                let scored = several
                    .iter()
                    .map(|answer| (answer.text.clone(), answer.score));
                Self::Scored(scored.collect())
            }
        }
    }
}

impl Serialize for Answers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Given(given) => given.serialize(serializer),
            Self::Scored(scored) => {
                let mut map = serializer.serialize_map(Some(scored.len()))?;
                for (text, score) in scored {
                    map.serialize_entry(text, score)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Answers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnswersVisitor)
    }
}

struct AnswersVisitor;

fn room_for_more<E: Error>(answers: usize) -> Result<(), E> {
    if answers < MAX_ANSWERS {
        Ok(())
    } else {
        Err(E::custom(format!(
            "a question has at most {MAX_ANSWERS} answers"
        )))
    }
}

impl<'de> Visitor<'de> for AnswersVisitor {
    type Value = Answers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of answers or an object from answer to score")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Answers, A::Error> {
        let mut given = Vec::new();
        while let Some(answer) = list.next_element::<String>()? {
            room_for_more(given.len())?;
            given.push(answer.trim().to_owned());
        }
        Ok(Answers::Given(given))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Answers, A::Error> {
        let mut scored: Vec<(String, f32)> = Vec::new();
        while let Some((written, score)) = map.next_entry::<String, f32>()? {
            let answer = written.trim().to_owned();
            if scored.iter().any(|(known, _)| *known == answer) {
                return Err(A::Error::custom(format!(
                    "answer `{answer}` has a score already"
                )));
            }
            if !(0.0..=1.0).contains(&score) {
                return Err(A::Error::custom(format!(
                    "the score of `{answer}` is {score}: expected 0 to 1"
                )));
            }
            room_for_more(scored.len())?;
            scored.push((answer, score));
        }
        Ok(Answers::Scored(scored))
    }
}
