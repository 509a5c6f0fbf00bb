use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};

use super::error::ImageError;
use super::format::ImageFormat;
use super::orientation::{ExifOrientation, Orientation};
use super::png::without_alpha;
use super::rgb::{Decoded, RgbImage, check_size};
use super::warning::ImageWarning;

const WEBP: ImageFormat = ImageFormat::WebP;

/// What the container states around the pixels.
#[derive(Debug)]
pub(super) struct Chunks {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) orientation: Orientation,
    pub(super) warnings: Vec<ImageWarning>,
}

impl Chunks {
    /// Goes along the chunks, without a look at the pixels.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let short = |at: usize| {
            let bytes: Option<[u8; 4]> = bytes.get(at..at + 4)?.try_into().ok();
            bytes.map(|bytes| u32::from_le_bytes(bytes) as usize)
        };
        let stated = short(4).map_or(0, |size| size + 8);
        if bytes.len() < stated.max(20) {
            let problem = format!("it should have {stated} bytes");
            return Err(ImageError::truncated(WEBP, bytes, problem));
        }
        let decoder =
            WebPDecoder::new(Cursor::new(bytes)).map_err(|error| failed(bytes, &error))?;
        let (width, height) = decoder.dimensions();
        let (width, height) = (width as usize, height as usize);
        check_size((width, height))?;
        let mut found = Self {
            width,
            height,
            orientation: Orientation::UPRIGHT,
            warnings: Vec::new(),
        };
        let mut at = 12;
        while let Some(length) = short(at + 4) {
            let content = at + 8..(at + 8 + length).min(bytes.len());
            match &bytes[at..at + 4] {
                b"EXIF" => {
                    let exif = &bytes[content];
                    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
                    let orientation = Orientation::of_tiff(tiff);
                    found.orientation = orientation.unwrap_or_else(|warning| {
                        found.warnings.push(warning);
                        Orientation::UPRIGHT
                    });
                }
                // The picture has a size of its own, which a decoder would allocate before it compares.
                b"VP8 " => {
                    let picture = bytes[content].get(6..10).map(|size| {
                        let side =
                            |low: u8, high: u8| usize::from(low) | usize::from(high & 0x3f) << 8;
                        (side(size[0], size[1]), side(size[2], size[3]))
                    });
                    if picture.is_some_and(|picture| picture != (width, height)) {
                        let problem = "its picture has another size than its header states";
                        return Err(ImageError::corrupt(WEBP, bytes, problem));
                    }
                }
                _ => {}
            }
            // Chunks begin at even places.
            at += 8 + length + length % 2;
        }
        Ok(found)
    }
}

pub(super) fn decode(bytes: &[u8], orientation: ExifOrientation) -> Result<Decoded, ImageError> {
    let chunks = Chunks::read(bytes)?;
    let failed = |error: DecodingError| failed(bytes, &error);
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(failed)?;
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let mut pixels = vec![0; chunks.width * chunks.height * channels];
    decoder.read_image(&mut pixels).map_err(failed)?;
    if channels == 4 {
        pixels = without_alpha(&pixels);
    }
    let image = RgbImage {
        width: chunks.width,
        height: chunks.height,
        pixels,
    };
    Ok(Decoded::turned(
        image,
        chunks.orientation,
        orientation,
        chunks.warnings,
    ))
}

fn failed(bytes: &[u8], error: &DecodingError) -> ImageError {
    match error {
        DecodingError::IoError(_) | DecodingError::BitStreamError => {
            ImageError::truncated(WEBP, bytes, "its image data end too early")
        }
        other => ImageError::corrupt(WEBP, bytes, other.to_string()),
    }
}
