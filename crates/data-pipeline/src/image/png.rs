use zune_core::bit_depth::{BitDepth, ByteEndian};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::{DecoderOptions, EncoderOptions};
use zune_png::{PngDecoder, PngEncoder};

use super::decode::{RgbImage, check_size};
use super::error::ImageError;

pub(super) fn decode_png(bytes: &[u8], options: DecoderOptions) -> Result<RgbImage, ImageError> {
    let corrupt = |problem: String| ImageError::Corrupt {
        format: "PNG",
        bytes: bytes.len(),
        problem: problem.trim().to_owned(),
    };
    // Big-endian samples put the high byte, which is kept, first.
    let options = options.set_byte_endian(ByteEndian::BE);
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
        ColorSpace::RGBA => samples
            .chunks_exact(4)
            .flat_map(|p| [p[0], p[1], p[2]])
            .collect(),
        ColorSpace::Luma => samples.iter().flat_map(|&y| [y; 3]).collect(),
        ColorSpace::LumaA => samples.chunks_exact(2).flat_map(|p| [p[0]; 3]).collect(),
        other => return Err(corrupt(format!("colour space {other:?} is not supported"))),
    };
    Ok(RgbImage {
        width,
        height,
        pixels,
    })
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
            format: "PNG",
            bytes: image.pixels.len(),
            problem: format!("{error:?}"),
        })?;
    Ok(bytes)
}
