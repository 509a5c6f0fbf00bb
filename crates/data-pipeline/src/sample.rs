use serde_json::{Map, Value};

use crate::answers::{AnswerNormalisation, ReadingFacts, Votes};
use crate::check::Glance;
use crate::error::DataError;
use crate::inputs::{Inputs, RegionShape, Regions};

/// The part a set of samples plays in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// Learned from.
    Train,
    /// Held out of training; decides which checkpoint is best.
    Validation,
    /// Looked at once, at the end.
    Test,
}

impl Split {
    /// Its name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// One question about one image with its answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Index of the image in its [`Source`].
    pub image: usize,
    /// The question as asked.
    pub question: String,
    /// Right answers, each once; none where the data set gives none, as in the test split of a challenge.
    pub answers: Vec<Answer>,
    /// What the question speaks of, as words or phrases; none where the data set does not say.
    pub entities: Vec<String>,
    /// What else the data set has with the question, such as `question_id`: not used, but given back with whatever is
    /// written about the sample.
    pub fields: Map<String, Value>,
}

/// A right answer to a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The answer.
    pub text: String,
    /// How right it is, `0.0..=1.0`: the target of a classifier, and what giving the answer earns.
    pub score: f32,
    /// Its part in what a decoder learns to write, `0.0..=1.0`; the weights of a sample's answers sum to 1.
    pub weight: f32,
}

impl Answer {
    /// The one answer to a question.
    pub fn only(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            score: 1.0,
            weight: 1.0,
        }
    }

    /// What annotators answered, each distinct answer once, in order of first appearance: [`Votes::answers`] without
    /// normalising.
    ///
    /// ```
    /// let given = ["red", "pink", "red", "red", "red", "rose", "red", "red", "pink", "red"];
    /// let answers = data_pipeline::Answer::of_annotators(given);
    /// assert_eq!(answers[1].text, "pink");
    /// assert_eq!((answers[1].score, answers[1].weight), (0.6, 0.2));
    /// ```
    pub fn of_annotators<T: AsRef<str>>(given: impl IntoIterator<Item = T>) -> Vec<Self> {
        Votes::new(given, AnswerNormalisation::None).answers()
    }
}

/// One split of a data set: samples, and the encoded images they are about.
///
/// Images are handed out as the bytes of a file, so that every data set passes through the same decoder.
pub trait Source: Send + Sync {
    /// Every sample, in storage order.
    fn samples(&self) -> &[Sample];

    /// How many images there are; [`Sample::image`] lies below it.
    fn image_count(&self) -> usize;

    /// What there is beside the questions. [`Source::encoded_image`], [`Source::regions`] and
    /// [`Source::statistical_words`] are called only for what is there.
    fn inputs(&self) -> Inputs {
        Inputs::IMAGES
    }

    /// The region features of an image. Equal features at each call.
    ///
    /// # Errors
    /// When they cannot be read, naming the image.
    fn regions(&self, image: usize) -> Result<Regions, DataError> {
        Err(DataError::MissingInput {
            of: self.image_name(image),
            input: "region features",
        })
    }

    /// What images like this one show, as words or phrases.
    fn statistical_words(&self, _image: usize) -> &[String] {
        &[]
    }

    /// The encoded bytes of an image. Equal bytes at each call.
    ///
    /// # Errors
    /// When the image cannot be read, naming it.
    fn encoded_image(&self, image: usize) -> Result<Vec<u8>, DataError>;

    /// Looks at an image as far as little reading goes: whether its file is there, is a regular one, and begins and ends as
    /// images do. An image of which that cannot be told is decoded. Nothing where the
    /// data set has no files.
    ///
    /// # Errors
    /// When the image cannot be read, naming it.
    fn glance(&self, _image: usize) -> Result<Option<Glance>, DataError> {
        Ok(None)
    }

    /// Looks at the region features of an image as far as little reading goes, and gives the size that they say they have;
    /// nothing where the data set has no files.
    ///
    /// # Errors
    /// When they cannot be read, naming them.
    fn glance_regions(&self, _image: usize) -> Result<Option<RegionShape>, DataError> {
        Ok(None)
    }

    /// What to call an image in a message: its path, where it has one.
    fn image_name(&self, image: usize) -> String;

    /// What to call the region features of an image in a message: their path, where they have one.
    fn regions_name(&self, image: usize) -> String {
        self.image_name(image)
    }

    /// What to call the split in a message, with its file, where it has one.
    fn place(&self) -> String {
        "the split".to_owned()
    }

    /// What to call a sample in a message: its file and line, where it has them.
    fn sample_place(&self, sample: usize) -> String {
        match self.questions() {
            (Some(file), unit) => format!("`{file}`, {unit} {}", self.sample_number(sample)),
            (None, unit) => format!("{unit} {}", self.sample_number(sample)),
        }
    }

    /// The file that the samples are written in, where there is one, and what is counted there: `line` or `entry`.
    fn questions(&self) -> (Option<String>, &'static str) {
        (None, "sample")
    }

    /// Number of a sample in [`Source::questions`].
    fn sample_number(&self, sample: usize) -> usize {
        sample
    }

    /// How the file of questions was read, where there is one.
    fn reading(&self) -> Option<&ReadingFacts> {
        None
    }

    /// Whether there are answers to compare a model's with.
    fn has_answers(&self) -> bool {
        let mut samples = self.samples().iter();
        samples.any(|sample| !sample.answers.is_empty())
    }

    /// What tells an image from any other, wherever the data set lies.
    fn image_id(&self, image: usize) -> String {
        self.image_name(image)
    }
}
