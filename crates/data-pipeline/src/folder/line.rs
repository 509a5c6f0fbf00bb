use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::answers::ReadAnswers;
use crate::json::{Json, Problem, WORD};

/// Most answers of a question.
pub(super) const MAX_ANSWERS: usize = 1000;

/// A line of questions.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) image: Cow<'a, str>,
    pub(super) question: Cow<'a, str>,
    /// None where the line gives none.
    pub(super) answers: Option<ReadAnswers<'a>>,
    pub(super) entities: Option<Vec<String>>,
    /// Whatever else the line has.
    pub(super) fields: Vec<(Cow<'a, str>, Value)>,
}

impl Serialize for Line<'_> {
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
struct InOrder<'a>(&'a [(Cow<'a, str>, f32)]);

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(text, score)| (text, score)))
    }
}

impl<'a> Line<'a> {
    /// # Errors
    /// When the value is no line of questions.
    pub(super) fn read(json: Json<'a>) -> Result<Self, Problem> {
        let line = Self::members(json, read_answers)?;
        if line.answers.is_none()
            && let Some(name) = line
                .fields
                .iter()
                .map(|(name, _)| name)
                .find(|name| is_near(name, "answers"))
            && json.find("answers").is_none()
        {
            let what = format!("missing field `answers`, did you mean it by `{name}`?");
            return Err(json.wrong(&what));
        }
        Ok(line)
    }

    /// A question to be answered: its answers may have any form and any name, for they are not read.
    ///
    /// # Errors
    /// When the value has no image or no question.
    pub(super) fn read_question(json: Json<'a>) -> Result<Self, Problem> {
        Self::members(json, |_| Ok(None))
    }

    fn members(
        json: Json<'a>,
        answers_of: impl Fn(Json<'a>) -> Result<Option<ReadAnswers<'a>>, Problem>,
    ) -> Result<Self, Problem> {
        let (mut image, mut question) = (None, None);
        let (mut answers, mut entities) = (None, None);
        let mut fields = Vec::new();
        for (name, value) in json.members("an object with `image`, `question` and `answers`")? {
            match &*name {
                "image" => image = Some(value.word(WORD)?),
                "question" => question = Some(value.word(WORD)?),
                "answers" => answers = answers_of(value)?,
                "entities" if value.is_null() => {}
                "entities" => entities = Some(value.words("a list of words or phrases")?),
                _ => {
                    let value = value.value()?;
                    fields.push((name, value));
                }
            }
        }
        let missing = |name, fields: &[(Cow<str>, Value)]| {
            let mut fields = fields.iter().map(|(field, _)| field);
            let meant = fields.find(|field| is_near(field, name));
            let meant = meant.map(|field| format!(", did you mean it by `{field}`?"));
            json.wrong(&format!(
                "missing field `{name}`{}",
                meant.unwrap_or_default()
            ))
        };
        Ok(Self {
            image: image.ok_or_else(|| missing("image", &fields))?,
            question: question.ok_or_else(|| missing("question", &fields))?,
            answers,
            entities,
            fields,
        })
    }
}

/// Whether a name is likely to be a misspelling of a field.
fn is_near(name: &str, field: &str) -> bool {
    strsim::osa_distance(&name.to_lowercase(), field) <= 1
}

/// The answers of a line and nothing else of it; nothing where they cannot be read.
pub(super) fn answers_alone(text: &str) -> Option<ReadAnswers<'_>> {
    let answers = Json::parse(text).ok()?.find("answers")?;
    read_answers(answers).ok().flatten()
}

/// A list of answers, an object from answer to score, or one answer; nothing where there is null.
fn read_answers(json: Json) -> Result<Option<ReadAnswers>, Problem> {
    if json.is_null() {
        return Ok(None);
    }
    if json.is_object() {
        return scored(json).map(Some);
    }
    let Some(elements) = json.elements() else {
        let one = json.word("a list of answers or an object from answer to score")?;
        return Ok(Some(ReadAnswers::Given(vec![one])));
    };
    let mut given = Vec::new();
    for element in elements {
        room_for_more(json, given.len())?;
        given.push(element.word("an answer in quotation marks, or a number")?);
    }
    Ok(Some(ReadAnswers::Given(given)))
}

fn scored(json: Json) -> Result<ReadAnswers, Problem> {
    let mut scored: Vec<(Cow<str>, f32)> = Vec::new();
    for pair in json.pairs() {
        let (answer, score) = pair?;
        let answer = match answer {
            Cow::Borrowed(answer) => Cow::Borrowed(answer.trim()),
            Cow::Owned(answer) => Cow::Owned(answer.trim().to_owned()),
        };
        let score: f32 = score.read()?;
        if scored.iter().any(|(known, _)| *known == answer) {
            return Err(json.wrong(&format!("answer `{answer}` already has a score")));
        }
        if !(0.0..=1.0).contains(&score) {
            let what = format!("the score of `{answer}` is {score}: expected 0 to 1");
            return Err(json.wrong(&what));
        }
        room_for_more(json, scored.len())?;
        scored.push((answer, score));
    }
    Ok(ReadAnswers::Scored(scored))
}

fn room_for_more(json: Json, answers: usize) -> Result<(), Problem> {
    if answers < MAX_ANSWERS {
        Ok(())
    } else {
        Err(json.wrong(&format!("a question has at most {MAX_ANSWERS} answers")))
    }
}
