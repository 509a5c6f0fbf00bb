//! The questions of a split and what the folder has for their images.
//!
//! One file because a split is read in one pass, in which every line is checked against what was read before it.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::Path;

use file_kind::shortened;

use super::features::Features;
use super::line::{Line, answers_alone};
use super::lines::{Parsed, each_line, go_on};
use super::manifest::{LineReading, Manifest};
use super::place::{Place, ends_reading};
use super::{Layout, NAME};
use crate::answers::{AnswerReading, ReadAnswers, ReadingFacts};
use crate::error::{DataError, Errors};
use crate::fields::{Fields, Names};
use crate::files;
use crate::inputs::{Inputs, RegionShape, most_tokens};
use crate::json::Json;
use crate::sample::{Answer, Comparison, Sample, Split};

/// The questions of a split, and the images they are about.
pub(super) struct Part {
    pub(super) samples: Vec<Sample>,
    /// Names of the images, in order of first use.
    pub(super) images: Vec<String>,
    /// For each image, by its name; nothing where the data set has none.
    pub(super) statistical_words: Option<Vec<Vec<String>>>,
    pub(super) inputs: Inputs,
    /// Nothing where the data set has none.
    pub(super) features: Option<Features>,
    /// Line of each sample, from 1.
    pub(super) lines: Vec<usize>,
    pub(super) facts: ReadingFacts,
}

/// The lines of a split that could be read, and the errors of the others.
pub(super) struct Readable {
    pub(super) part: Part,
    pub(super) errors: Errors,
}

/// Reads the questions of a split. Whether the files of their images can be used, [`check`](crate::check()) says.
pub(super) fn read(
    layout: &Layout,
    split: Split,
    reading: &AnswerReading,
    manifest: Option<&Manifest>,
    in_shards: bool,
) -> Result<Readable, DataError> {
    if !files::is_folder(layout.0)? {
        return Err(missing(layout, layout.0));
    }
    let mut has_images = in_shards || manifest.is_some() || files::is_folder(&layout.images())?;
    let has_features = files::is_folder(&layout.features())?;
    if !has_images && !has_features {
        return Err(missing(layout, &layout.images()));
    }
    let path = layout.questions(split);
    if !files::is_file(&path)? {
        return Err(missing(layout, &path));
    }
    let parser = Parser {
        split,
        reading,
        imported: manifest.is_some(),
    };
    let mut questions = Questions {
        path: &path,
        with_answers: None,
        with_entities: None,
        positions: HashMap::new(),
        images: Vec::new(),
        samples: Vec::new(),
        lines: Vec::new(),
        facts: ReadingFacts {
            file: path.clone(),
            ..ReadingFacts::default()
        },
    };
    let mut errors = Errors::default();
    each_line(
        &path,
        |place, text, names| parser.parse(place, text, names),
        |line| {
            let taken = match line.read {
                Err(error) => Err(error),
                Ok(None) => {
                    questions.facts.blank_lines += 1;
                    Ok(())
                }
                Ok(Some(question)) => questions.take(line.number, &line.text, question),
            };
            go_on(taken, questions.is_empty(), &mut errors)
        },
    )?;
    let Questions {
        samples,
        images,
        lines,
        with_entities,
        mut facts,
        ..
    } = questions;
    facts.questions = samples.len();
    if samples.is_empty() && errors.is_empty() {
        return Err(DataError::EmptyList { path });
    }
    if let Some(manifest) = manifest
        && !in_shards
        && let Some(error) = manifest.missing_folder(layout.0, &images)?
    {
        if !has_features {
            return Err(error);
        }
        has_images = false;
    }
    let statistical_words = statistical_words(layout, &images);
    let statistical_words = statistical_words.unwrap_or_else(|error| {
        errors.add(error);
        None
    });
    let found = has_features.then(|| regions(layout, &images)).transpose();
    let (features, regions) = found
        .unwrap_or_else(|error| {
            errors.add(error);
            None
        })
        .unzip();
    let inputs = Inputs {
        images: has_images,
        regions: regions.flatten(),
        statistical_words: statistical_words
            .as_ref()
            .map(|words| most_tokens(words.iter().map(Vec::as_slice))),
        entities: with_entities
            .unwrap_or(false)
            .then(|| most_tokens(samples.iter().map(|sample| sample.entities.as_slice()))),
    };
    let part = Part {
        samples,
        images,
        statistical_words,
        inputs,
        features: features.flatten(),
        lines,
        facts,
    };
    Ok(Readable { part, errors })
}

