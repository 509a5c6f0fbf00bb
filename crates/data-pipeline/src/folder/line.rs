use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::answers::{ReadAnswers, normalise_answer};
use crate::sample::Answer;

/// Most answers of a question.
const MAX_ANSWERS: usize = 1000;

/// Times that a right answer is written as a vote, so that it scores 1 and is not normalised.
const AGREED: usize = 4;

/// A line of questions.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) image: String,
    pub(super) question: String,
    /// None where the line gives none.
    pub(super) answers: Option<ReadAnswers>,
    pub(super) entities: Option<Vec<String>>,
    /// Whatever else the line has.
    pub(super) fields: Map<String, Value>,
}

/// The answers of a line and nothing else of it.
#[derive(Debug, Deserialize)]
pub(super) struct AnswersAlone {
    #[serde(default)]
    pub(super) answers: Option<Answers>,
}

/// Answers in JSON.
#[derive(Debug)]
pub(super) struct Answers(pub(super) ReadAnswers);

impl From<&[Answer]> for Answers {
    /// What is read again as these answers.
    fn from(answers: &[Answer]) -> Self {
        Self(match answers {
            [only] if (only.score - 1.0).abs() < f32::EPSILON => {
                // Votes that agree are the one form that is not normalised.
                let times = if normalise_answer(&only.text) == only.text {
                    1
                } else {
                    AGREED
                };
                ReadAnswers::Given(vec![only.text.clone(); times])
            }
            several => {
                let scored = several
                    .iter()
                    .map(|answer| (answer.text.clone(), answer.score));
                ReadAnswers::Scored(scored.collect())
            }
        })
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("image", &self.image)?;
        map.serialize_entry("question", &self.question)?;
        match &self.answers {
            Some(ReadAnswers::Given(given)) => map.serialize_entry("answers", given)?,
            Some(ReadAnswers::Scored(scored)) => {
                map.serialize_entry("answers", &InOrder(scored))?;
            }
            None => {}
        }
        if let Some(entities) = &self.entities {
            map.serialize_entry("entities", entities)?;
        }
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// An object whose keys stay in order.
struct InOrder<'a>(&'a [(String, f32)]);

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(text, score)| (text, score)))
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LineVisitor)
    }
}

struct LineVisitor;

/// Takes the value of a field that a line has once.
fn once<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    place: &mut Option<T>,
    name: &'static str,
    map: &mut A,
) -> Result<(), A::Error> {
    if place.is_some() {
        return Err(A::Error::duplicate_field(name));
    }
    *place = Some(map.next_value()?);
    Ok(())
}

impl<'de> Visitor<'de> for LineVisitor {
    type Value = Line;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `image`, `question` and `answers`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
        let (mut image, mut question) = (None, None);
        let (mut answers, mut entities) = (None::<Option<Answers>>, None::<Option<Vec<String>>>);
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "image" => once(&mut image, "image", &mut map)?,
                "question" => once(&mut question, "question", &mut map)?,
                "answers" => once(&mut answers, "answers", &mut map)?,
                "entities" => once(&mut entities, "entities", &mut map)?,
                _ if fields.contains_key(&name) => {
                    return Err(A::Error::custom(format!("duplicate field `{name}`")));
                }
                _ => {
                    fields.insert(name, map.next_value()?);
                }
            }
        }
        if answers.is_none()
            && let Some(name) = fields.keys().find(|name| means_answers(name))
        {
            return Err(A::Error::custom(format!(
                "missing field `answers`, did you mean it by `{name}`?"
            )));
        }
        Ok(Line {
            image: image.ok_or_else(|| A::Error::missing_field("image"))?,
            question: question.ok_or_else(|| A::Error::missing_field("question"))?,
            answers: answers.flatten().map(|Answers(answers)| answers),
            entities: entities.flatten(),
            fields,
        })
    }
}

/// Whether a name is likely to be a misspelling of `answers`.
fn means_answers(name: &str) -> bool {
    strsim::osa_distance(&name.to_lowercase(), "answers") <= 1
}

impl<'de> Deserialize<'de> for Answers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnswersVisitor).map(Self)
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

/// One answer: a word, or a number as it is written.
struct Word(String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordVisitor).map(Self)
    }
}

struct WordVisitor;

impl Visitor<'_> for WordVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer in quotation marks, or a number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

impl<'de> Visitor<'de> for AnswersVisitor {
    type Value = ReadAnswers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of answers or an object from answer to score")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ReadAnswers, E> {
        WordVisitor.visit_str(text).map(one)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<ReadAnswers, E> {
        WordVisitor.visit_u64(number).map(one)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<ReadAnswers, E> {
        WordVisitor.visit_i64(number).map(one)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<ReadAnswers, E> {
        WordVisitor.visit_f64(number).map(one)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ReadAnswers, A::Error> {
        let mut given = Vec::new();
        while let Some(Word(answer)) = list.next_element()? {
            room_for_more(given.len())?;
            given.push(answer);
        }
        Ok(ReadAnswers::Given(given))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ReadAnswers, A::Error> {
        let mut scored: Vec<(String, f32)> = Vec::new();
        while let Some((answer, score)) = map.next_entry::<String, f32>()? {
            let answer = answer.trim().to_owned();
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
        Ok(ReadAnswers::Scored(scored))
    }
}

fn one(answer: String) -> ReadAnswers {
    ReadAnswers::Given(vec![answer])
}
