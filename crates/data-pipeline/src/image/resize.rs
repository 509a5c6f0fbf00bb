use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::error::ImageError;
use super::rgb::{RgbImage, check_size};

/// A part of an image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) left: usize,
    pub(crate) top: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Part {
    /// All of an image.
    pub(crate) fn whole(width: usize, height: usize) -> Self {
        Self {
            left: 0,
            top: 0,
            width,
            height,
        }
    }
}

/// Pixels that somebody else holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PixelView<'a> {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// `[height, width, 3]`.
    pub(crate) pixels: &'a [u8],
}

impl RgbImage {
    /// Resizes to `width x height` pixels, not keeping the aspect ratio.
    ///
    /// Bicubic (Catmull-Rom, a = -0.5) with antialiasing: the support grows with the factor of reduction. Two passes,
    /// each rounded to 8 bits; the horizontal one first unless the image loses more than twice as many rows as columns.
    /// These are the rules of Pillow 13, kept to a level of rounding. The same size gives back the same pixels.
    ///
    /// # Errors
    /// [`ImageError::Resize`] for a side of 0, [`ImageError::TooLarge`] above [`MAX_PIXELS`](crate::MAX_PIXELS).
    pub fn resize(self, width: usize, height: usize) -> Result<Self, ImageError> {
        if (self.width, self.height) == (width, height) && !self.pixels.is_empty() {
            return Ok(self);
        }
        let whole = Part::whole(self.width, self.height);
        self.view().resized(whole, width, height)
    }

    pub(crate) fn view(&self) -> PixelView<'_> {
        PixelView {
            width: self.width,
            height: self.height,
            pixels: &self.pixels,
        }
    }
}

impl PixelView<'_> {
    /// A part, resized to `width x height` pixels as [`RgbImage::resize`] does with an image that is the part: what lies
    /// around it has no influence.
    ///
    /// # Errors
    /// As [`RgbImage::resize`], and where the part is not within the image.
    pub(crate) fn resized(
        self,
        part: Part,
        width: usize,
        height: usize,
    ) -> Result<RgbImage, ImageError> {
        let lost_rows = part.height.saturating_sub(height);
        let lost_columns = part.width.saturating_sub(width);
        let halfway = if lost_rows > 2 * lost_columns {
            (part.width, height)
        } else {
            (width, part.height)
        };
        check_size((width, height))?;
        check_size(halfway)?;
        let failed = |problem| ImageError::Resize {
            from_width: part.width,
            from_height: part.height,
            width,
            height,
            problem,
        };
        if width == 0 || height == 0 {
            return Err(failed("a side is 0".to_owned()));
        }
        // One call for both passes would always take the vertical one first.
        if halfway == (part.width, part.height) || halfway == (width, height) {
            return self.stretch(part, width, height).map_err(failed);
        }
        let first = self.stretch(part, halfway.0, halfway.1).map_err(failed)?;
        let whole = Part::whole(first.width, first.height);
        first.view().stretch(whole, width, height).map_err(failed)
    }

    /// One pass.
    fn stretch(self, part: Part, width: usize, height: usize) -> Result<RgbImage, String> {
        let side = |pixels: usize| u32::try_from(pixels).map_err(|error| error.to_string());
        // Typed images, so that the compiler makes the resampling of this one kind of pixel and not of all.
        let image: TypedImageRef<U8x3> =
            TypedImageRef::from_buffer(side(self.width)?, side(self.height)?, self.pixels)
                .map_err(|error| error.to_string())?;
        let source = TypedCroppedImage::from_ref(
            &image,
            side(part.left)?,
            side(part.top)?,
            side(part.width)?,
            side(part.height)?,
        )
        .map_err(|error| error.to_string())?;
        let mut pixels = vec![0; width * height * 3];
        let mut target: TypedImage<U8x3> =
            TypedImage::from_buffer(side(width)?, side(height)?, &mut pixels)
                .map_err(|error| error.to_string())?;
        let options =
            ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
        Resizer::new()
            .resize_typed(&source, &mut target, &options)
            .map_err(|error| error.to_string())?;
        drop(target);
        Ok(RgbImage {
            width,
            height,
            pixels,
        })
    }
}
