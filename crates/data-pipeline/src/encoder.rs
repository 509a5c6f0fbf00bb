use crate::batch::{Batch, EncodedText};
use crate::error::DataError;
use crate::image::{ExifOrientation, ImageError, RgbImage};
use crate::inputs::{Inputs, Regions};
use crate::sample::Sample;
use crate::source::Source;
use crate::text::{AnswerList, PAD, Pieces, TokenTable, UNKNOWN, Vocabulary};

/// How questions, answers and images become numbers: what a run saves to be able to ask again later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoder {
    /// Words of the training split.
    pub vocabulary: Vocabulary,
    /// Answers the model can give.
    pub answers: AnswerList,
    /// Tokens of a question; longer ones are cut.
    pub max_question_tokens: usize,
    /// Side of the square an image is resized to, in pixels.
    pub image_size: usize,
    /// Whether images are turned as their EXIF tag says.
    pub exif_orientation: ExifOrientation,
    /// What batches carry beside the questions. It may be less than the data set has.
    pub inputs: Inputs,
    /// Word pieces of questions and answers, for a model that reads and writes them.
    pub pieces: Option<Pieces>,
}

impl Encoder {
    /// An encoder with the words, answers and inputs of the training split, and without word pieces.
    ///
    /// # Errors
    /// When the samples hold no word or no answer.
    pub fn build(
        training: &dyn Source,
        max_question_tokens: usize,
        image_size: usize,
    ) -> Result<Self, DataError> {
        Ok(Self {
            vocabulary: Vocabulary::build(training)?,
            answers: AnswerList::build(training.samples())?,
            max_question_tokens,
            image_size,
            exif_orientation: ExifOrientation::default(),
            inputs: training.inputs(),
            pieces: None,
        })
    }

    /// # Errors
    /// When a size is 0.
    pub(crate) fn check(&self) -> Result<(), DataError> {
        DataError::unless_positive([
            ("max_question_tokens", self.max_question_tokens),
            ("image_size", self.image_size),
        ])
    }

    /// The words of a question, each with whether the training split has it.
    pub fn known_words(&self, question: &str) -> Vec<(String, bool)> {
        let words = self.vocabulary.splitting().words(question).into_iter();
        words
            .map(|word| {
                let known = self.vocabulary.token(&word) != UNKNOWN;
                (word, known)
            })
            .collect()
    }

    /// The pixels of an encoded image as the model sees them, `[image_size, image_size, 3]`.
    ///
    /// # Errors
    /// [`ImageError`] when the bytes cannot be decoded or resized.
    pub fn pixels(&self, encoded: &[u8]) -> Result<Vec<u8>, ImageError> {
        let image = RgbImage::decode(encoded, self.exif_orientation)?.image;
        Ok(image.resize(self.image_size, self.image_size)?.pixels)
    }

    pub(crate) fn text(&self, sample: &Sample) -> EncodedText {
        let question = &sample.question;
        let (tokens, length) = self.vocabulary.encode(question, self.max_question_tokens);
        let pieces = self.pieces.as_ref();
        EncodedText {
            question: tokens,
            question_length: length,
            pieces: pieces.map(|pieces| pieces.question(question)),
            entities: self
                .inputs
                .entities
                .map(|_| self.vocabulary.tokens(&sample.entities)),
            targets: self.answers.targets(sample),
            weights: self.answers.weights(sample),
        }
    }

    /// A batch of no samples yet.
    pub(crate) fn empty_batch(&self, epoch: u64, index: usize) -> Batch {
        let words = |width: Option<usize>| width.map(|width| TokenTable::new(width, PAD));
        Batch {
            epoch,
            index,
            samples: Vec::new(),
            images: Vec::new(),
            regions: self.inputs.regions.map(Regions::new),
            statistical_words: words(self.inputs.statistical_words),
            image_of: Vec::new(),
            image_ids: Vec::new(),
            image_size: self.image_size,
            questions: Vec::new(),
            question_lengths: Vec::new(),
            pieces: self.pieces.as_ref().map(Pieces::questions),
            entities: words(self.inputs.entities),
            targets: Vec::new(),
            weights: Vec::new(),
        }
    }

    /// A batch of questions about one image, without answers and without region features. The words a data set would have
    /// for image and question are unknown.
    ///
    /// # Errors
    /// [`ImageError`] when the bytes cannot be decoded or resized.
    pub fn ask(&self, encoded: &[u8], questions: &[&str]) -> Result<Batch, ImageError> {
        let mut batch = Batch {
            images: self.pixels(encoded)?,
            regions: None,
            ..self.empty_batch(0, 0)
        };
        if let Some(table) = &mut batch.statistical_words {
            table.push(&[UNKNOWN]);
        }
        for (number, question) in questions.iter().enumerate() {
            let asked = Sample {
                question: (*question).to_owned(),
                ..Sample::default()
            };
            batch.push(number, 0, self.text(&asked));
        }
        Ok(batch)
    }
}
