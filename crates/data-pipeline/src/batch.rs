use std::ops::Range;

use crate::inputs::Regions;
use crate::text::TokenTable;

/// Samples as numbers: an effective batch from the loader, or a slice of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The epoch it belongs to.
    pub epoch: u64,
    /// Number of the batch in its epoch, from 0.
    pub index: usize,
    /// Indices of the samples in their source, `[batch]`.
    pub samples: Vec<usize>,
    /// Every distinct image once, in order of first use, `[unique_images, image_size, image_size, 3]`; empty where the
    /// encoder's inputs have no images.
    pub images: Vec<u8>,
    /// Region features of every distinct image, in the same order, where the encoder's inputs have them.
    pub regions: Option<Regions>,
    /// Statistical words of every distinct image, likewise, `[unique_images, statistical_words]`.
    pub statistical_words: Option<TokenTable>,
    /// Which of the images each sample is about, `[batch]`.
    pub image_of: Vec<usize>,
    /// What each distinct image is known by in its effective batch, in the same order, `[unique_images]`: its place among the
    /// images there, which slices keep.
    pub image_ids: Vec<usize>,
    /// Side of an image in pixels.
    pub image_size: usize,
    /// Question tokens, padded at the end, `[batch, max_question_tokens]`.
    pub questions: Vec<u32>,
    /// Tokens of each question that are not padding, `[batch]`.
    pub question_lengths: Vec<usize>,
    /// Word pieces of the questions, `[batch, max_pieces]`, where the encoder has a tokenizer.
    pub pieces: Option<TokenTable>,
    /// Words of the questions' entities, `[batch, entities]`, where the encoder's inputs have them.
    pub entities: Option<TokenTable>,
    /// Right answers of each sample as (answer index, score), `[batch]`: what a classifier learns.
    pub targets: Vec<Vec<(usize, f32)>>,
    /// The same answers as (answer index, weight), `[batch]`: what a decoder learns to write.
    pub weights: Vec<Vec<(usize, f32)>>,
}

/// What a sample says, as numbers.
pub(crate) struct EncodedText {
    pub(crate) question: Vec<u32>,
    pub(crate) question_length: usize,
    pub(crate) pieces: Option<Vec<u32>>,
    pub(crate) entities: Option<Vec<u32>>,
    pub(crate) targets: Vec<(usize, f32)>,
    pub(crate) weights: Vec<(usize, f32)>,
}

impl Batch {
    /// Makes room for this many images.
    pub(crate) fn reserve(&mut self, images: usize) {
        self.images
            .reserve_exact(images * self.image_size.pow(2) * 3);
        if let Some(regions) = &mut self.regions {
            regions.reserve(images);
        }
    }

    /// Adds a sample about the image of a row.
    pub(crate) fn push(&mut self, sample: usize, image: usize, text: EncodedText) {
        self.samples.push(sample);
        self.image_of.push(image);
        if image == self.image_ids.len() {
            self.image_ids.push(image);
        }
        self.questions.extend(text.question);
        self.question_lengths.push(text.question_length);
        if let (Some(table), Some(row)) = (&mut self.pieces, text.pieces) {
            table.push(&row);
        }
        if let (Some(table), Some(row)) = (&mut self.entities, text.entities) {
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
        self.image_ids.len()
    }

    /// Tokens of a question, padding among them.
    pub fn max_question_tokens(&self) -> usize {
        self.questions.len().checked_div(self.len()).unwrap_or(0)
    }

    /// The samples of a range, with the images they use in order of first use.
    ///
    /// # Panics
    /// When the range reaches beyond the samples, as slices do.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let tokens = self.max_question_tokens();
        // The images used, and where each of all images comes among them.
        let mut used = Vec::new();
        let mut row_of = vec![None; self.unique_images()];
        let image_of = self.image_of[range.clone()]
            .iter()
            .map(|&image| {
                *row_of[image].get_or_insert_with(|| {
                    used.push(image);
                    used.len() - 1
                })
            })
            .collect();
        let bytes = self
            .images
            .len()
            .checked_div(self.unique_images())
            .unwrap_or(0);
        let pixels = |&image: &usize| &self.images[image * bytes..][..bytes];
        let of_samples = |table: &TokenTable| table.select(range.clone());
        Self {
            epoch: self.epoch,
            index: self.index,
            samples: self.samples[range.clone()].to_vec(),
            images: used.iter().map(pixels).collect::<Vec<_>>().concat(),
            regions: self
                .regions
                .as_ref()
                .map(|all| all.select(used.iter().copied())),
            statistical_words: self
                .statistical_words
                .as_ref()
                .map(|all| all.select(used.iter().copied())),
            image_of,
            image_ids: used.iter().map(|&image| self.image_ids[image]).collect(),
            image_size: self.image_size,
            questions: self.questions[range.start * tokens..range.end * tokens].to_vec(),
            question_lengths: self.question_lengths[range.clone()].to_vec(),
            pieces: self.pieces.as_ref().map(of_samples),
            entities: self.entities.as_ref().map(of_samples),
            targets: self.targets[range.clone()].to_vec(),
            weights: self.weights[range].to_vec(),
        }
    }
}
