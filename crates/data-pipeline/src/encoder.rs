use crate::batch::Batch;
use crate::error::DataError;
use crate::image::{ImageError, RgbImage};
use crate::sample::Sample;
use crate::text::{AnswerList, Vocabulary, tokenize};

/// How questions, answers and images become numbers: what a run saves to be able to ask again later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoder {
    /// Words of the training questions.
    pub vocabulary: Vocabulary,
    /// Answers the model can give.
    pub answers: AnswerList,
    /// Tokens of a question; longer ones are cut.
    pub max_question_tokens: usize,
    /// Side of the square an image is resized to, in pixels.
    pub image_size: usize,
}

impl Encoder {
    /// An encoder with the words and answers of the training samples.
    ///
    /// # Errors
    /// When the samples hold no word or no answer.
    pub fn build(
        training: &[Sample],
        max_question_tokens: usize,
        image_size: usize,
    ) -> Result<Self, DataError> {
        Ok(Self {
            vocabulary: Vocabulary::build(training)?,
            answers: AnswerList::build(training)?,
            max_question_tokens,
            image_size,
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

    /// How many of the samples' questions are cut to [`Encoder::max_question_tokens`].
    pub fn truncated(&self, samples: &[Sample]) -> usize {
        samples
            .iter()
            .filter(|sample| tokenize(&sample.question).count() > self.max_question_tokens)
            .count()
    }

    /// The pixels of PNG or JPEG bytes as the model sees them, `[image_size, image_size, 3]`.
    ///
    /// # Errors
    /// [`ImageError`] when the bytes cannot be decoded or resized.
    pub fn pixels(&self, encoded: &[u8]) -> Result<Vec<u8>, ImageError> {
        let image = RgbImage::decode(encoded)?;
        Ok(image.resize(self.image_size, self.image_size)?.pixels)
    }

    /// A batch of questions about one image, without answers.
    ///
    /// # Errors
    /// [`ImageError`] when the bytes cannot be decoded or resized.
    pub fn ask(&self, encoded: &[u8], questions: &[&str]) -> Result<Batch, ImageError> {
        let mut batch = Batch::empty(0, 0, self.image_size);
        batch.images = self.pixels(encoded)?;
        for (sample, question) in questions.iter().enumerate() {
            let (tokens, length) = self.vocabulary.encode(question, self.max_question_tokens);
            batch.samples.push(sample);
            batch.image_of.push(0);
            batch.questions.extend(tokens);
            batch.question_lengths.push(length);
            batch.targets.push(Vec::new());
        }
        Ok(batch)
    }
}
