//! Annotations of VQA: the votes of each question, as they will be written.

use file_kind::counted;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::layout::{Job, repeated};
use crate::error::{ImportError, Place};
use crate::json::{Fields, Id, Input, Item, Shape, Text, element, need, stream};
use crate::record::{Answers, IdKey, Rest};

/// What to do where files do not belong together.
const ONE_VERSION: &str = "take questions and annotations of one version, or download both again";

/// A vote. How sure the annotator was does not count.
#[derive(Deserialize)]
struct Vote {
    answer: Text,
    #[serde(default)]
    raw_answer: Option<Text>,
}

#[derive(Default)]
struct Annotation {
    id: Option<Id>,
    image: Option<Id>,
    answers: Option<Vec<Vote>>,
    others: Vec<(String, Value)>,
}

element!(Annotation {
    "question_id" => id,
    "image_id" => image,
    "answers" => answers,
    ..others
});

/// Annotations as they are written, by question.
pub(super) struct Annotated {
    path: PathBuf,
    text: String,
    questions: HashMap<IdKey, Annotating>,
}

/// What annotates a question.
struct Annotating {
    image: IdKey,
    /// Where the text lies.
    start: usize,
    length: u32,
    /// Whether the question was there.
    taken: bool,
}

impl Annotated {
    pub(super) fn read(path: &Path, job: &mut Job<'_>) -> Result<Self, ImportError> {
        let input = Input {
            path,
            meter: job.meter,
        };
        let mut all = Self {
            path: path.to_owned(),
            text: String::new(),
            questions: HashMap::new(),
        };
        stream(input, Shape::Under("annotations"), &mut |item: Item<
            Fields<Annotation>,
        >| {
            let Fields(Annotation {
                id,
                image,
                answers,
                others: mut fields,
            }) = item.value;
            let element = Place::Element(item.index);
            let id = need(id, "question_id", input, &element)?;
            let place = Place::Question(id.0.clone());
            let image = need(image, "image_id", input, &place)?;
            let answers = need(answers, "answers", input, &place)?;
            if answers.is_empty() {
                return Err(ImportError::content(
                    input.path,
                    place,
                    "the list of answers is empty",
                    "download the file again",
                ));
            }
            let raw: Option<Vec<Value>> = answers
                .iter()
                .map(|vote| Some(Value::String(vote.raw_answer.as_ref()?.0.clone())))
                .collect();
            if let Some(raw) = raw {
                fields.push(("raw_answers".to_owned(), Value::Array(raw)));
            }
            fields.push(("image_id".to_owned(), as_number(&image.0)));
            let votes = answers.into_iter().map(|vote| vote.answer.0).collect();
            let start = all.text.len();
            let rest = Rest {
                answers: &Answers::Votes(votes),
                fields: &fields,
                ..Rest::default()
            };
            job.style.rest(&rest, &mut all.text);
            let length = (all.text.len() - start) as u32;
            let known = all.questions.insert(
                (&id).into(),
                Annotating {
                    image: (&image).into(),
                    start,
                    length,
                    taken: false,
                },
            );
            if known.is_some() {
                return Err(ImportError::content(
                    input.path,
                    place,
                    "the question has an annotation already",
                    "remove one of them, or download the file again",
                ));
            }
            Ok(())
        })?;
        Ok(all)
    }

    /// The annotation of a question of the file `questions`, about this image.
    pub(super) fn take(
        &mut self,
        id: &str,
        image: &str,
        questions: &Path,
    ) -> Result<&str, ImportError> {
        let wrong = |problem| {
            ImportError::content(
                questions,
                Place::Question(id.to_owned()),
                problem,
                ONE_VERSION,
            )
        };
        let file = self.path.display();
        let Some(annotating) = self.questions.get_mut(&id.into()) else {
            return Err(wrong(format!("the question has no annotation in `{file}`")));
        };
        if annotating.taken {
            return Err(repeated(questions, id));
        }
        annotating.taken = true;
        if annotating.image != image.into() {
            return Err(wrong(format!(
                "the question is about image {image}, in `{file}` about another one"
            )));
        }
        let start = annotating.start;
        Ok(&self.text[start..start + annotating.length as usize])
    }

    /// Refuses annotations that no question of the file `questions` has taken.
    pub(super) fn all_taken(&self, questions: &Path) -> Result<(), ImportError> {
        let left = self.questions.values().filter(|one| !one.taken);
        match left.count() {
            0 => Ok(()),
            count => Err(ImportError::content(
                &self.path,
                Place::File,
                format!(
                    "{} no question in `{}`",
                    counted(count, "annotation has", "annotations have"),
                    questions.display()
                ),
                ONE_VERSION,
            )),
        }
    }
}

/// An id as it usually stands in JSON.
pub(super) fn as_number(id: &str) -> Value {
    match id.parse::<u64>() {
        Ok(number) if number.to_string() == id => number.into(),
        _ => id.into(),
    }
}
