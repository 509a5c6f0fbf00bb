use turbojpeg::{Decompressor, Error, Image, PixelFormat};

use super::markers::Markers;
use crate::image::error::ImageError;
use crate::image::format::ImageFormat;
use crate::image::orientation::ExifOrientation;
use crate::image::rgb::{Decoded, RgbImage};
use crate::image::warning::ImageWarning;

/// Decodes a JPEG to the pixels of libjpeg-turbo, which are Pillow's.
pub(in crate::image) fn decode(
    bytes: &[u8],
    orientation: ExifOrientation,
) -> Result<Decoded, ImageError> {
    let mut markers = Markers::read(bytes)?;
    let (width, height) = (markers.frame.width, markers.frame.height);
    let planes = markers.frame.components.len();
    let (format, channels) = match planes {
        4 => (PixelFormat::CMYK, 4),
        _ => (PixelFormat::RGB, 3),
    };
    let mut pixels = vec![0; width * height * channels];
    let image = Image {
        pixels: pixels.as_mut_slice(),
        width,
        pitch: width * channels,
        height,
        format,
    };
    let corrupt = |problem: String| ImageError::corrupt(ImageFormat::Jpeg, bytes, problem);
    let decoded = Decompressor::new()
        .and_then(|mut decoder| decoder.decompress(&markers.mended(bytes), image));
    match decoded.map_err(message) {
        Ok(()) => {}
        Err(problem) => match fault(&problem) {
            Fault::StrayBytesAtTheEnd(count) => markers.warnings.push(ImageWarning::StrayBytes {
                count,
                before: "the end marker".to_owned(),
            }),
            Fault::DataMissing => {
                let problem = "its image data end before the last row";
                return Err(ImageError::truncated(ImageFormat::Jpeg, bytes, problem));
            }
            Fault::Other => return Err(corrupt(problem)),
        },
    }
    if channels == 4 {
        pixels = from_cmyk(&pixels);
    }
    Ok(Decoded::turned(
        RgbImage {
            width,
            height,
            pixels,
        },
        markers.orientation,
        orientation,
        markers.warnings,
    ))
}

/// What a message of the decoder means. It is the first warning, or an error that ended decoding.
enum Fault {
    /// All image data were decoded before, without a warning.
    StrayBytesAtTheEnd(usize),
    DataMissing,
    Other,
}

fn fault(message: &str) -> Fault {
    let stray = message
        .strip_prefix("Corrupt JPEG data: ")
        .and_then(|rest| rest.strip_suffix(" extraneous bytes before marker 0xd9"));
    if let Some(count) = stray.and_then(|count| count.parse().ok()) {
        return Fault::StrayBytesAtTheEnd(count);
    }
    match message {
        "Premature end of JPEG file" | "Corrupt JPEG data: premature end of data segment" => {
            Fault::DataMissing
        }
        _ => Fault::Other,
    }
}

fn message(error: Error) -> String {
    match error {
        Error::TurboJpegError(message) => message,
        other => other.to_string(),
    }
}

/// RGB pixels of `[.., 4]` bytes of cyan, magenta, yellow and black, all stored inverted as Adobe's programs do, and as is assumed of every file.
/// The formula is Pillow's: the part of the light that black leaves, less what the ink takes of it, each rounded.
pub(in crate::image) fn from_cmyk(inverted: &[u8]) -> Vec<u8> {
    inverted
        .chunks_exact(4)
        .flat_map(|inks| {
            let light = u32::from(inks[3]);
            [inks[0], inks[1], inks[2]].map(|ink| {
                let product = u32::from(255 - ink) * light + 128;
                let taken = ((product >> 8) + product) >> 8;
                light.saturating_sub(taken) as u8
            })
        })
        .collect()
}
