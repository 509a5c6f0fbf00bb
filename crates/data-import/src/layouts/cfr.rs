//! The lists of CFR-VQA: questions of GQA with entities, words for each image, pickled targets.

use file_kind::counted;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use serde_json::Value;

use super::layout::{
    ImageWords, Job, Layout, Part, Split, Words, add_named, check_image, check_question, of,
    repeated, twice,
};
use crate::error::{ImportError, Place};
use crate::format::Format;
use crate::json::{
    Fields, Id, Input, Item, OneOrMore, QuestionId, Shape, Text, element, need, stream, whole,
};
use crate::pickle::Pickle;
use crate::record::{Answers, IdKey, Record, Rest};
use crate::sniff::{Kind, Sniffed, part_of};

/// Folder of the images, those of GQA.
const FOLDER: &str = "gqa";

/// What belongs to a part beside its questions.
#[derive(Default)]
struct Beside {
    target: Option<PathBuf>,
    statistical: Option<PathBuf>,
    attributes: Option<PathBuf>,
    /// Images that have no statistical words, and no attributes.
    skipped: [Option<PathBuf>; 2],
}

pub(super) struct Cfr {
    parts: Vec<Part>,
    beside: Vec<Beside>,
    /// The answers that targets name by their place.
    answers: Option<PathBuf>,
}

impl Cfr {
    pub(super) fn find(files: &[Sniffed]) -> Result<Self, ImportError> {
        let mut parts: Vec<Part> = Vec::new();
        for file in of(files, Kind::CfrQuestions) {
            let name = part_of(&file.stem()).ok_or_else(|| {
                ImportError::content(
                    &file.path,
                    Place::File,
                    "the file's name does not say which split it is",
                    "name the file after its split, as in `gqa_train_questions_entities.json`",
                )
            })?;
            add_named(&mut parts, name, &file.path)?;
        }
        parts.sort_by_key(|part| (part.split.unwrap_or(Split::Test), part.name.clone()));
        let mut beside: Vec<Beside> = parts.iter().map(|_| Beside::default()).collect();
        let mut answers = None;
        for file in files {
            let stem = file.stem();
            if file.kind == Kind::Pickle && stem.ends_with("label2ans") {
                answers = Some(file.path.clone());
            }
            let part = part_of(&stem);
            let Some(place) = parts.iter().position(|one| Some(one.name.as_str()) == part) else {
                continue;
            };
            let beside = &mut beside[place];
            let pickle = file.kind == Kind::Pickle;
            let target = match stem.as_str() {
                stem if pickle && stem.ends_with("target") => &mut beside.target,
                _ if pickle => continue,
                stem if stem.contains("attr_skip") => &mut beside.skipped[1],
                stem if stem.contains("skip") => &mut beside.skipped[0],
                stem if stem.contains("stats_words") => &mut beside.statistical,
                stem if stem.contains("attr_words") => &mut beside.attributes,
                _ => continue,
            };
            if let Some(known) = target {
                return Err(twice(
                    &format!("{stem} of the {}", parts[place].name),
                    known,
                    &file.path,
                ));
            }
            *target = Some(file.path.clone());
            parts[place].files.push(file.path.clone());
        }
        Ok(Self {
            parts,
            beside,
            answers,
        })
    }

    /// What the answers to each question of a part are worth.
    fn targets(&self, part: usize, meter: &AtomicU64) -> Result<Option<Targets>, ImportError> {
        let questions = &self.parts[part].files[0];
        let Some(path) = &self.beside[part].target else {
            if self.parts[part].name.starts_with("test") {
                return Ok(None);
            }
            return Err(ImportError::content(
                questions,
                Place::File,
                format!(
                    "there is no `{}_target.pkl` with the answers",
                    self.parts[part].name
                ),
                "put the folder `cache` beside the questions, or name the file",
            ));
        };
        let Some(list) = &self.answers else {
            return Err(ImportError::content(
                path,
                Place::File,
                "there is no `trainval_label2ans.pkl` with the answers that it names by number",
                "put it beside, or name the file",
            ));
        };
        let answers = Pickle::read(Input { path: list, meter })?;
        let answers = answers.texts().ok_or_else(|| {
            ImportError::content(
                list,
                Place::File,
                "the pickle holds no list of strings",
                "name the list of answers",
            )
        })?;
        Targets::read(Input { path, meter }, &answers).map(Some)
    }
}

