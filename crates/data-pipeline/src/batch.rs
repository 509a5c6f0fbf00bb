use std::ops::Range;

use crate::encoder::{EncodedText, Encoder};
use crate::text::{Pieces, TokenTable};

/// Samples as numbers: an effective batch from the loader, or a slice of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The epoch it belongs to.
    pub epoch: u64,
    /// Number of the batch in its epoch, from 0.
    pub index: usize,
    /// Indices of the samples in their source, `[batch]`.
    pub samples: Vec<usize>,
    /// Every distinct image once, in order of first use, `[unique_images, image_size, image_size, 3]`.
    pub images: Vec<u8>,
    /// Which of the images each sample is about, `[batch]`.
    pub image_of: Vec<usize>,
    /// Side of an image in pixels.
    pub image_size: usize,
    /// Question tokens, padded at the end, `[batch, max_question_tokens]`.
    pub questions: Vec<u32>,
    /// Tokens of each question that are not padding, `[batch]`.
    pub question_lengths: Vec<usize>,
    /// Word pieces of the questions, `[batch, max_pieces]`, where the encoder has a tokenizer.
    pub pieces: Option<TokenTable>,
    /// Right answers of each sample as (answer index, score), `[batch]`: what a classifier learns.
    pub targets: Vec<Vec<(usize, f32)>>,
    /// The same answers as (answer index, weight), `[batch]`: what a decoder learns to write.
    pub weights: Vec<Vec<(usize, f32)>>,
}

impl Batch {
    pub(crate) fn empty(epoch: u64, index: usize, encoder: &Encoder) -> Self {
        Self {
            epoch,
            index,
            samples: Vec::new(),
            images: Vec::new(),
            image_of: Vec::new(),
            image_size: encoder.image_size,
            questions: Vec::new(),
            question_lengths: Vec::new(),
            pieces: encoder.pieces.as_ref().map(Pieces::questions),
            targets: Vec::new(),
            weights: Vec::new(),
        }
    }

    /// Adds a sample about the image of a row.
    pub(crate) fn push(&mut self, sample: usize, image: usize, text: EncodedText) {
        self.samples.push(sample);
        self.image_of.push(image);
        self.questions.extend(text.question);
        self.question_lengths.push(text.question_length);
        if let (Some(table), Some(row)) = (&mut self.pieces, text.pieces) {
            table.push(&row);
        }
        self.targets.push(text.targets);
        self.weights.push(text.weights);
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there are no samples. The loader delivers no such batch.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Number of distinct images.
    pub fn unique_images(&self) -> usize {
        self.images
            .len()
            .checked_div(self.image_bytes())
            .unwrap_or(0)
    }

    /// Tokens of a question, padding among them.
    pub fn max_question_tokens(&self) -> usize {
        self.questions.len().checked_div(self.len()).unwrap_or(0)
    }

    /// Bytes of one image.
    fn image_bytes(&self) -> usize {
        self.image_size * self.image_size * 3
    }

    /// The samples of a range, with the images they use in order of first use.
    ///
    /// # Panics
    /// When the range reaches beyond the samples, as slices do.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let (tokens, bytes) = (self.max_question_tokens(), self.image_bytes());
        let mut images = Vec::new();
        let mut row_of = vec![None; self.unique_images()];
        let mut rows = 0;
        let image_of = self.image_of[range.clone()]
            .iter()
            .map(|&old| {
                *row_of[old].get_or_insert_with(|| {
                    images.extend_from_slice(&self.images[old * bytes..(old + 1) * bytes]);
                    rows += 1;
                    rows - 1
                })
            })
            .collect();
        Self {
            epoch: self.epoch,
            index: self.index,
            samples: self.samples[range.clone()].to_vec(),
            images,
            image_of,
            image_size: self.image_size,
            questions: self.questions[range.start * tokens..range.end * tokens].to_vec(),
            question_lengths: self.question_lengths[range.clone()].to_vec(),
            pieces: self.pieces.as_ref().map(|rows| rows.select(range.clone())),
            targets: self.targets[range.clone()].to_vec(),
            weights: self.weights[range].to_vec(),
        }
    }
}
