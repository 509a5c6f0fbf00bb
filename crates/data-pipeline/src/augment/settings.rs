use super::crop;
use super::draw::{Use, View};
use super::operation::{self, MAX_MAGNITUDE};
use crate::error::DataError;
use crate::image::{ImageError, Part, PixelView, RgbImage};

/// How the images of a training split are varied. An image keeps its size; what is drawn for it follows from the seed, the
/// epoch and a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Augmentation {
    /// Key of all that is drawn.
    pub seed: u64,
    /// Least part of the area that a random crop keeps; 1 for no crop.
    pub crop_scale: f64,
    /// Probability that an image is mirrored whose questions and answers do not speak of left or right.
    pub flip: f64,
    /// Operations that are drawn for an image, each of which is done half of the time.
    pub operations: usize,
    /// How strong the operations are, from 0 to 10.
    pub magnitude: usize,
}

impl Augmentation {
    /// # Errors
    /// When a value is out of range.
    pub(crate) fn check(&self) -> Result<(), DataError> {
        let fault = |setting, value: String, expected| {
            Err(DataError::Setting {
                setting,
                value,
                expected,
            })
        };
        if !(self.crop_scale > 0.0 && self.crop_scale <= 1.0) {
            let value = self.crop_scale.to_string();
            return fault("crop_scale", value, "more than 0 and at most 1");
        }
        if !(0.0..=1.0).contains(&self.flip) {
            return fault("flip", self.flip.to_string(), "0 to 1");
        }
        if self.magnitude > MAX_MAGNITUDE {
            return fault("magnitude", self.magnitude.to_string(), "0 to 10");
        }
        Ok(())
    }

    /// Whether it needs images as they are stored, and not resized.
    pub(crate) fn crops(&self) -> bool {
        self.crop_scale < 1.0
    }

    /// A view of an image, `[side, side, 3]`: cropped and resized, then mirrored, then varied by the operations.
    ///
    /// # Errors
    /// As [`RgbImage::resize`].
    pub(crate) fn apply(
        &self,
        image: PixelView<'_>,
        side: usize,
        view: View,
    ) -> Result<RgbImage, ImageError> {
        let part = if self.crops() {
            let mut draw = view.draw(self.seed, Use::Crop);
            crop::draw(&mut draw, (image.width, image.height), self.crop_scale)
        } else {
            Part::whole(image.width, image.height)
        };
        let mut image = image.resized(part, side, side)?;
        if view.may_flip && view.draw(self.seed, Use::Flip).chance(self.flip) {
            image.mirror();
        }
        let mut draw = view.draw(self.seed, Use::Operations);
        for operation in operation::draw(&mut draw, self.operations, self.magnitude) {
            image = operation.apply(image);
        }
        Ok(image)
    }
}
