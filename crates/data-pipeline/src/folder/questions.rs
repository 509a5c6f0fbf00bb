use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::line::Line;
use super::lines::{each_line, go_on};
use super::manifest::LineReading;
use super::place::Place;
use crate::check::Glance;
use crate::error::{DataError, Errors};
use crate::fields::{Fields, Names};
use crate::files;
use crate::image_file;
use crate::inputs::{Inputs, most_tokens};
use crate::json::Json;
use crate::sample::Sample;
use crate::source::Source;

/// Questions of one file that are to be answered, about images that lie anywhere. Their answers, if any, are not read.
///
/// The file has a JSON object a line, `{"image": "a.png", "question": "what is it?"}`, or its questions are handed over as such
/// lines. Any further field stays with its [`Sample`].
#[derive(Debug)]
pub struct Questions {
    file: PathBuf,
    /// Whether the file has another layout, and its questions were handed over.
    imported: bool,
    /// Where images lie whose name begins with none of `folders`.
    root: PathBuf,
    /// Folders of images, by the first part of their names.
    folders: BTreeMap<String, PathBuf>,
    /// Whether images may lie outside of `root`.
    anywhere: bool,
    samples: Vec<Sample>,
    /// Number of each sample in the file.
    numbers: Vec<usize>,
    images: Vec<String>,
    positions: HashMap<String, usize>,
    with_entities: Option<bool>,
}

impl Questions {
    /// No questions yet.
    fn of(file: &Path, root: &Path) -> Self {
        Self {
            file: file.to_owned(),
            imported: false,
            root: root.to_owned(),
            folders: BTreeMap::new(),
            anywhere: false,
            samples: Vec::new(),
            numbers: Vec::new(),
            images: Vec::new(),
            positions: HashMap::new(),
            with_entities: None,
        }
    }

    /// Reads a file of one question a line about images below the folder `images`, or below one of `folders` where the first part
    /// of an image's name says so.
    ///
    /// # Errors
    /// When it cannot be read, with all lines that are no questions; when it has none.
    pub fn read(
        file: &Path,
        images: &Path,
        folders: BTreeMap<String, PathBuf>,
    ) -> Result<Self, DataError> {
        let mut questions = Self::of(file, images);
        questions.folders = folders;
        questions.lines()
    }

    /// Whether a file has one question a line, as its first line has it. What cannot be read is none.
    pub fn is_one_a_line(file: &Path) -> bool {
        let Ok(mut lines) = files::lines(file) else {
            return false;
        };
        let blank = |text: &str| text.trim().is_empty();
        let first = lines.find(|line| !line.as_ref().is_ok_and(|(_, text)| blank(text)));
        let Some(Ok((_, first))) = first else {
            return false;
        };
        let has = |name| Json::parse(&first).is_ok_and(|json| json.find(name).is_some());
        has("image") && has("question")
    }

    /// Reads a file of one question a line whose images are paths of files.
    ///
    /// # Errors
    /// As for [`Questions::read`].
    pub fn with_paths(file: &Path) -> Result<Self, DataError> {
        let mut questions = Self::of(file, Path::new(""));
        questions.anywhere = true;
        questions.lines()
    }

    /// The questions of a file of another layout, handed over as lines in its order. The first part of each image's name says in
    /// which of the `folders` it lies.
    ///
    /// # Errors
    /// When a line is no question, or there is none.
    pub fn listed<T: AsRef<str>>(
        file: &Path,
        lines: impl IntoIterator<Item = T>,
        folders: BTreeMap<String, PathBuf>,
    ) -> Result<Self, DataError> {
        let mut questions = Self::of(file, Path::new(""));
        questions.imported = true;
        questions.folders = folders;
        let mut names = Names::default();
        for (number, line) in lines.into_iter().enumerate() {
            questions.add(number, line.as_ref(), &mut names)?;
        }
        questions.some()
    }

    fn lines(mut self) -> Result<Self, DataError> {
        let mut errors = Errors::default();
        let file = self.file.clone();
        let parser = self.parser();
        let parse = |place: &Place, text: &str, names: &mut _| parser.parse(place, text, names);
        each_line(&file, parse, |line| {
            let taken = line.read.and_then(|question| match question {
                Some(question) => self.take(line.number, &line.text, question),
                None => Ok(()),
            });
            go_on(taken, self.samples.is_empty(), &mut errors)
        })?;
        errors.none_of(Some(&file))?;
        self.some()
    }

