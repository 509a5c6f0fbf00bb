//! `VizWiz`: lists with one question an image, known by the image's name.

use serde::Deserialize;
use serde_json::Value;

use super::layout::{Job, Layout, Part, Split, add_named, check_image, check_question, of};
use crate::error::{ImportError, Place};
use crate::format::Format;
use crate::json::{Fields, Input, Item, QuestionId, Shape, Text, element, need, stream};
use crate::record::{Answers, Record, Rest};
use crate::sniff::{Kind, Sniffed, part_of};

pub(super) struct VizWiz {
    parts: Vec<Part>,
}

impl VizWiz {
    pub(super) fn find(files: &[Sniffed]) -> Result<Self, ImportError> {
        let mut parts: Vec<Part> = Vec::new();
        for file in of(files, Kind::VizWiz) {
            let image = file.head[0]["image"].as_str().unwrap_or_default();
            let name = part_of(&file.stem())
                .or_else(|| part_of(image))
                .ok_or_else(|| {
                    ImportError::content(
                        &file.path,
                        Place::File,
                        "neither the file's name nor its images say which split it is",
                        "name the file `train.json`, `val.json` or `test.json`",
                    )
                })?;
            add_named(&mut parts, name, &file.path)?;
        }
        parts.sort_by_key(|part| part.split.unwrap_or(Split::Test));
        Ok(Self { parts })
    }
}

/// A vote. The annotator's confidence does not count.
#[derive(Deserialize)]
struct Vote {
    answer: Text,
}

#[derive(Default)]
struct Asked {
    image: Option<Text>,
    question: Option<Text>,
    answers: Option<Vec<Vote>>,
    others: Vec<(String, Value)>,
}

element!(Asked {
    "image" => image,
    "question" => question,
    "answers" => answers,
    ..others
});

impl Layout for VizWiz {
    fn format(&self) -> Format {
        Format::VizWiz
    }

    fn parts(&self) -> &[Part] {
        &self.parts
    }

    fn read(&self, part: usize, job: &mut Job<'_>) -> Result<(), ImportError> {
        let Part { name, files, .. } = &self.parts[part];
        let input = Input {
            path: &files[0],
            meter: job.meter,
        };
        let folder = format!("vizwiz_{name}");
        let mut rest = String::new();
        stream(input, Shape::List, &mut |item: Item<Fields<Asked>>| {
            let Fields(Asked {
                image,
                question,
                answers,
                others,
            }) = item.value;
            let place = Place::Element(item.index);
            let Text(image) = need(image, "image", input, &place)?;
            let place = Place::Question(image.clone());
            let Text(question) = need(question, "question", input, &place)?;
            check_question(&question, input, &place)?;
            check_image(&image, input, &place)?;
            let answers = answers.filter(|answers| !answers.is_empty());
            let answers = answers.map_or(Answers::None, |votes| {
                Answers::Votes(votes.into_iter().map(|vote| vote.answer.0).collect())
            });
            rest.clear();
            job.style.rest(
                &Rest {
                    answers: &answers,
                    fields: &others,
                    ..Rest::default()
                },
                &mut rest,
            );
            (job.sink)(&Record {
                id: &QuestionId::of_text(&*image),
                folder: &folder,
                image: &image,
                question: &question,
                answered: answers != Answers::None,
                rest: &rest,
            })
        })
    }

    fn below(&self, folder: &str) -> Vec<String> {
        vec![folder.trim_start_matches("vizwiz_").to_owned()]
    }
}
