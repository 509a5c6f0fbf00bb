use super::error::ImageError;
use super::format::ImageFormat;
use super::orientation::{ExifOrientation, Orientation};
use super::warning::ImageWarning;
use super::{bmp, gif, jpeg, png, tiff, webp};

/// Most pixels an image may have, 64 Mi: a few bytes of header must not claim all memory.
pub const MAX_PIXELS: usize = 64 << 20;

/// A decoded image: 8 bits a channel, red, green, blue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbImage {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `[height, width, 3]`.
    pub pixels: Vec<u8>,
}

/// Pixels, and what was odd about their file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The pixels, turned as asked for.
    pub image: RgbImage,
    /// Oddities that leave no doubt about the pixels.
    pub warnings: Vec<ImageWarning>,
}

impl Decoded {
    /// Stored pixels, turned by the file's tag where that is wanted.
    pub(super) fn turned(
        stored: RgbImage,
        tag: Orientation,
        wanted: ExifOrientation,
        mut warnings: Vec<ImageWarning>,
    ) -> Self {
        let image = match wanted {
            ExifOrientation::Apply => tag.apply(stored),
            ExifOrientation::Ignore => {
                // Nobody asked for what the damaged data say.
                warnings.retain(|warning| *warning != ImageWarning::UnreadableExif);
                stored
            }
        };
        Self { image, warnings }
    }
}

impl RgbImage {
    /// Decodes JPEG, PNG, WebP, GIF, BMP or TIFF bytes; which of them is told by the first bytes, never by a file name.
    ///
    /// Grey becomes three equal channels, a palette its colours, 16-bit samples their high byte, and CMYK is converted.
    /// Alpha is dropped, not blended: a transparent pixel has the colour stored beneath. Of an animation the first frame
    /// counts, of a TIFF the first page. Colour profiles are ignored. `orientation` says whether the EXIF orientation is
    /// applied. JPEG pixels are those of libjpeg-turbo, thus Pillow's.
    ///
    /// # Errors
    /// [`ImageError`] when the bytes are of another format, damaged, cut off, too large, or of a variant that is not read.
    pub fn decode(bytes: &[u8], orientation: ExifOrientation) -> Result<Decoded, ImageError> {
        let format = ImageFormat::of(bytes).map_err(|kind| ImageError::foreign(kind, bytes))?;
        match format {
            ImageFormat::Jpeg => jpeg::decode(bytes, orientation),
            ImageFormat::Png => png::decode(bytes, orientation),
            ImageFormat::WebP => webp::decode(bytes, orientation),
            ImageFormat::Gif => gif::decode(bytes),
            ImageFormat::Bmp => bmp::decode(bytes),
            ImageFormat::Tiff => tiff::decode(bytes, orientation),
        }
    }
}

/// # Errors
/// When `width x height` is above [`MAX_PIXELS`].
pub(super) fn check_size((width, height): (usize, usize)) -> Result<(), ImageError> {
    if width.saturating_mul(height) > MAX_PIXELS {
        return Err(ImageError::TooLarge {
            width,
            height,
            limit: MAX_PIXELS,
        });
    }
    Ok(())
}
