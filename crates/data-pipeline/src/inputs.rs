use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::tokenize;

/// Numbers of a region's box: left, top, right and bottom edge, width and height.
pub const BOX_SIZE: usize = 6;

/// Which inputs there are beside the question, and their sizes.
///
/// The training split decides for a run: saved with it, it says what the model was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// Whether there are images.
    pub images: bool,
    /// Size of an image's region features.
    pub regions: Option<RegionShape>,
    /// Tokens of an image's statistical words, padding among them.
    pub statistical_words: Option<usize>,
    /// Tokens of a question's entities, padding among them.
    pub entities: Option<usize>,
}

/// Size of the region features of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionShape {
    /// Regions of an image.
    pub regions: usize,
    /// Features of a region.
    pub dim: usize,
}

/// `36 x 2048`.
impl fmt::Display for RegionShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}", self.regions, self.dim)
    }
}

impl Inputs {
    /// Images and nothing else.
    pub const IMAGES: Self = Self {
        images: true,
        regions: None,
        statistical_words: None,
        entities: None,
    };

    /// Whether images can be varied: there are some, and no region features, which would have to be cropped and mirrored with
    /// them.
    pub fn can_be_augmented(&self) -> bool {
        self.images && self.regions.is_none()
    }
}

/// What a detector found in images, instead of or beside their pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Regions {
    /// The same for every image.
    pub shape: RegionShape,
    /// `[images, regions, dim]`.
    pub features: Vec<f32>,
    /// `[images, regions, 6]`: left, top, right and bottom edge, width and height, as parts of the image's.
    pub boxes: Vec<f32>,
}

impl Regions {
    /// Those of no image yet.
    pub(crate) fn new(shape: RegionShape) -> Self {
        Self {
            shape,
            features: Vec::new(),
            boxes: Vec::new(),
        }
    }

    /// Makes room for so many images.
    pub(crate) fn reserve(&mut self, images: usize) {
        let RegionShape { regions, dim } = self.shape;
        self.features.reserve_exact(images * regions * dim);
        self.boxes.reserve_exact(images * regions * BOX_SIZE);
    }

    /// Adds images of the same shape.
    pub(crate) fn append(&mut self, images: &Self) {
        self.features.extend_from_slice(&images.features);
        self.boxes.extend_from_slice(&images.boxes);
    }

    /// The given images, in the order given.
    pub(crate) fn select(&self, images: impl IntoIterator<Item = usize>) -> Self {
        let RegionShape { regions, dim } = self.shape;
        let images = images.into_iter();
        let mut selected = Self::new(self.shape);
        selected.reserve(images.size_hint().0);
        for image in images {
            let features = &self.features[image * regions * dim..][..regions * dim];
            selected.features.extend_from_slice(features);
            let boxes = &self.boxes[image * regions * BOX_SIZE..][..regions * BOX_SIZE];
            selected.boxes.extend_from_slice(boxes);
        }
        selected
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        (self.features.len() + self.boxes.len()) * size_of::<f32>()
    }
}

/// Most tokens of an image's statistical words and of a question's entities; further ones are cut. The published recipe has
/// 30 statistical words.
const MAX_TOKENS: usize = 128;

/// Most tokens of a row of texts, but not more than [`MAX_TOKENS`]; a row without a word is one unknown word.
pub(crate) fn most_tokens<'a>(rows: impl Iterator<Item = &'a [String]>) -> usize {
    let tokens = rows.map(|row| row.iter().map(|text| tokenize(text).count()).sum());
    tokens.max().unwrap_or(0).clamp(1, MAX_TOKENS)
}
