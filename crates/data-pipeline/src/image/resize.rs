use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::error::ImageError;
use super::rgb::{RgbImage, check_size};

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
        let lost_rows = self.height.saturating_sub(height);
        let lost_columns = self.width.saturating_sub(width);
        let halfway = if lost_rows > 2 * lost_columns {
            (self.width, height)
        } else {
            (width, self.height)
        };
        check_size((width, height))?;
        check_size(halfway)?;
        let failed = |problem| ImageError::Resize {
            from_width: self.width,
            from_height: self.height,
            width,
            height,
            problem,
        };
        if width == 0 || height == 0 {
            return Err(failed("a side is 0".to_owned()));
        }
        // One call for both passes would always take the vertical one first.
        let first = self.stretch(halfway.0, halfway.1).map_err(failed)?;
        let image = first.as_ref().unwrap_or(&self);
        let second = image.stretch(width, height).map_err(failed)?;
        Ok(second.or(first).unwrap_or(self))
    }

    /// One pass: an image of another size, nothing for the same size.
    fn stretch(&self, width: usize, height: usize) -> Result<Option<Self>, String> {
        if (self.width, self.height) == (width, height) {
            return Ok(None);
        }
        let side = |pixels: usize| u32::try_from(pixels).map_err(|error| error.to_string());
        // Typed images, so that the compiler makes the resampling of this one kind of pixel and not of all.
        let source: TypedImageRef<U8x3> =
            TypedImageRef::from_buffer(side(self.width)?, side(self.height)?, &self.pixels)
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
        Ok(Some(Self {
            width,
            height,
            pixels,
        }))
    }
}
