use super::error::ImageError;
use super::format::ImageFormat;
use super::orientation::ExifOrientation;
use super::rgb::{Decoded, RgbImage};
use super::{bmp, gif, jpeg, png, tiff, webp};

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
