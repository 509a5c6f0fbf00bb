use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use serde_json::{Map, Value};

use super::line::{AnswersAlone, Line};
use super::{Layout, NAME, features};
use crate::answers::{AnswerReading, ReadAnswers, ReadingFacts};
use crate::check::{Fault, Faults};
use crate::error::{ARRAY, CUT, DataError};
use crate::files;
use crate::inputs::{Inputs, RegionShape, most_tokens};
use crate::sample::{Answer, Sample, Split};

/// Most characters of a line that a message repeats.
const LONGEST_QUOTE: usize = 300;

/// The questions of a split, and the images they are about.
pub(super) struct Part {
    pub(super) samples: Vec<Sample>,
    /// Names of the images, in order of first use.
    pub(super) images: Vec<String>,
    /// For each image, by its name; nothing where the data set has none.
    pub(super) statistical_words: Option<Vec<Vec<String>>>,
    pub(super) inputs: Inputs,
    /// Line of each sample, from 1.
    pub(super) lines: Vec<usize>,
    pub(super) facts: ReadingFacts,
}

/// Reads the questions of a split. Whether the files of their images can be used, [`check`](crate::check()) says.
pub(super) fn read(
    layout: &Layout,
    split: Split,
    reading: &AnswerReading,
) -> Result<Part, DataError> {
    if !files::is_folder(layout.0)? {
        return Err(missing(layout, layout.0));
    }
    let has_images = files::is_folder(&layout.images())?;
    let has_features = files::is_folder(&layout.features())?;
    if !has_images && !has_features {
        return Err(missing(layout, &layout.images()));
    }
    let path = layout.questions(split);
    let mut samples = Vec::new();
    let mut images = Vec::new();
    let mut positions = HashMap::new();
    let mut with_entities = None;
    let mut lines = Vec::new();
    let mut given = Given {
        split,
        reading,
        with_answers: None,
        facts: ReadingFacts {
            file: path.clone(),
            ..ReadingFacts::default()
        },
    };
    if !files::is_file(&path)? {
        return Err(missing(layout, &path));
    }
    for line in files::lines(&path)? {
        let (number, text) = line?;
        let text = text.as_str();
        if text.trim().is_empty() {
            given.facts.blank_lines += 1;
            continue;
        }
        let line = Place {
            path: &path,
            number,
        };
        let Line {
            image,
            question,
            answers,
            entities,
            fields,
        } = line.parse(text)?;
        let position = if let Some(known) = positions.get(&image) {
            *known
        } else {
            positions.insert(image.clone(), images.len());
            images.push(image);
            images.len() - 1
        };
        if *with_entities.get_or_insert(entities.is_some()) != entities.is_some() {
            let expected = "`entities` on all lines or on none";
            return Err(line.unexpected(expected, text));
        }
        let answers = given.answers(&line, answers, text)?;
        given.note_fields(&fields);
        lines.push(number);
        samples.push(Sample {
            image: position,
            question,
            answers,
            entities: entities.unwrap_or_default(),
            fields,
        });
    }
    given.facts.questions = samples.len();
    if samples.is_empty() {
        return Err(DataError::EmptyList { path });
    }
    let statistical_words = statistical_words(layout, &images)?;
    let regions = has_features
        .then(|| regions(layout, &images))
        .transpose()?
        .flatten();
    let inputs = Inputs {
        images: has_images,
        regions,
        statistical_words: statistical_words
            .as_ref()
            .map(|words| most_tokens(words.iter().map(Vec::as_slice))),
        entities: with_entities
            .unwrap_or(false)
            .then(|| most_tokens(samples.iter().map(|sample| sample.entities.as_slice()))),
    };
    Ok(Part {
        samples,
        images,
        statistical_words,
        inputs,
        lines,
        facts: given.facts,
    })
}

/// What a file gives as answers, and beside the fields that are read.
struct Given<'a> {
    split: Split,
    reading: &'a AnswerReading,
    /// Whether the lines so far have answers.
    with_answers: Option<bool>,
    facts: ReadingFacts,
}

impl Given<'_> {
    /// The answers of a line, none where the split has none.
    fn answers(
        &mut self,
        line: &Place,
        answers: Option<ReadAnswers>,
        text: &str,
    ) -> Result<Vec<Answer>, DataError> {
        let answers = answers.filter(|answers| !answers.is_empty_list());
        if self.split != Split::Test && answers.is_none() {
            return Err(line.unexpected("`answers`, which only `test.jsonl` may lack", text));
        }
        if *self.with_answers.get_or_insert(answers.is_some()) != answers.is_some() {
            return Err(line.unexpected("`answers` on all lines or on none", text));
        }
        let Some(answers) = answers else {
            self.facts.unanswered += 1;
            return Ok(Vec::new());
        };
        if let ReadAnswers::Scored(scored) = &answers
            && !scored.iter().any(|(_, score)| *score > 0.0)
        {
            return Err(line.unexpected("an answer with a score above 0", text));
        }
        let answers = self.reading.read(&answers, &mut self.facts);
        if self.split == Split::Train && answers.is_empty() {
            return Err(line.unexpected("an answer that is not blank", text));
        }
        Ok(answers)
    }

    fn note_fields(&mut self, fields: &Map<String, Value>) {
        let unknown = &mut self.facts.unknown_fields;
        for name in fields.keys() {
            if let Some(count) = unknown.get_mut(name) {
                *count += 1;
            } else {
                unknown.insert(name.clone(), 1);
            }
        }
    }
}

