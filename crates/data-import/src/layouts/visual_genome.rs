//! Visual Genome: questions by image, each with one answer, a sentence. There are no splits.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;

use serde_json::Value;

use super::layout::{Job, Layout, Part, Split, check_question, of, twice};
use crate::error::{ImportError, Place};
use crate::format::Format;
use crate::images::Bases;
use crate::json::{Fields, Id, Input, Item, QuestionId, Shape, Text, element, need, stream};
use crate::record::{Answers, GENOME_WEIGHT, IdKey, Record, Rest};
use crate::sniff::{Kind, Sniffed};

/// The folders of the images.
const FOLDERS: [&str; 2] = ["VG_100K", "VG_100K_2"];

pub(super) struct Genome {
    parts: Vec<Part>,
    /// The folder that each image lies in, as an index of [`FOLDERS`]; where it lies in neither, as its address says.
    folders: HashMap<IdKey, u8>,
}

impl Genome {
    pub(super) fn find(
        files: &[Sniffed],
        bases: &Bases,
        meter: &AtomicU64,
    ) -> Result<Self, ImportError> {
        let mut questions = of(files, Kind::GenomeAnswers);
        let path = questions.next().map(|file| file.path.clone());
        let path = path.ok_or_else(|| {
            ImportError::choice("there is no `question_answers.json`", "name its folder")
        })?;
        if let Some(other) = questions.next() {
            return Err(twice("train", &path, &other.path));
        }
        let mut folders = HashMap::new();
        for file in of(files, Kind::GenomeImages) {
            addresses(
                Input {
                    path: &file.path,
                    meter,
                },
                &mut folders,
            )?;
        }
        for (index, name) in (0..).zip(FOLDERS) {
            for file in bases.names(&[name.to_owned()])? {
                if let Some(id) = file.strip_suffix(".jpg") {
                    folders.insert(id.into(), index);
                }
            }
        }
        let part = Part {
            name: "train".to_owned(),
            split: Some(Split::Train),
            files: vec![path],
            within: None,
        };
        Ok(Self {
            parts: vec![part],
            folders,
        })
    }
}

#[derive(Default)]
struct Address {
    id: Option<Id>,
    url: Option<Text>,
}

element!(Address {
    "image_id" => id,
    "url" => url
});

/// The folders in the addresses of images.
fn addresses(input: Input<'_>, folders: &mut HashMap<IdKey, u8>) -> Result<(), ImportError> {
    stream(input, Shape::List, &mut |item: Item<Fields<Address>>| {
        let Fields(Address {
            id: Some(id),
            url: Some(Text(url)),
        }) = item.value
        else {
            return Ok(());
        };
        let mut parts = url.rsplit('/').skip(1);
        let folder = parts
            .next()
            .and_then(|name| FOLDERS.iter().position(|one| *one == name));
        if let Some(folder) = folder {
            folders.insert((&id).into(), folder as u8);
        }
        Ok(())
    })
}

#[derive(Default)]
struct OfImage {
    id: Option<Id>,
    image_id: Option<Id>,
    questions: Option<Vec<Fields<Asked>>>,
}

element!(OfImage {
    "id" => id,
    "image_id" => image_id,
    "qas" => questions
});

#[derive(Default)]
struct Asked {
    id: Option<QuestionId>,
    image: Option<Id>,
    question: Option<Text>,
    answer: Option<Text>,
    others: Vec<(String, Value)>,
}

element!(Asked {
    "qa_id" => id,
    "image_id" => image,
    "question" => question,
    "answer" => answer,
    ..others
});

impl Layout for Genome {
    fn format(&self) -> Format {
        Format::VisualGenome
    }

    fn parts(&self) -> &[Part] {
        &self.parts
    }

    fn read(&self, part: usize, job: &mut Job<'_>) -> Result<(), ImportError> {
        let input = self.parts[part].input(job.meter);
        let mut rest = String::new();
        stream(input, Shape::List, &mut |item: Item<Fields<OfImage>>| {
            let Fields(OfImage {
                id,
                image_id,
                questions,
            }) = item.value;
            let place = Place::Element(item.index);
            let questions = need(questions, "qas", input, &place)?;
            let of = id.or(image_id);
            for Fields(Asked {
                id,
                image,
                question,
                answer,
                others: mut fields,
            }) in questions
            {
                let id = need(id, "qa_id", input, &place)?;
                let place = Place::Question(id.text.clone());
                let Id(image) = need(image.or_else(|| of.clone()), "image_id", input, &place)?;
                let Text(question) = need(question, "question", input, &place)?;
                let Text(answer) = need(answer, "answer", input, &place)?;
                check_question(&question, input, &place)?;
                if let Some(Id(of)) = &of
                    && *of != image
                {
                    return Err(ImportError::content(
                        input.path,
                        place,
                        format!(
                            "the question is about image {image}, but is listed under image {of}"
                        ),
                        "download the file again",
                    ));
                }
                let folder = self.folders.get(&image.as_str().into()).ok_or_else(|| {
                    ImportError::content(
                        input.path,
                        place,
                        format!(
                            "image {image} is neither in `VG_100K` nor in `VG_100K_2`, and no `image_data.json` says which of them it belongs to"
                        ),
                        "name the folder that has both with `--images`, or put `image_data.json` beside the questions",
                    )
                })?;
                fields.push(("raw_answer".to_owned(), Value::String(answer.clone())));
                if let Ok(number) = image.parse::<u64>() {
                    fields.push(("image_id".to_owned(), number.into()));
                }
                let weights = job
                    .style
                    .weights
                    .then(|| vec![(answer.clone(), GENOME_WEIGHT)]);
                let answers = Answers::Right(answer);
                rest.clear();
                job.style.rest(
                    &Rest {
                        answers: &answers,
                        weights,
                        fields: &fields,
                        ..Rest::default()
                    },
                    &mut rest,
                );
                (job.sink)(&Record {
                    id: &id,
                    folder: FOLDERS[usize::from(*folder)],
                    image: &format!("{image}.jpg"),
                    question: &question,
                    answered: true,
                    rest: &rest,
                })?;
            }
            Ok(())
        })
    }
}
