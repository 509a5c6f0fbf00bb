//! A question as written: one line of the folder format.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::hash::Hash;

use serde::Serialize;
use serde_json::Value;

use crate::json::{Id, QuestionId, push};

/// Names that a line has for itself. A field of the source that has one of them, and is none of the layout's, is written
/// with `source_` in front.
const OWN: [&str; 8] = [
    "image",
    "question",
    "question_id",
    "answers",
    "as_written",
    "entities",
    "weights",
    "part",
];

/// Answers of a question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answers {
    /// The source gives none.
    None,
    /// One for each annotator.
    Votes(Vec<String>),
    /// The one right answer.
    Right(String),
    /// Answers with scores; none may be right.
    Scored(Vec<(String, f64)>),
}

/// Answers with their weights in the loss of a decoder.
pub(crate) type Weights = Vec<(String, f64)>;

/// How lines are written, and what was noted of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Style {
    /// Fields that are left out.
    pub(crate) leave_out: BTreeSet<String>,
    /// Whether answers get the weights that X-VLM trains with.
    pub(crate) weights: bool,
    /// Lengths of the lists of votes.
    pub(crate) vote_lengths: BTreeSet<usize>,
}

/// Weight of the only answer to a question of Visual Genome, as X-VLM has it.
pub(crate) const GENOME_WEIGHT: f64 = 0.5;

/// All of a line that is not image, question and id.
#[derive(Debug)]
pub(crate) struct Rest<'a> {
    pub(crate) answers: &'a Answers,
    /// Whether answers count as they are written.
    pub(crate) as_written: bool,
    pub(crate) entities: Option<&'a [String]>,
    /// Weights of answers, where the layout has them.
    pub(crate) weights: Option<Weights>,
    pub(crate) fields: &'a [(String, Value)],
}

impl Default for Rest<'_> {
    fn default() -> Self {
        Self {
            answers: &Answers::None,
            as_written: false,
            entities: None,
            weights: None,
            fields: &[],
        }
    }
}

impl Style {
    /// Appends the rest of a line, from the comma in front.
    pub(crate) fn rest(&mut self, rest: &Rest<'_>, text: &mut String) {
        match rest.answers {
            Answers::None => {}
            Answers::Votes(votes) => {
                if votes.len() > 1 {
                    self.vote_lengths.insert(votes.len());
                }
                member(text, "answers", votes);
            }
            Answers::Right(answer) => member(text, "answers", answer),
            Answers::Scored(scored) => member(text, "answers", &InOrder(scored)),
        }
        if rest.as_written && !matches!(rest.answers, Answers::None) {
            member(text, "as_written", &true);
        }
        match &rest.weights {
            Some(weights) => member(text, "weights", &InOrder(weights)),
            None if self.weights => {
                if let Some(weights) = share(rest.answers) {
                    member(text, "weights", &InOrder(&weights));
                }
            }
            None => {}
        }
        if let Some(entities) = rest.entities {
            member(text, "entities", entities);
        }
        for (name, value) in rest.fields {
            if self.leave_out.contains(name) {
                continue;
            }
            if OWN.contains(&name.as_str()) {
                member(text, &format!("source_{name}"), value);
            } else {
                member(text, name, value);
            }
        }
    }
}

/// Weights by which X-VLM trains: each vote adds an equal part to its text.
pub(crate) fn share(answers: &Answers) -> Option<Weights> {
    match answers {
        Answers::Votes(votes) => {
            let mut counts: Vec<(&String, usize)> = Vec::new();
            for vote in votes {
                match counts.iter_mut().find(|(known, _)| *known == vote) {
                    Some((_, count)) => *count += 1,
                    None => counts.push((vote, 1)),
                }
            }
            let part = |count: usize| count as f64 / votes.len() as f64;
            Some(
                counts
                    .into_iter()
                    .map(|(text, count)| (text.clone(), part(count)))
                    .collect(),
            )
        }
        Answers::Right(answer) => Some(vec![(answer.clone(), GENOME_WEIGHT)]),
        Answers::None | Answers::Scored(_) => None,
    }
}

/// An object whose keys stay in order.
struct InOrder<'a>(&'a [(String, f64)]);

impl Serialize for InOrder<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(text, score)| (text, score)))
    }
}

/// Appends `,"name":value`.
pub(crate) fn member(text: &mut String, name: &str, value: &(impl Serialize + ?Sized)) {
    text.push(',');
    push(text, name);
    text.push(':');
    push(text, value);
}

/// A question, ready to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    /// The question's id.
    pub(crate) id: &'a QuestionId,
    /// Name of the folder that has the image; see [`crate::images`].
    pub(crate) folder: &'a str,
    /// Path of the image in that folder.
    pub(crate) image: &'a str,
    pub(crate) question: &'a str,
    /// Whether it has answers.
    pub(crate) answered: bool,
    /// What [`Style::rest`] wrote.
    pub(crate) rest: &'a str,
}

impl Record<'_> {
    /// Replaces the text by the question's line.
    pub(crate) fn line(&self, part: Option<&str>, text: &mut String) {
        text.clear();
        text.push_str("{\"image\":");
        let mut name = String::with_capacity(self.folder.len() + self.image.len() + 1);
        let _ = write!(name, "{}/{}", self.folder, self.image);
        push(text, &name);
        member(text, "question", self.question);
        text.push_str(",\"question_id\":");
        self.id.push(text);
        text.push_str(self.rest);
        if let Some(part) = part {
            member(text, "part", part);
        }
        text.push_str("}\n");
    }
}

/// An id, small where it has digits alone, so that millions of them can be held.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum IdKey {
    /// A number of up to 18 digits, and how many there are with zeros in front.
    Digits(u64, u8),
    /// Anything else.
    Text(Box<str>),
}

impl From<&str> for IdKey {
    fn from(id: &str) -> Self {
        let digits = (1..=18).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
        match id.parse() {
            Ok(number) if digits => Self::Digits(number, id.len() as u8),
            _ => Self::Text(id.into()),
        }
    }
}

impl From<&Id> for IdKey {
    fn from(id: &Id) -> Self {
        id.0.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_with_other_digits_are_others() {
        assert_eq!(IdKey::from("0190"), IdKey::from("0190"));
        assert_ne!(IdKey::from("0190"), IdKey::from("190"));
        assert_ne!(IdKey::from("n1"), IdKey::from("1"));
        let long = "123456789012345678901234567890";
        assert_eq!(IdKey::from(long), IdKey::Text(long.into()));
    }

    #[test]
    fn a_field_with_a_name_of_the_line_s_own_is_renamed() {
        let mut text = String::new();
        let fields = [
            ("answers".to_owned(), 1.into()),
            ("kept".to_owned(), "x".into()),
        ];
        let rest = Rest {
            fields: &fields,
            ..Rest::default()
        };
        Style::default().rest(&rest, &mut text);
        assert_eq!(text, r#","source_answers":1,"kept":"x""#);
    }

    #[test]
    fn votes_share_a_weight_of_one_and_a_sentence_has_half() {
        let votes = ["2", "2", "two", "3"].map(str::to_owned).to_vec();
        let expected = [("2", 0.5), ("two", 0.25), ("3", 0.25)];
        let expected = expected
            .map(|(text, weight)| (text.to_owned(), weight))
            .to_vec();
        assert_eq!(share(&Answers::Votes(votes)), Some(expected));
        let right = share(&Answers::Right("white".to_owned()));
        assert_eq!(right, Some(vec![("white".to_owned(), 0.5)]));
    }
}
