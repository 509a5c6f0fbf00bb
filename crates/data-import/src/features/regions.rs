//! The regions of one image as they were read, and the checks that they must pass.

use file_kind::counted;
use std::path::Path;

use region_features::{BOX_SIZE, Block};

use crate::error::{ImportError, Place};

/// How far a box may reach beyond the image by rounding, as a fraction of the image's side.
const ROUNDING: f32 = 1e-3;

/// Boxes of an image.
#[derive(Debug)]
pub(crate) enum Boxes {
    /// `[regions, 4]`: left, top, right and bottom edge in pixels.
    Pixels(Vec<f32>),
    /// `[regions, 6]`: the edges, width and height as fractions of the image's.
    Relative(Vec<f32>),
}

/// The regions of one image. There may be more rows than regions; the rest is padding and is not read.
#[derive(Debug)]
pub(crate) struct Regions {
    pub(crate) image: String,
    pub(crate) place: Place,
    /// Width and height of the image in pixels, where the container has them.
    pub(crate) size: Option<[f64; 2]>,
    /// Regions.
    pub(crate) count: usize,
    /// Features of a region.
    pub(crate) dim: usize,
    pub(crate) features: Vec<f32>,
    pub(crate) boxes: Boxes,
}

/// What takes the regions of one image after the other, with their file.
pub(crate) type Sink<'a> = dyn FnMut(&Path, Regions) -> Result<(), ImportError> + 'a;

impl Regions {
    /// The regions as they are kept.
    pub(crate) fn block(self, path: &Path) -> Result<Block, ImportError> {
        let wrong = |problem: String, cure: &str| {
            Err(ImportError::content(
                path,
                self.place.clone(),
                problem,
                cure,
            ))
        };
        let (count, dim, image) = (self.count, self.dim, &self.image);
        if image.is_empty() {
            return wrong("the image has no name".to_owned(), AGAIN);
        }
        if count == 0 || dim == 0 {
            let regions = counted(count, "region", "regions");
            return wrong(
                if count == 0 {
                    format!("image `{image}` has {regions}")
                } else {
                    format!("image `{image}` has {regions} of {dim} features")
                },
                "leave the image out, or extract its features again",
            );
        }
        if let Some(size @ [width, height]) = self.size
            && !size.iter().all(|side| side.is_finite() && *side > 0.0)
        {
            return wrong(
                format!("image `{image}` is {width} x {height} pixels"),
                "boxes are divided by the size of the image: extract the features of this image again",
            );
        }
        let per_box = match self.boxes {
            Boxes::Pixels(_) => 4,
            Boxes::Relative(_) => BOX_SIZE,
        };
        let (Boxes::Pixels(all) | Boxes::Relative(all)) = &self.boxes;
        let (Some(features), Some(written)) = (
            self.features.get(..count.saturating_mul(dim)),
            all.get(..count.saturating_mul(per_box)),
        ) else {
            return wrong(
                format!(
                    "image `{image}` has {}, but features of {} and boxes of {}",
                    counted(count, "region", "regions"),
                    self.features.len() / dim,
                    all.len() / per_box
                ),
                AGAIN,
            );
        };
        if let Some(at) = features.iter().position(|number| !number.is_finite()) {
            return wrong(
                format!(
                    "image `{image}`, region {}: a feature is {}",
                    at / dim,
                    features[at]
                ),
                "extract the features of this image again",
            );
        }
        let boxes = match (&self.boxes, self.size) {
            (Boxes::Pixels(_), Some(size)) => relative(written, size),
            (Boxes::Pixels(_), None) => {
                return wrong(
                    format!(
                        "the boxes of image `{image}` are in pixels, and its size is not there"
                    ),
                    "extract the features with the sizes of the images",
                );
            }
            (Boxes::Relative(_), _) => written.to_vec(),
        };
        if let Err((problem, cure)) = self.check(&boxes, written, per_box) {
            return wrong(problem, cure);
        }
        Ok(Block {
            rows: count,
            features: features.to_vec(),
            boxes,
        })
    }

    /// That boxes, `[regions, 6]` as fractions, are not inverted and lie within the image; otherwise what is wrong, and the cure.
    /// `written` has the same boxes as they were read, `per_box` numbers each.
    fn check(
        &self,
        boxes: &[f32],
        written: &[f32],
        per_box: usize,
    ) -> Result<(), (String, &'static str)> {
        let image = &self.image;
        let inverted = |edges: &[f32; BOX_SIZE]| {
            edges[2] < edges[0] - ROUNDING || edges[3] < edges[1] - ROUNDING
        };
        if let Some(at) = boxes.as_chunks().0.iter().position(inverted) {
            let written = &written[at * per_box..];
            return Err((
                format!(
                    "image `{image}`, region {at}: the box is inverted: its left, top, right and bottom edges are {}, {}, {} \
                     and {}",
                    written[0], written[1], written[2], written[3]
                ),
                "write boxes as left, top, right and bottom edge; if they are left, top, width and height, add the left edge to \
                 the width and the top edge to the height",
            ));
        }
        let inside = |edge: &f32| (-ROUNDING..=1.0 + ROUNDING).contains(edge);
        if let Some(at) = boxes.iter().position(|edge| !inside(edge)) {
            let names = [
                "left edge",
                "top edge",
                "right edge",
                "bottom edge",
                "width",
                "height",
            ];
            let size = self.size.map_or_else(String::new, |[width, height]| {
                format!(" of an image of {width} x {height} pixels")
            });
            return Err((
                format!(
                    "image `{image}`, region {}: the {} is {} as a fraction{size}",
                    at / BOX_SIZE,
                    names[at % BOX_SIZE],
                    boxes[at]
                ),
                "width and height may have been exchanged: compare them with the image, and name the layout with `--format`",
            ));
        }
        Ok(())
    }
}

/// Boxes `[regions, 4]` in pixels as fractions of an image of that width and height, `[regions, 6]`.
fn relative(boxes: &[f32], size: [f64; 2]) -> Vec<f32> {
    let [width, height] = size.map(|side| side as f32);
    let relative = boxes.as_chunks::<4>().0.iter().flat_map(|edges| {
        let [left, top, right, bottom] = *edges;
        [
            left / width,
            top / height,
            right / width,
            bottom / height,
            (right - left) / width,
            (bottom - top) / height,
        ]
    });
    relative.collect()
}

/// The cure of a file that is damaged.
pub(crate) const AGAIN: &str = "download or copy the file again";
