use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::error::ImageError;
use super::png;

/// Most pixels an image may have, 64 Mi: a few bytes of header must not claim all memory.
pub const MAX_PIXELS: usize = 64 << 20;

/// Width and height both formats can state and [`MAX_PIXELS`] does not already forbid.
pub(super) const MAX_SIDE: usize = u16::MAX as usize;

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

/// Second byte of the marker in front of the compressed rows of a JPEG.
const START_OF_SCAN: u8 = 0xda;

/// Second byte of the marker behind them.
const END_OF_IMAGE: u8 = 0xd9;

impl RgbImage {
    /// Decodes PNG or JPEG bytes; which of them is told by the first bytes, never by a file name.
    ///
    /// Grey becomes three equal channels, a palette its colours, 16-bit samples their high byte, and CMYK is converted.
    /// Alpha is dropped, not blended. Orientation tags and colour profiles are ignored.
    ///
    /// # Errors
    /// [`ImageError`] when the bytes are of another format, damaged, or too large.
    pub fn decode(bytes: &[u8]) -> Result<Self, ImageError> {
        match bytes {
            [0x89, b'P', b'N', b'G', ..] => png::decode_png(bytes, options()),
            [0xff, 0xd8, ..] => decode_jpeg(bytes),
            _ => Err(ImageError::UnknownFormat {
                start: bytes.iter().copied().take(8).collect(),
            }),
        }
    }
}

fn options() -> DecoderOptions {
    DecoderOptions::default()
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .set_strict_mode(true)
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .png_set_strip_to_8bit(false)
        .png_set_decode_animated(false)
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

fn decode_jpeg(bytes: &[u8]) -> Result<RgbImage, ImageError> {
    let corrupt = |problem: String| ImageError::Corrupt {
        format: "JPEG",
        bytes: bytes.len(),
        problem: problem.trim().to_owned(),
    };
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options());
    decoder
        .decode_headers()
        .map_err(|error| corrupt(error.to_string()))?;
    let (width, height) = decoder
        .dimensions()
        .ok_or_else(|| corrupt("no dimensions".to_owned()))?;
    check_size((width, height))?;
    match decoder.input_colorspace() {
        Some(
            ColorSpace::Luma
            | ColorSpace::YCbCr
            | ColorSpace::RGB
            | ColorSpace::CMYK
            | ColorSpace::YCCK,
        ) => {}
        other => return Err(corrupt(format!("colour space {other:?} is not supported"))),
    }
    // The decoder fills up an image whose last rows are cut off.
    let last = |marker: u8| bytes.windows(2).rposition(|pair| pair == [0xff, marker]);
    if last(END_OF_IMAGE) < last(START_OF_SCAN) {
        return Err(corrupt("truncated: no end-of-image marker".to_owned()));
    }
    let pixels = decoder
        .decode()
        .map_err(|error| corrupt(error.to_string()))?;
    if pixels.len() != width * height * 3 {
        return Err(corrupt(format!(
            "{} bytes decoded, expected {width} x {height} x 3",
            pixels.len()
        )));
    }
    Ok(RgbImage {
        width,
        height,
        pixels,
    })
}
