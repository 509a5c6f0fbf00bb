use zune_core::bit_depth::{BitDepth, ByteEndian};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::{DecoderOptions, EncoderOptions};
use zune_png::{PngDecoder, PngEncoder};

use super::error::ImageError;
use super::format::ImageFormat;
use super::orientation::{ExifOrientation, Orientation};
use super::png_data::{SIGNATURE, rebuilt, without_chunks};
use super::rgb::{Decoded, RgbImage, check_size};
use super::warning::ImageWarning;

const PNG: ImageFormat = ImageFormat::Png;

/// Type of the chunk that must be last.
const END: &[u8] = b"IEND";

/// The type of colour of an image with a palette.
const INDEXED: u8 = 3;

/// Largest side; the format allows more.
const MAX_SIDE: usize = u16::MAX as usize;

/// What the chunks state around the pixels.
#[derive(Debug)]
pub(super) struct Chunks {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) orientation: Orientation,
    pub(super) warnings: Vec<ImageWarning>,
    /// Whether the last chunk is there.
    pub(super) whole: bool,
    /// Whether a palette of at least one colour was seen.
    palette: bool,
    /// Whether a transparency was seen, which changes no colour.
    transparency: bool,
}

impl Chunks {
    /// Goes along the chunks, without a look at the pixels, until the last one or the end of the bytes.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let truncated = || ImageError::truncated(PNG, bytes, "it ends inside of its header");
        let corrupt = |problem: &str| ImageError::corrupt(PNG, bytes, problem);
        let start = &bytes[..bytes.len().min(SIGNATURE.len())];
        if !SIGNATURE.starts_with(start) {
            return Err(corrupt(
                "its signature is damaged, as happens when a file is transferred as text",
            ));
        }
        let header = bytes.get(SIGNATURE.len()..33).ok_or_else(truncated)?;
        if !header.starts_with(b"\0\0\0\x0dIHDR") {
            return Err(corrupt("the first chunk is not the header"));
        }
        let number = |at: usize| {
            let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
            u32::from_be_bytes(bytes) as usize
        };
        let mut found = Self {
            width: number(8),
            height: number(12),
            orientation: Orientation::UPRIGHT,
            warnings: Vec::new(),
            whole: false,
            palette: false,
            transparency: false,
        };
        if found.width == 0 || found.height == 0 {
            return Err(corrupt("a side is 0"));
        }
        check_size((found.width, found.height))?;
        let mut at = 33;
        while let Some(head) = bytes.get(at..at + 8) {
            let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
            // Length, type and checksum.
            let end = at + 12 + length;
            match &head[4..] {
                END => {
                    found.whole = end <= bytes.len();
                    break;
                }
                b"PLTE" => found.palette |= length > 0,
                b"tRNS" => found.transparency = true,
                // Indices without colours: programs make them black, or grey, or whatever was there.
                b"IDAT" if !found.palette && header[17] == INDEXED => {
                    return Err(corrupt(
                        "its pixels are colours of a palette, and it has none",
                    ));
                }
                b"eXIf" => {
                    let Some(tiff) = bytes.get(at + 8..at + 8 + length) else {
                        break;
                    };
                    let orientation = Orientation::of_tiff(tiff);
                    found.orientation = orientation.unwrap_or_else(|warning| {
                        found.warnings.push(warning);
                        Orientation::UPRIGHT
                    });
                }
                _ => {}
            }
            at = end;
        }
        Ok(found)
    }

    /// With a warning where the last chunk is missing. Whether pixels are missing, too, decoding tells.
    pub(super) fn of_whole_file(mut self) -> Self {
        if !self.whole {
            self.warnings.push(ImageWarning::NoEndMarker);
        }
        self
    }
}

/// Whether the last chunk is somewhere in the last bytes of a file, with its checksum.
pub(super) fn has_end(bytes: &[u8]) -> bool {
    let end = bytes.windows(END.len()).rposition(|part| part == END);
    end.is_some_and(|at| at + END.len() + 4 <= bytes.len())
}