/// The region features of a data set, and their size; nothing where the folder of features is empty.
fn regions(
    layout: &Layout,
    images: &[String],
) -> Result<(Option<Features>, Option<RegionShape>), DataError> {
    let features = Features::open(layout)?;
    let shape = match &features {
        Some(features) => features.of_images(layout, images)?,
        None => None,
    };
    Ok((features, shape))
}

/// How a line is read, whatever stands on other lines.
struct Parser<'a> {
    split: Split,
    reading: &'a AnswerReading,
    /// Whether the lines come from an import, where none of a question's answers may be in the published list.
    imported: bool,
}

/// What stands on a line.
struct Question {
    image: String,
    asked: String,
    answers: Answered,
    /// How the answers were read.
    facts: ReadingFacts,
    entities: Option<Vec<String>>,
    fields: Fields,
}

/// The answers of a line.
enum Answered {
    /// The line lacks what its split needs.
    Missing,
    No,
    Yes(Result<(Vec<Answer>, Comparison), DataError>),
}

impl Parser<'_> {
    fn parse(&self, place: &Place, text: &str, names: &mut Names) -> Result<Question, DataError> {
        let Line {
            image,
            question,
            answers,
            entities,
            mut fields,
        } = place.parse(text)?;
        place.require_within(&image)?;
        let own = if self.imported {
            LineReading::take(&mut fields).map_err(|expected| place.unexpected(expected, text))?
        } else {
            LineReading::default()
        };
        let mut facts = ReadingFacts::default();
        Ok(Question {
            answers: self.answers(place, answers, &own, text, &mut facts),
            facts,
            image: image.into_owned(),
            asked: question.into_owned(),
            entities,
            fields: names.fields(fields),
        })
    }

    fn answers(
        &self,
        place: &Place,
        answers: Option<ReadAnswers>,
        own: &LineReading,
        text: &str,
        facts: &mut ReadingFacts,
    ) -> Answered {
        let given = |answers: &ReadAnswers| {
            let scored = matches!(answers, ReadAnswers::Scored(_));
            !answers.is_empty() || (self.imported && scored)
        };
        let Some(answers) = answers.filter(given) else {
            return match self.split {
                Split::Test => Answered::No,
                Split::Train | Split::Validation => Answered::Missing,
            };
        };
        let as_written;
        let reading = if own.as_written() {
            as_written = own.reading(self.reading);
            &as_written
        } else {
            self.reading
        };
        let (mut answers, comparison) = reading.read(&answers, facts);
        let weighed = own.weigh(&mut answers, reading.normalisation);
        Answered::Yes(match weighed {
            Ok(()) => Ok((answers, comparison)),
            Err(expected) => Err(place.unexpected(expected, text)),
        })
    }
}

/// What was read of a file of questions.
struct Questions<'a> {
    path: &'a Path,
    /// Whether the lines so far have answers.
    with_answers: Option<bool>,
    /// Whether the lines so far have entities.
    with_entities: Option<bool>,
    positions: HashMap<String, usize>,
    images: Vec<String>,
    samples: Vec<Sample>,
    lines: Vec<usize>,
    facts: ReadingFacts,
}