    fn some(self) -> Result<Self, DataError> {
        if self.samples.is_empty() {
            return Err(DataError::EmptyList { path: self.file });
        }
        Ok(self)
    }

    fn parser(&self) -> Parser {
        Parser {
            imported: self.imported,
            anywhere: self.anywhere,
        }
    }

    fn add(&mut self, number: usize, text: &str, names: &mut Names) -> Result<(), DataError> {
        let place = Place {
            path: &self.file,
            number,
        };
        let question = self.parser().parse(&place, text, names)?;
        self.take(number, text, question)
    }

    /// Takes what stands on the line with that number, if it agrees with the lines before.
    fn take(&mut self, number: usize, text: &str, question: Question) -> Result<(), DataError> {
        let Question {
            image,
            asked,
            entities,
            fields,
        } = question;
        if *self.with_entities.get_or_insert(entities.is_some()) != entities.is_some() {
            let place = Place {
                path: &self.file,
                number,
            };
            let expected = "`entities` on all lines or on none";
            return Err(place.unexpected(expected, text));
        }
        let position = *self.positions.entry(image).or_insert_with_key(|image| {
            self.images.push(image.clone());
            self.images.len() - 1
        });
        self.numbers.push(number);
        self.samples.push(Sample {
            image: position,
            question: asked,
            entities: entities.unwrap_or_default(),
            fields,
            ..Sample::default()
        });
        Ok(())
    }

    /// Where an image lies; nowhere where there is none of that number.
    fn path(&self, image: usize) -> Result<PathBuf, DataError> {
        let name = self.images.get(image).ok_or(DataError::NoSuchImage {
            image,
            images: self.images.len(),
        })?;
        let elsewhere = name
            .split_once('/')
            .and_then(|(folder, rest)| Some(self.folders.get(folder)?.join(rest)));
        Ok(elsewhere.unwrap_or_else(|| self.root.join(name)))
    }
}

/// How a line is read, whatever stands on other lines.
#[derive(Clone, Copy)]
struct Parser {
    imported: bool,
    anywhere: bool,
}

/// What stands on a line.
struct Question {
    image: String,
    asked: String,
    entities: Option<Vec<String>>,
    fields: Fields,
}

impl Parser {
    fn parse(self, place: &Place, text: &str, names: &mut Names) -> Result<Question, DataError> {
        let Line {
            image,
            question,
            entities,
            mut fields,
            ..
        } = place.parse_question(text)?;
        if self.imported {
            // How answers are read, which are not.
            LineReading::take(&mut fields).map_err(|expected| place.unexpected(expected, text))?;
        }
        if !self.anywhere {
            place.require_within(&image)?;
        }
        Ok(Question {
            image: image.into_owned(),
            asked: question.into_owned(),
            entities,
            fields: names.fields(fields),
        })
    }
}

impl Source for Questions {
    fn samples(&self) -> &[Sample] {
        &self.samples
    }

    fn image_count(&self) -> usize {
        self.images.len()
    }

    fn inputs(&self) -> Inputs {
        let entities = self.samples.iter().map(|sample| &*sample.entities);
        Inputs {
            entities: self
                .with_entities
                .unwrap_or(false)
                .then(|| most_tokens(entities)),
            ..Inputs::IMAGES
        }
    }

    fn encoded_image(&self, image: usize) -> Result<Vec<u8>, DataError> {
        image_file::read(&self.path(image)?)
    }

    fn glance(&self, image: usize) -> Result<Option<Glance>, DataError> {
        image_file::glance(&self.path(image)?).map(Some)
    }

    fn files(&self, image: usize) -> Vec<PathBuf> {
        self.path(image).into_iter().collect()
    }

    fn image_name(&self, image: usize) -> String {
        let path = self.path(image);
        path.map_or_else(|_| image.to_string(), |path| path.display().to_string())
    }

    fn place(&self) -> String {
        format!("the questions (`{}`)", self.file.display())
    }

    fn questions(&self) -> (Option<String>, &'static str) {
        let unit = if self.imported { "entry" } else { "line" };
        (Some(self.file.display().to_string()), unit)
    }

    fn sample_number(&self, sample: usize) -> usize {
        self.numbers.get(sample).copied().unwrap_or(0)
    }

    fn image_id(&self, image: usize) -> String {
        self.images.get(image).cloned().unwrap_or_default()
    }
}