/// Lengths of the lists of all splits in which an answer is repeated. What cannot be read is left to the reading of its
/// split.
pub(super) fn vote_lengths(layout: &Layout) -> BTreeSet<usize> {
    let splits = [Split::Train, Split::Validation, Split::Test];
    let files = splits.map(|split| layout.questions(split));
    let lines = files
        .iter()
        .filter_map(|file| files::lines(file).ok())
        .flat_map(|lines| lines.map_while(Result::ok));
    let alone = lines.filter_map(|(_, text)| serde_json::from_str::<AnswersAlone>(&text).ok());
    alone
        .filter_map(|line| line.answers?.0.repeating())
        .collect()
}

fn missing(layout: &Layout, path: &Path) -> DataError {
    DataError::MissingDataSet {
        data_set: NAME,
        folder: layout.0.to_owned(),
        missing: path.to_owned(),
    }
}

/// The size that most features have: what the others differ from.
///
/// # Errors
/// When no features can be read, with all that is wrong.
fn regions(layout: &Layout, images: &[String]) -> Result<Option<RegionShape>, DataError> {
    let shape = |image: &String| features::glance(&layout.features_of(image));
    let shapes: Vec<_> = images.par_iter().map(shape).collect();
    let mut counts: Vec<(RegionShape, usize)> = Vec::new();
    for shape in shapes.iter().flatten() {
        match counts.iter_mut().find(|(known, _)| known == shape) {
            Some((_, count)) => *count += 1,
            None => counts.push((*shape, 1)),
        }
    }
    // The first of those that most have.
    if let Some((shape, _)) = counts.iter().rev().max_by_key(|(_, count)| *count) {
        return Ok(Some(*shape));
    }
    let files = shapes.len();
    let errors = images
        .iter()
        .zip(shapes)
        .filter_map(|(image, shape)| Some((layout.features_of(image), shape.err()?)));
    let faults: Vec<_> = errors
        .map(|(path, error)| Fault::of(path.display().to_string(), &error, Vec::new()))
        .collect();
    if faults.is_empty() {
        return Ok(None);
    }
    Err(DataError::BadFiles {
        faults: Faults(faults),
        files,
        begun: false,
    })
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
    let mut by_image: BTreeMap<String, Vec<String>> =
        serde_json::from_str(&files::text(&path, files::LARGEST_JSON)?)
            .map_err(|error| DataError::json(&path, &error))?;
    let of = |image: &String| {
        by_image.remove(image).ok_or_else(|| DataError::Content {
            path: path.clone(),
            expected: format!("words for image `{image}`"),
            found: "none".to_owned(),
        })
    };
    images.iter().map(of).collect::<Result<_, _>>().map(Some)
}

/// The beginning of a long text, for messages.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A line of questions, for messages.
struct Place<'a> {
    path: &'a Path,
    /// From 1.
    number: usize,
}

impl Place<'_> {
    fn unexpected(&self, expected: &'static str, found: &str) -> DataError {
        DataError::Line {
            path: self.path.to_owned(),
            line: self.number,
            expected,
            found: shortened(found),
        }
    }

    fn parse(&self, text: &str) -> Result<Line, DataError> {
        let line: Line =
            serde_json::from_str(text).map_err(|error| self.not_a_line(text, &error))?;
        if line.question.trim().is_empty() {
            return Err(self.unexpected("a question that is not blank", text));
        }
        // Neither out of the folder nor to another drive.
        let mut parts = Path::new(&line.image).components().peekable();
        if parts.peek().is_none() || !parts.all(|part| matches!(part, Component::Normal(_))) {
            return Err(self.unexpected("the name of a file in `images`", &line.image));
        }
        Ok(line)
    }

    /// A parser's error, or that there is something else than an object a line.
    fn not_a_line(&self, text: &str, error: &serde_json::Error) -> DataError {
        let found = match text.trim_start().chars().next() {
            Some('[') => ARRAY,
            Some('{') if error.is_eof() && self.is_last() => CUT,
            Some('{') if error.is_eof() => "the start of an object that goes on",
            // The parser has no category of its own for this.
            Some('{') if error.to_string().starts_with("trailing characters") => {
                "something behind an object"
            }
            _ => return DataError::json_line(self.path, self.number, error),
        };
        DataError::NotOneALine {
            path: self.path.to_owned(),
            line: self.number,
            found,
        }
    }

    /// Whether nothing but blank lines follows.
    fn is_last(&self) -> bool {
        files::lines(self.path).is_ok_and(|lines| {
            let mut rest = lines.skip(self.number);
            rest.all(|line| line.is_ok_and(|(_, text)| text.trim().is_empty()))
        })
    }
}
