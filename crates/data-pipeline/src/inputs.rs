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
    /// Regions of an image, at most.
    pub regions: usize,
    /// Features of a region.
    pub dim: usize,
    /// Whether images may have fewer regions.
    #[serde(default)]
    pub varying: bool,
}

impl RegionShape {
    /// Whether regions of another size may stand where these are expected.
    pub fn admits(self, other: Self) -> bool {
        let fewer = self.varying && (1..=self.regions).contains(&other.regions);
        other.dim == self.dim && (fewer || self == other)
    }
}

/// `36 x 2048`, or `up to 100 x 2048`.
impl fmt::Display for RegionShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let up_to = if self.varying { "up to " } else { "" };
        write!(f, "{up_to}{} x {}", self.regions, self.dim)
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
    /// Of an image alone its size, of several the size that all have at most.
    pub shape: RegionShape,
    /// Regions of each image, `[images]`.
    pub counts: Vec<usize>,
    /// `[regions of all images, dim]`, image after image.
    pub features: Vec<f32>,
    /// `[regions of all images, 6]`: left, top, right and bottom edge, width and height, as fractions of the image's.
    pub boxes: Vec<f32>,
}

impl Regions {
    /// Regions of one image: features `[regions, dim]` and boxes `[regions, 6]`.
    pub fn of_image(regions: usize, dim: usize, features: Vec<f32>, boxes: Vec<f32>) -> Self {
        Self {
            shape: RegionShape {
                regions,
                dim,
                varying: false,
            },
            counts: vec![regions],
            features,
            boxes,
        }
    }

    /// Those of no image yet.
    pub(crate) fn new(shape: RegionShape) -> Self {
        Self {
            shape,
            counts: Vec::new(),
            features: Vec::new(),
            boxes: Vec::new(),
        }
    }

    /// Makes room for this many images.
    pub(crate) fn reserve(&mut self, images: usize) {
        let RegionShape { regions, dim, .. } = self.shape;
        self.counts.reserve_exact(images);
        self.features.reserve_exact(images * regions * dim);
        self.boxes.reserve_exact(images * regions * BOX_SIZE);
    }

    /// Adds images that the shape admits.
    pub(crate) fn append(&mut self, images: &Self) {
        self.counts.extend_from_slice(&images.counts);
        self.features.extend_from_slice(&images.features);
        self.boxes.extend_from_slice(&images.boxes);
    }

    /// The given images, in the order given.
    pub(crate) fn select(&self, images: impl IntoIterator<Item = usize>) -> Self {
        let dim = self.shape.dim;
        // The first region of each image.
        let mut starts = vec![0; self.counts.len()];
        for image in 1..starts.len() {
            starts[image] = starts[image - 1] + self.counts[image - 1];
        }
        let images = images.into_iter();
        let mut selected = Self::new(self.shape);
        selected.reserve(images.size_hint().0);
        for image in images {
            let (start, count) = (starts[image], self.counts[image]);
            selected.counts.push(count);
            let features = &self.features[start * dim..][..count * dim];
            selected.features.extend_from_slice(features);
            let boxes = &self.boxes[start * BOX_SIZE..][..count * BOX_SIZE];
            selected.boxes.extend_from_slice(boxes);
        }
        selected
    }

    /// Bytes of features and boxes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.features.as_slice()) + size_of_val(self.boxes.as_slice())
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
