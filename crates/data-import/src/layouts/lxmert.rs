//! The lists of LXMERT: answers with scores.

use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::layout::{Job, Layout, Part, Split, check_image, check_question, of, twice};
use crate::error::{ImportError, Place};
use crate::format::Format;
use crate::json::{Fields, Id, Item, QuestionId, Shape, Text, element, need, stream};
use crate::record::{Answers, Record, Rest};
use crate::sniff::{Kind, Sniffed, part_of};

pub(super) struct Lxmert {
    parts: Vec<Part>,
}

impl Lxmert {
    pub(super) fn find(files: &[Sniffed]) -> Result<Self, ImportError> {
        let named: Vec<_> = of(files, Kind::Lxmert)
            .map(|file| (file, file.stem()))
            .collect();
        let has_test = named
            .iter()
            .any(|(_, name)| matches!(name.as_str(), "test" | "submit"));
        let mut parts: Vec<(u8, Part)> = Vec::new();
        for (file, name) in named {
            if let Some((_, known)) = parts.iter().find(|(_, part)| part.name == name) {
                return Err(twice(&name, &known.files[0], &file.path));
            }
            let (order, split) = match part_of(&name) {
                Some("train") => (0, Some(Split::Train)),
                Some("nominival") => (1, Some(Split::Train)),
                Some("minival" | "val") => (2, Some(Split::Validation)),
                Some("testdev") => (3, (!has_test).then_some(Split::Test)),
                Some("test" | "submission") => (4, Some(Split::Test)),
                _ if name == "submit" => (4, Some(Split::Test)),
                _ => (5, None),
            };
            let files = vec![file.path.clone()];
            parts.push((
                order,
                Part {
                    name,
                    split,
                    files,
                    within: None,
                },
            ));
        }
        parts.sort_by(|(a, one), (b, other)| (a, &one.name).cmp(&(b, &other.name)));
        Ok(Self {
            parts: parts.into_iter().map(|(_, part)| part).collect(),
        })
    }
}

/// Answers with scores, in the order of the file.
struct Label(Vec<(String, f64)>);

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LabelVisitor)
    }
}

struct LabelVisitor;

impl<'de> Visitor<'de> for LabelVisitor {
    type Value = Label;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object from answer to score")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Label, A::Error> {
        let mut label: Vec<(String, f64)> = Vec::new();
        while let Some((answer, score)) = map.next_entry::<String, f64>()? {
            if label.iter().any(|(known, _)| *known == answer) {
                return Err(A::Error::custom(format!(
                    "answer `{answer}` already has a score"
                )));
            }
            if !(0.0..=1.0).contains(&score) {
                return Err(A::Error::custom(format!(
                    "the score of `{answer}` is {score}: expected 0 to 1"
                )));
            }
            label.push((answer, score));
        }
        Ok(Label(label))
    }
}

#[derive(Default)]
#[expect(
    clippy::option_option,
    reason = "`null` is no answer; a second field is an error"
)]
struct Asked {
    id: Option<QuestionId>,
    image: Option<Id>,
    question: Option<Text>,
    label: Option<Option<Label>>,
    others: Vec<(String, Value)>,
}

element!(Asked {
    "question_id" => id,
    "img_id" => image,
    "sent" => question,
    "label" => label,
    ..others
});

/// Folder and file of an image: the second part of a name of COCO is its folder, other names are those of GQA.
fn image_file(id: &str) -> (String, String) {
    let folder = match id.split('_').collect::<Vec<_>>()[..] {
        ["COCO", folder, _] => folder,
        _ => "gqa",
    };
    (folder.to_owned(), format!("{id}.jpg"))
}

impl Layout for Lxmert {
    fn format(&self) -> Format {
        Format::Lxmert
    }

    fn parts(&self) -> &[Part] {
        &self.parts
    }

    fn read(&self, part: usize, job: &mut Job<'_>) -> Result<(), ImportError> {
        let input = self.parts[part].input(job.meter);
        let mut rest = String::new();
        stream(input, Shape::List, &mut |item: Item<Fields<Asked>>| {
            let Fields(Asked {
                id,
                image,
                question,
                label,
                others: mut fields,
            }) = item.value;
            let id = need(id, "question_id", input, &Place::Element(item.index))?;
            let place = Place::Question(id.text.clone());
            let Id(image) = need(image, "img_id", input, &place)?;
            let Text(question) = need(question, "sent", input, &place)?;
            check_question(&question, input, &place)?;
            let (folder, file) = image_file(&image);
            check_image(&file, input, &place)?;
            check_image(&folder, input, &place)?;
            let answers = label.flatten().map_or(Answers::None, |Label(mut label)| {
                let empty = label
                    .iter()
                    .position(|(answer, _)| answer.trim().is_empty());
                if let Some(empty) = empty {
                    let (_, score) = label.remove(empty);
                    fields.push(("empty_answer_score".to_owned(), score.into()));
                }
                Answers::Scored(label)
            });
            fields.push(("img_id".to_owned(), image.into()));
            rest.clear();
            job.style.rest(
                &Rest {
                    answers: &answers,
                    as_written: true,
                    fields: &fields,
                    ..Rest::default()
                },
                &mut rest,
            );
            (job.sink)(&Record {
                id: &id,
                folder: &folder,
                image: &file,
                question: &question,
                answered: answers != Answers::None,
                rest: &rest,
            })
        })
    }

    fn below(&self, folder: &str) -> Vec<String> {
        if folder == "gqa" {
            return vec!["images".to_owned()];
        }
        vec![folder.to_owned(), format!("Images/mscoco/{folder}")]
    }
}
