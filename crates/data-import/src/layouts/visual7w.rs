//! `Visual7W`, telling questions: one right answer and three wrong ones.

use std::sync::atomic::AtomicU64;

use serde_json::Value;

use super::layout::{Job, Layout, Part, Split, check_image, check_question, of, twice};
use crate::error::{ImportError, Place};
use crate::format::Format;
use crate::json::{Fields, Input, Item, QuestionId, Shape, Text, element, need, stream};
use crate::record::{Answers, Record, Rest};
use crate::sniff::{Kind, Sniffed};

pub(super) struct Visual7w {
    parts: Vec<Part>,
}

impl Visual7w {
    pub(super) fn find(files: &[Sniffed], meter: &AtomicU64) -> Result<Self, ImportError> {
        let mut files = of(files, Kind::Visual7w);
        let path = files.next().map(|file| file.path.clone());
        let path = path.ok_or_else(|| {
            ImportError::choice("there is no `dataset_v7w_telling.json`", "name its folder")
        })?;
        if let Some(other) = files.next() {
            return Err(twice("telling", &path, &other.path));
        }
        let input = Input { path: &path, meter };
        let mut names: Vec<String> = Vec::new();
        stream(input, Shape::Under("images"), &mut |item: Item<
            Fields<OnlySplit>,
        >| {
            let Fields(OnlySplit { split }) = item.value;
            let Text(split) = need(split, "split", input, &Place::Element(item.index))?;
            if !names.contains(&split) {
                names.push(split);
            }
            Ok(())
        })?;
        let order = ["train", "val", "test"];
        names.sort_by_key(|name| order.iter().position(|one| one == name).unwrap_or(9));
        let parts = names.into_iter().map(|name| Part {
            split: match name.as_str() {
                "train" => Some(Split::Train),
                "val" => Some(Split::Validation),
                "test" => Some(Split::Test),
                _ => None,
            },
            name,
            files: vec![path.clone()],
            within: None,
        });
        Ok(Self {
            parts: parts.collect(),
        })
    }
}

#[derive(Default)]
struct OnlySplit {
    split: Option<Text>,
}

element!(OnlySplit {
    "split" => split
});

#[derive(Default)]
struct Image {
    split: Option<Text>,
    file: Option<Text>,
    pairs: Option<Vec<Fields<Asked>>>,
}

element!(Image {
    "split" => split,
    "filename" => file,
    "qa_pairs" => pairs
});

#[derive(Default)]
struct Asked {
    id: Option<QuestionId>,
    question: Option<Text>,
    answer: Option<Text>,
    wrong: Option<Vec<Text>>,
    kind: Option<Text>,
    others: Vec<(String, Value)>,
}

element!(Asked {
    "qa_id" => id,
    "question" => question,
    "answer" => answer,
    "multiple_choices" => wrong,
    "type" => kind,
    ..others
});

impl Layout for Visual7w {
    fn format(&self) -> Format {
        Format::Visual7w
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
        let mut rest = String::new();
        stream(input, Shape::Under("images"), &mut |item: Item<
            Fields<Image>,
        >| {
            let Fields(Image { split, file, pairs }) = item.value;
            let place = Place::Element(item.index);
            let Text(split) = need(split, "split", input, &place)?;
            if split != *name {
                return Ok(());
            }
            let Text(file) = need(file, "filename", input, &place)?;
            check_image(&file, input, &place)?;
            for Fields(pair) in need(pairs, "qa_pairs", input, &place)? {
                let Asked {
                    id,
                    question,
                    answer,
                    wrong,
                    kind,
                    others: mut fields,
                } = pair;
                let id = need(id, "qa_id", input, &place)?;
                let place = Place::Question(id.text.clone());
                let Text(question) = need(question, "question", input, &place)?;
                check_question(&question, input, &place)?;
                let Text(answer) = need(answer, "answer", input, &place)?;
                let wrong = need(wrong, "multiple_choices", input, &place)?;
                if wrong.iter().any(|Text(wrong)| *wrong == answer) {
                    return Err(ImportError::content(
                        input.path,
                        place,
                        format!("the right answer `{answer}` is among the wrong choices, too"),
                        "remove it from `multiple_choices`",
                    ));
                }
                let choices = [answer.clone()]
                    .into_iter()
                    .chain(wrong.into_iter().map(|Text(wrong)| wrong));
                fields.push(("choices".to_owned(), choices.collect()));
                fields.push(("right_choice".to_owned(), 0.into()));
                fields.push(("raw_answer".to_owned(), answer.clone().into()));
                if let Some(Text(kind)) = kind {
                    fields.push(("answer_type".to_owned(), kind.into()));
                }
                let answers = Answers::Right(answer);
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
                    folder: "visual7w",
                    image: &file,
                    question: &question,
                    answered: true,
                    rest: &rest,
                })?;
            }
            Ok(())
        })
    }

    fn below(&self, _folder: &str) -> Vec<String> {
        vec!["images".to_owned()]
    }
}