impl Questions<'_> {
    fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Takes what stands on the line with that number, if it agrees with the lines before.
    fn take(&mut self, number: usize, text: &str, question: Question) -> Result<(), DataError> {
        let place = Place {
            path: self.path,
            number,
        };
        let Question {
            image,
            asked,
            answers,
            facts,
            entities,
            fields,
        } = question;
        if *self.with_entities.get_or_insert(entities.is_some()) != entities.is_some() {
            let expected = "`entities` on all lines or on none";
            return Err(place.unexpected(expected, text));
        }
        let (answers, comparison) = self.answers(&place, answers, facts, text)?;
        self.note_fields(&fields);
        let position = if let Some(known) = self.positions.get(&image) {
            *known
        } else {
            self.positions.insert(image.clone(), self.images.len());
            self.images.push(image);
            self.images.len() - 1
        };
        self.lines.push(number);
        self.samples.push(Sample {
            image: position,
            question: asked,
            answers,
            comparison,
            entities: entities.unwrap_or_default(),
            fields,
        });
        Ok(())
    }

    /// The answers of a line; none where the split has none, or no answer is right.
    fn answers(
        &mut self,
        place: &Place,
        answers: Answered,
        facts: ReadingFacts,
        text: &str,
    ) -> Result<(Vec<Answer>, Comparison), DataError> {
        if matches!(answers, Answered::Missing) {
            return Err(place.unexpected("`answers`, which only `test.jsonl` may lack", text));
        }
        let answered = matches!(answers, Answered::Yes(_));
        if *self.with_answers.get_or_insert(answered) != answered {
            return Err(place.unexpected("`answers` on all lines or on none", text));
        }
        match answers {
            Answered::Yes(read) => {
                self.facts.add(facts);
                read
            }
            Answered::No | Answered::Missing => {
                self.facts.unanswered += 1;
                Ok((Vec::new(), Comparison::default()))
            }
        }
    }

    fn note_fields(&mut self, fields: &Fields) {
        let unknown = &mut self.facts.unknown_fields;
        for name in fields.keys() {
            if let Some(count) = unknown.get_mut(name) {
                *count += 1;
            } else {
                unknown.insert(name.to_owned(), 1);
            }
        }
    }
}

/// Lengths of the lists of all splits in which an answer is repeated. What cannot be read is left to the reading of its
/// split.
pub(super) fn vote_lengths(layout: &Layout) -> BTreeSet<usize> {
    let splits = [Split::Train, Split::Validation, Split::Test];
    let mut lengths = BTreeSet::new();
    for file in splits.map(|split| layout.questions(split)) {
        let length = |_: &Place, text: &str, (): &mut ()| {
            Ok(answers_alone(text).and_then(|a| a.repeating()))
        };
        let take = |line: Parsed<Option<usize>>| match line.read {
            Ok(length) => {
                lengths.extend(length.flatten());
                ControlFlow::Continue(())
            }
            Err(error) if ends_reading(&error, false) => ControlFlow::Break(()),
            Err(_) => ControlFlow::Continue(()),
        };
        let _ = each_line(&file, length, take);
    }
    lengths
}

fn missing(layout: &Layout, path: &Path) -> DataError {
    DataError::MissingDataSet {
        data_set: NAME,
        folder: layout.0.to_owned(),
        missing: path.to_owned(),
    }
}

/// The words of each image, where there is a file of them.
fn statistical_words(
    layout: &Layout,
    images: &[String],
) -> Result<Option<Vec<Vec<String>>>, DataError> {
    let path = layout.statistical_words();
    if !files::is_file(&path)? {
        return Ok(None);
    }
    let text = files::text(&path, files::LARGEST_JSON)?;
    let json = Json::parse(&text).map_err(|error| DataError::json(&path, &error))?;
    let members = json.members("an object from image to words");
    let mut by_image = HashMap::new();
    for (image, words) in members.map_err(|problem| problem.within(&path, &text))? {
        let words = words.words("a list of words or phrases");
        let words = words.map_err(|problem| problem.within(&path, &text))?;
        by_image.insert(image, words);
    }
    let mut errors = Errors::default();
    let mut words = Vec::with_capacity(images.len());
    for image in images {
        match by_image.remove(image.as_str()) {
            Some(of_image) => words.push(of_image),
            None => errors.add(DataError::Content {
                path: path.clone(),
                expected: format!("words for image `{}`", shortened(image)),
                found: "none".to_owned(),
            }),
        }
    }
    errors.none()?;
    Ok(Some(words))
}
