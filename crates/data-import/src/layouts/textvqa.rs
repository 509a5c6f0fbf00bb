//! `TextVQA`: ten answers as text, and the words that were read in each image.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use serde_json::Value;

use super::layout::{Job, Layout, Part, Split, check_image, check_question, of, twice};
use crate::error::{ImportError, Place};
use crate::format::Format;
use crate::json::{
    Fields, Id, Input, Item, QuestionId, Shape, Text, element, need, stream, top_text,
};
use crate::record::{Answers, Record, Rest};
use crate::sniff::{Kind, Sniffed, part_of};

pub(super) struct TextVqa {
    parts: Vec<Part>,
    /// For each part, the file of words read in its images.
    words: Vec<Option<PathBuf>>,
}

impl TextVqa {
    pub(super) fn find(files: &[Sniffed], meter: &AtomicU64) -> Result<Self, ImportError> {
        // Of several versions the newest, by name.
        let mut words: HashMap<String, PathBuf> = HashMap::new();
        for file in of(files, Kind::TextVqaWords) {
            words.insert(part(file, meter)?, file.path.clone());
        }
        let mut found = Self {
            parts: Vec::new(),
            words: Vec::new(),
        };
        let mut questions: Vec<(String, PathBuf)> = Vec::new();
        for file in of(files, Kind::TextVqa) {
            let name = part(file, meter)?;
            if let Some((_, known)) = questions.iter().find(|(known, _)| *known == name) {
                return Err(twice(&name, known, &file.path));
            }
            questions.push((name, file.path.clone()));
        }
        let order = ["train", "val", "test"];
        questions.sort_by_key(|(name, _)| order.iter().position(|one| one == name));
        for (name, path) in questions {
            let words = words.get(&name).cloned();
            found.parts.push(Part {
                split: match name.as_str() {
                    "train" => Some(Split::Train),
                    "val" => Some(Split::Validation),
                    "test" => Some(Split::Test),
                    _ => None,
                },
                files: [Some(path), words.clone()].into_iter().flatten().collect(),
                name,
                within: None,
            });
            found.words.push(words);
        }
        Ok(found)
    }
}

/// The part that a file says it is, or that it is named after.
fn part(file: &Sniffed, meter: &AtomicU64) -> Result<String, ImportError> {
    let stem = file.stem();
    let named = part_of(&stem);
    let stated = match &file.head["dataset_type"] {
        Value::String(stated) => Some(stated.clone()),
        _ => match &file.head["data"][0]["set_name"] {
            Value::String(stated) => Some(stated.clone()),
            _ => top_text(
                Input {
                    path: &file.path,
                    meter,
                },
                "dataset_type",
            )?,
        },
    };
    let stated = stated.map(|stated| part_of(&stated).map_or(stated.clone(), str::to_owned));
    match (stated, named) {
        (Some(stated), Some(named)) if stated != named => Err(ImportError::content(
            &file.path,
            Place::File,
            format!("the file says that it is {stated}, but is named after {named}"),
            "download the file again, or name it after its split",
        )),
        (Some(stated), _) => Ok(stated),
        (None, Some(named)) => Ok(named.to_owned()),
        (None, None) => Err(ImportError::content(
            &file.path,
            Place::File,
            "neither `dataset_type` nor the file's name says which split it is",
            "name the file after its split, as in `TextVQA_0.5.1_train.json`",
        )),
    }
}

#[derive(Default)]
struct Asked {
    id: Option<QuestionId>,
    image: Option<Id>,
    question: Option<Text>,
    answers: Option<Vec<Text>>,
    others: Vec<(String, Value)>,
}

element!(Asked {
    "question_id" => id,
    "image_id" => image,
    "question" => question,
    "answers" => answers,
    ..others
});

#[derive(Default)]
struct ImageText {
    image: Option<Id>,
    tokens: Option<Vec<Text>>,
}

element!(ImageText {
    "image_id" => image,
    "ocr_tokens" => tokens
});

/// The words read in each image.
fn words(input: Input<'_>) -> Result<HashMap<String, Value>, ImportError> {
    let mut words = HashMap::new();
    stream(input, Shape::Under("data"), &mut |item: Item<
        Fields<ImageText>,
    >| {
        let Fields(ImageText { image, tokens }) = item.value;
        let Id(image) = need(image, "image_id", input, &Place::Element(item.index))?;
        let tokens = need(tokens, "ocr_tokens", input, &Place::Image(image.clone()))?;
        let tokens = tokens
            .into_iter()
            .map(|Text(token)| Value::String(token))
            .collect();
        words.insert(image, Value::Array(tokens));
        Ok(())
    })?;
    Ok(words)
}

impl Layout for TextVqa {
    fn format(&self) -> Format {
        Format::TextVqa
    }

    fn parts(&self) -> &[Part] {
        &self.parts
    }

    fn read(&self, part: usize, job: &mut Job<'_>) -> Result<(), ImportError> {
        let Part { name, files, .. } = &self.parts[part];
        let words = match &self.words[part] {
            Some(path) => Some((
                path,
                words(Input {
                    path,
                    meter: job.meter,
                })?,
            )),
            None => None,
        };
        // The val questions are about images of the training folder.
        let folder = if name.starts_with("test") {
            "textvqa_test_images"
        } else {
            "textvqa_train_images"
        };
        let input = Input {
            path: &files[0],
            meter: job.meter,
        };
        let mut rest = String::new();
        stream(input, Shape::Under("data"), &mut |item: Item<
            Fields<Asked>,
        >| {
            let Fields(Asked {
                id,
                image,
                question,
                answers,
                others: mut fields,
            }) = item.value;
            let id = need(id, "question_id", input, &Place::Element(item.index))?;
            let place = Place::Question(id.text.clone());
            let Id(image) = need(image, "image_id", input, &place)?;
            let Text(question) = need(question, "question", input, &place)?;
            check_question(&question, input, &place)?;
            let file = format!("{image}.jpg");
            check_image(&file, input, &place)?;
            if let Some((path, words)) = &words {
                let tokens = words.get(&image).ok_or_else(|| {
                    ImportError::content(
                        path,
                        Place::Image(image.clone()),
                        format!("the image of question {} has no words", id.text),
                        "take the file of words of this split, or move it away to read none",
                    )
                })?;
                fields.retain(|(name, _)| name != "ocr_tokens");
                fields.push(("ocr_tokens".to_owned(), tokens.clone()));
            }
            fields.push(("image_id".to_owned(), image.into()));
            let answers = answers.filter(|answers| !answers.is_empty());
            let answers = answers.map_or(Answers::None, |votes| {
                Answers::Votes(votes.into_iter().map(|Text(vote)| vote).collect())
            });
            rest.clear();
            job.style.rest(
                &Rest {
                    answers: &answers,
                    fields: &fields,
                    ..Rest::default()
                },
                &mut rest,
            );
            (job.sink)(&Record {
                id: &id,
                folder,
                image: &file,
                question: &question,
                answered: answers != Answers::None,
                rest: &rest,
            })
        })
    }

    fn below(&self, folder: &str) -> Vec<String> {
        vec![folder.trim_start_matches("textvqa_").to_owned()]
    }

    fn notes(&self) -> Vec<String> {
        let without = self
            .parts
            .iter()
            .zip(&self.words)
            .filter(|(_, words)| words.is_none());
        without
            .map(|(part, _)| {
                format!(
                    "there is no file of words read in the images of {}",
                    part.name
                )
            })
            .collect()
    }
}