/// Answers with scores, by question.
struct Targets {
    path: PathBuf,
    /// Nothing where the question was there.
    questions: HashMap<IdKey, Option<Vec<(String, f64)>>>,
}

impl Targets {
    fn read(input: Input<'_>, answers: &[&str]) -> Result<Self, ImportError> {
        let pickle = Pickle::read(input)?;
        let mut questions = HashMap::new();
        let wrong = |element: usize, problem: String| {
            ImportError::content(
                input.path,
                Place::Element(element),
                problem,
                "make the cache again with the scripts of CFR-VQA, or download it again",
            )
        };
        let list = pickle.list(pickle.root()).ok_or_else(|| {
            ImportError::content(
                input.path,
                Place::File,
                "the pickle holds no list",
                "name the file of targets",
            )
        })?;
        for (element, &target) in list.iter().enumerate() {
            let id = pickle
                .get(target, "question_id")
                .and_then(|id| pickle.id(id));
            let id = id.ok_or_else(|| wrong(element, "there is no `question_id`".to_owned()))?;
            let numbers = |name: &str| {
                let list = pickle
                    .get(target, name)
                    .and_then(|list| pickle.numbers(list));
                list.ok_or_else(|| wrong(element, format!("there is no list of numbers `{name}`")))
            };
            let (labels, scores) = (numbers("labels")?, numbers("scores")?);
            if labels.len() != scores.len() {
                let problem = format!(
                    "{} {}",
                    counted(labels.len(), "label has", "labels have"),
                    counted(scores.len(), "score", "scores")
                );
                return Err(wrong(element, problem));
            }
            let mut scored: Vec<(String, f64)> = Vec::new();
            for (label, score) in labels.into_iter().zip(scores) {
                let answer = (label.fract() == 0.0 && label >= 0.0)
                    .then(|| answers.get(label as usize))
                    .flatten()
                    .ok_or_else(|| {
                        wrong(
                            element,
                            format!(
                                "label {label} is no place in the list of {} answers",
                                answers.len()
                            ),
                        )
                    })?;
                if !(0.0..=1.0).contains(&score) {
                    return Err(wrong(
                        element,
                        format!("the score of `{answer}` is {score}: expected 0 to 1"),
                    ));
                }
                if scored.iter().any(|(known, _)| known == answer) {
                    return Err(wrong(
                        element,
                        format!("answer `{answer}` already has a score"),
                    ));
                }
                scored.push(((*answer).to_owned(), score));
            }
            if questions.insert(id.as_str().into(), Some(scored)).is_some() {
                return Err(wrong(
                    element,
                    format!("question {id} has a target already"),
                ));
            }
        }
        Ok(Self {
            path: input.path.to_owned(),
            questions,
        })
    }
}

#[derive(Default)]
struct Asked {
    id: Option<QuestionId>,
    image: Option<Id>,
    question: Option<Text>,
    entities: Option<Vec<Text>>,
    others: Vec<(String, Value)>,
}

element!(Asked {
    "question_id" => id,
    "image_id" => image,
    "question" => question,
    "entities" => entities,
    ..others
});

