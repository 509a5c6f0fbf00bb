use std::num::NonZeroU64;

use gif::{ColorOutput, DecodeOptions, DecodingError, MemoryLimit};

use super::error::ImageError;
use super::format::ImageFormat;
use super::png::grey;
use super::rgb::{Decoded, MAX_PIXELS, RgbImage, check_size};
use super::warning::ImageWarning;

const GIF: ImageFormat = ImageFormat::Gif;

/// The last byte of a file.
const TRAILER: u8 = 0x3b;

/// Width and height of the screen that the frames are drawn on.
pub(super) fn size(bytes: &[u8]) -> Result<(usize, usize), ImageError> {
    let Some([w0, w1, h0, h1]) = bytes.get(6..10) else {
        return Err(ImageError::truncated(
            GIF,
            bytes,
            "it ends inside of its header",
        ));
    };
    let side = |low: u8, high: u8| usize::from(u16::from_le_bytes([low, high]));
    let size = (side(*w0, *w1), side(*h0, *h1));
    if size.0 == 0 || size.1 == 0 {
        return Err(ImageError::corrupt(GIF, bytes, "a side is 0"));
    }
    check_size(size)?;
    Ok(size)
}

/// Warnings about how the file ends.
pub(super) fn end(bytes: &[u8]) -> Vec<ImageWarning> {
    // Zeros behind the end are common.
    let last = bytes.iter().rfind(|byte| **byte != 0);
    match last {
        Some(&TRAILER) => Vec::new(),
        _ => vec![ImageWarning::NoEndMarker],
    }
}

/// Decodes the first frame. Transparent pixels have the colour stored beneath; what the frame does not cover has the
/// transparent colour, or the first of the palette.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, ImageError> {
    let (width, height) = size(bytes)?;
    let failed = |error: DecodingError| match error {
        DecodingError::Io(_) => {
            ImageError::truncated(GIF, bytes, "its image data end before the last row")
        }
        other => ImageError::corrupt(GIF, bytes, other.to_string()),
    };
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.check_frame_consistency(true);
    let limit = NonZeroU64::new(MAX_PIXELS as u64).unwrap_or(NonZeroU64::MIN);
    options.set_memory_limit(MemoryLimit::Bytes(limit));
    let mut decoder = options.read_info(bytes).map_err(failed)?;
    let global = decoder.global_palette().map(<[u8]>::to_vec);
    let frame = decoder.read_next_frame().map_err(failed)?;
    let frame = frame.ok_or_else(|| ImageError::truncated(GIF, bytes, "it has no frame"))?;
    let (columns, rows) = (usize::from(frame.width), usize::from(frame.height));
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    if frame.buffer.len() != columns * rows || left + columns > width || top + rows > height {
        return Err(ImageError::corrupt(
            GIF,
            bytes,
            "the frame size differs from the header",
        ));
    }
    let mut screen = vec![frame.transparent.unwrap_or(0); width * height];
    if columns > 0 {
        for (row, from) in frame.buffer.chunks_exact(columns).enumerate() {
            let at = (top + row) * width + left;
            screen[at..at + columns].copy_from_slice(from);
        }
    }
    let pixels = match frame.palette.as_ref().or(global.as_ref()) {
        None => grey(&screen),
        Some(palette) => {
            let colour = |&index: &u8| {
                let at = usize::from(index) * 3;
                palette
                    .get(at..at + 3)
                    .map_or([0; 3], |c| [c[0], c[1], c[2]])
            };
            screen.iter().flat_map(colour).collect()
        }
    };
    let image = RgbImage {
        width,
        height,
        pixels,
    };
    Ok(Decoded {
        image,
        warnings: end(bytes),
    })
}