pub(super) fn decode(bytes: &[u8], orientation: ExifOrientation) -> Result<Decoded, ImageError> {
    let mut chunks = Chunks::read(bytes)?.of_whole_file();
    let opaque;
    let bytes = if chunks.transparency {
        opaque = without_chunks(bytes, *b"tRNS");
        &opaque
    } else {
        bytes
    };
    let image = if chunks.whole {
        pixels(bytes, true).or_else(|error| match rebuilt(bytes) {
            Some((file, warning)) => {
                chunks.warnings.extend(warning);
                pixels(&file, false)
            }
            None => Err(error),
        })
    } else {
        let cut = || ImageError::truncated(PNG, bytes, "its image data end before the last row");
        let (file, warning) = rebuilt(bytes).ok_or_else(cut)?;
        chunks.warnings.extend(warning);
        pixels(&file, false)
    };
    Ok(Decoded::turned(
        image?,
        chunks.orientation,
        orientation,
        chunks.warnings,
    ))
}

/// The pixels of a whole file; `verify`: its image data must have the checksum that they state.
fn pixels(bytes: &[u8], verify: bool) -> Result<RgbImage, ImageError> {
    let corrupt = |problem: String| ImageError::corrupt(PNG, bytes, problem);
    let options = DecoderOptions::default()
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .set_strict_mode(true)
        .inflate_set_confirm_adler(verify)
        .png_set_strip_to_8bit(false)
        .png_set_decode_animated(false)
        // Big-endian samples put the high byte, which is kept, first.
        .set_byte_endian(ByteEndian::BE);
    let mut decoder = PngDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder
        .decode_headers()
        .map_err(|error| corrupt(error.to_string()))?;
    let (Some((width, height)), Some(depth), Some(space), Some(size)) = (
        decoder.dimensions(),
        decoder.depth(),
        decoder.colorspace(),
        decoder.output_buffer_size(),
    ) else {
        return Err(corrupt("no image header".to_owned()));
    };
    check_size((width, height))?;
    let mut samples = vec![0; size];
    decoder
        .decode_into(&mut samples)
        .map_err(|error| corrupt(error.to_string()))?;
    if depth == BitDepth::Sixteen {
        samples = samples.into_iter().step_by(2).collect();
    }
    let pixels = match space {
        ColorSpace::RGB => samples,
        ColorSpace::RGBA => without_alpha(&samples),
        ColorSpace::Luma => grey(&samples),
        ColorSpace::LumaA => samples.chunks_exact(2).flat_map(|p| [p[0]; 3]).collect(),
        other => return Err(corrupt(format!("colour space {other:?} is not supported"))),
    };
    Ok(RgbImage {
        width,
        height,
        pixels,
    })
}

/// The colours of `[.., 4]` bytes.
pub(super) fn without_alpha(rgba: &[u8]) -> Vec<u8> {
    let colours = rgba.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]);
    colours.collect()
}

/// Three equal channels for each byte.
pub(super) fn grey(levels: &[u8]) -> Vec<u8> {
    levels.iter().flat_map(|&level| [level; 3]).collect()
}

/// PNG bytes of an image; equal bytes for equal images.
pub(crate) fn encode_png(image: &RgbImage) -> Result<Vec<u8>, ImageError> {
    let options = EncoderOptions::default()
        .set_width(image.width)
        .set_height(image.height)
        .set_depth(BitDepth::Eight)
        .set_colorspace(ColorSpace::RGB);
    let mut bytes = Vec::new();
    PngEncoder::new(&image.pixels, options)
        .encode(&mut bytes)
        .map_err(|error| ImageError::Corrupt {
            format: PNG,
            bytes: image.pixels.len(),
            problem: format!("{error:?}"),
        })?;
    Ok(bytes)
}