/// The words of each image. A text has commas between entries.
fn words(input: Input<'_>, skipped: Option<Input<'_>>) -> Result<Words, ImportError> {
    let mut words = Words::new();
    if let Some(skipped) = skipped {
        for Id(image) in whole::<Vec<Id>>(skipped)? {
            words.insert(format!("{FOLDER}/{image}.jpg"), Vec::new());
        }
    }
    stream(input, Shape::Map, &mut |item: Item<OneOrMore>| {
        let image = item.key.unwrap_or_default();
        let list = match item.value {
            OneOrMore::One(text) => text.split(',').map(str::to_owned).collect(),
            OneOrMore::More(list) => list,
        };
        let list = list
            .iter()
            .map(|word| word.trim())
            .filter(|word| !word.is_empty());
        words.insert(
            format!("{FOLDER}/{image}.jpg"),
            list.map(str::to_owned).collect(),
        );
        Ok(())
    })?;
    Ok(words)
}

impl Layout for Cfr {
    fn format(&self) -> Format {
        Format::Cfr
    }

    fn parts(&self) -> &[Part] {
        &self.parts
    }

    fn read(&self, part: usize, job: &mut Job<'_>) -> Result<(), ImportError> {
        let mut targets = self.targets(part, job.meter)?;
        let input = self.parts[part].input(job.meter);
        let mut rest = String::new();
        stream(input, Shape::Under("questions"), &mut |item: Item<
            Fields<Asked>,
        >| {
            let Fields(Asked {
                id,
                image,
                question,
                entities,
                others: mut fields,
            }) = item.value;
            let id = need(id, "question_id", input, &Place::Element(item.index))?;
            let place = Place::Question(id.text.clone());
            let Id(image) = need(image, "image_id", input, &place)?;
            let Text(question) = need(question, "question", input, &place)?;
            check_question(&question, input, &place)?;
            let file = format!("{image}.jpg");
            check_image(&file, input, &place)?;
            let entities: Vec<String> = entities
                .unwrap_or_default()
                .into_iter()
                .map(|Text(entity)| entity)
                .collect();
            let answers = match &mut targets {
                None => Answers::None,
                Some(targets) => {
                    let target = targets.questions.get_mut(&id.text.as_str().into());
                    let target = target.ok_or_else(|| {
                        ImportError::content(
                            &targets.path,
                            place,
                            format!("the question of `{}` has no target", input.path.display()),
                            "take questions and targets of one version",
                        )
                    })?;
                    let target = target.take();
                    Answers::Scored(target.ok_or_else(|| repeated(input.path, &id.text))?)
                }
            };
            fields.push(("image_id".to_owned(), image.into()));
            rest.clear();
            job.style.rest(
                &Rest {
                    answers: &answers,
                    as_written: true,
                    entities: Some(&entities),
                    weights: None,
                    fields: &fields,
                },
                &mut rest,
            );
            (job.sink)(&Record {
                id: &id,
                folder: FOLDER,
                image: &file,
                question: &question,
                answered: answers != Answers::None,
                rest: &rest,
            })
        })
    }

    fn below(&self, _folder: &str) -> Vec<String> {
        vec!["images".to_owned()]
    }

    fn has_entities(&self) -> bool {
        true
    }

    fn words(&self, part: usize, meter: &AtomicU64) -> Result<Option<ImageWords>, ImportError> {
        let beside = &self.beside[part];
        let read = |file: Option<&PathBuf>, skipped: Option<&PathBuf>| {
            let skipped = skipped.map(|path| Input { path, meter });
            let read = file.map(|path| words(Input { path, meter }, skipped));
            read.transpose()
        };
        let statistical = read(beside.statistical.as_ref(), beside.skipped[0].as_ref())?;
        let attributes = read(beside.attributes.as_ref(), beside.skipped[1].as_ref())?;
        if statistical.is_none() && attributes.is_none() {
            return Ok(None);
        }
        Ok(Some(ImageWords {
            statistical: statistical.unwrap_or_default(),
            attributes: attributes.unwrap_or_default(),
        }))
    }

    fn notes(&self) -> Vec<String> {
        let without = self.parts.iter().zip(&self.beside);
        without
            .filter(|(_, beside)| beside.statistical.is_none())
            .map(|(part, _)| format!("the images of {} have no statistical words", part.name))
            .collect()
    }
}
