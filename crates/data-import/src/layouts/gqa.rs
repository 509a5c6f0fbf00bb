//! GQA: objects from question id to question, one file a part or several.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::Value;

use super::layout::{Job, Layout, Part, Split, check_image, check_question, of};
use crate::error::{ImportError, Place};
use crate::format::Format;
use crate::json::{Fields, Id, Input, Item, QuestionId, Shape, Text, element, need, stream};
use crate::record::{Answers, Record, Rest};
use crate::sniff::{Kind, Sniffed, part_of};

/// A file of a part, with its number where it is one of several.
type Numbered = (Option<u64>, PathBuf);

pub(super) struct Gqa {
    parts: Vec<Part>,
    /// Parts of several files of which one is missing: its number, and the file behind it.
    incomplete: HashMap<String, (u64, PathBuf)>,
}

impl Gqa {
    pub(super) fn find(files: &[Sniffed]) -> Result<Self, ImportError> {
        let mut found: Vec<(String, Vec<Numbered>)> = Vec::new();
        for file in of(files, Kind::Gqa) {
            let stem = file.stem();
            let (name, number) = name(&stem);
            let part = part_of(&name).ok_or_else(|| {
                ImportError::content(
                    &file.path,
                    Place::File,
                    "the file's name does not say which split it is",
                    "name the file after its split, as in `train_balanced_questions.json`",
                )
            })?;
            let name = if name.contains("balanced") {
                format!("{part}_balanced")
            } else if name.contains("all") {
                format!("{part}_all")
            } else {
                part.to_owned()
            };
            match found.iter_mut().find(|(known, _)| *known == name) {
                Some((_, files)) => files.push((number, file.path.clone())),
                None => found.push((name, vec![(number, file.path.clone())])),
            }
        }
        let names: Vec<String> = found.iter().map(|(name, _)| name.clone()).collect();
        let mut parts = Vec::new();
        let mut incomplete = HashMap::new();
        for (name, mut files) in found {
            files.sort();
            if let Some(two) = files.windows(2).find(|two| two[0].0 == two[1].0) {
                return Err(super::layout::twice(&name, &two[0].1, &two[1].1));
            }
            let gap = (0..)
                .zip(&files)
                .find(|(number, file)| file.0.is_some_and(|found| found != *number));
            if let Some((number, file)) = gap {
                incomplete.insert(name.clone(), (number, file.1.clone()));
            }
            parts.push(Part {
                split: split(&name, &names),
                files: files.into_iter().map(|(_, path)| path).collect(),
                name,
                within: None,
            });
        }
        parts.sort_by_key(|part| {
            let order = ["train", "val", "testdev", "test", "challenge", "submission"];
            let of = part.name.split('_').next().unwrap_or_default();
            (
                order.iter().position(|name| *name == of),
                !part.name.ends_with("balanced"),
                part.name.clone(),
            )
        });
        Ok(Self { parts, incomplete })
    }
}

/// The name without the number of a file that is one of several, and the number.
fn name(stem: &str) -> (String, Option<u64>) {
    let numbered = stem
        .rsplit_once('_')
        .and_then(|(name, number)| Some((name, number.parse().ok()?)));
    match numbered {
        Some((name, number)) => (name.to_owned(), Some(number)),
        None => (stem.to_owned(), None),
    }
}

/// Where a part goes: of a split the balanced questions where they are there.
fn split(name: &str, names: &[String]) -> Option<Split> {
    let wanted: [(Split, &[&str]); 3] = [
        (Split::Train, &["train_balanced", "train", "train_all"]),
        (Split::Validation, &["val_balanced", "val", "val_all"]),
        (
            Split::Test,
            &[
                "test_balanced",
                "test",
                "testdev_balanced",
                "testdev",
                "test_all",
                "testdev_all",
            ],
        ),
    ];
    wanted.into_iter().find_map(|(split, wanted)| {
        let first = wanted
            .iter()
            .find(|one| names.iter().any(|name| name == *one))?;
        (*first == name).then_some(split)
    })
}

#[derive(Default)]
struct Asked {
    image: Option<Id>,
    question: Option<Text>,
    answer: Option<Text>,
    others: Vec<(String, Value)>,
}

element!(Asked {
    "imageId" => image,
    "question" => question,
    "answer" => answer,
    ..others
});

impl Layout for Gqa {
    fn format(&self) -> Format {
        Format::Gqa
    }

    fn parts(&self) -> &[Part] {
        &self.parts
    }

    fn read(&self, part: usize, job: &mut Job<'_>) -> Result<(), ImportError> {
        if let Some((number, behind)) = self.incomplete.get(&self.parts[part].name) {
            return Err(ImportError::content(
                behind,
                Place::File,
                format!("file {number} of this split is missing before this one"),
                "unpack all files of the split",
            ));
        }
        let mut rest = String::new();
        for path in &self.parts[part].files {
            let input = Input {
                path,
                meter: job.meter,
            };
            stream(input, Shape::Map, &mut |item: Item<Fields<Asked>>| {
                let id = QuestionId::of_text(item.key.unwrap_or_default());
                let place = Place::Question(id.text.clone());
                let Fields(Asked {
                    image,
                    question,
                    answer,
                    mut others,
                }) = item.value;
                let Id(image) = need(image, "imageId", input, &place)?;
                let Text(question) = need(question, "question", input, &place)?;
                check_question(&question, input, &place)?;
                let image = format!("{image}.jpg");
                check_image(&image, input, &place)?;
                let types = others.iter().find(|(name, _)| name == "types");
                let structural = types.map(|(_, types)| types["structural"].clone());
                if let Some(structural @ Value::String(_)) = structural {
                    others.retain(|(name, _)| name != "answer_type");
                    others.push(("answer_type".to_owned(), structural));
                }
                let answers = answer.map_or(Answers::None, |Text(answer)| Answers::Right(answer));
                rest.clear();
                job.style.rest(
                    &Rest {
                        answers: &answers,
                        as_written: true,
                        fields: &others,
                        ..Rest::default()
                    },
                    &mut rest,
                );
                (job.sink)(&Record {
                    id: &id,
                    folder: "gqa",
                    image: &image,
                    question: &question,
                    answered: answers != Answers::None,
                    rest: &rest,
                })
            })?;
        }
        Ok(())
    }

    fn below(&self, _folder: &str) -> Vec<String> {
        vec!["images".to_owned()]
    }
}
