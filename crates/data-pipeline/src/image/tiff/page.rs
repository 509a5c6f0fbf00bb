use std::ops::Range;

use file_kind::counted;

use weezl::BitOrder;
use zune_inflate::{DeflateDecoder, DeflateOptions};

use super::directory::{Colours, Compression, Directory, unsupported};
use crate::image::error::ImageError;
use crate::image::format::ImageFormat;
use crate::image::jpeg::from_cmyk;
use crate::image::orientation::{ExifOrientation, Orientation};
use crate::image::png::grey;
use crate::image::rgb::{Decoded, RgbImage, check_size};
use crate::image::warning::ImageWarning;

const TIFF: ImageFormat = ImageFormat::Tiff;

/// Bytes that the data of a strip may be too long.
const SPARE: usize = 1 << 16;

/// The first page: what its directory states.
#[derive(Debug)]
pub(in crate::image) struct Page {
    pub(in crate::image) width: usize,
    pub(in crate::image) height: usize,
    pub(in crate::image) orientation: Orientation,
    pub(in crate::image) warnings: Vec<ImageWarning>,
    bits: usize,
    samples: usize,
    compression: Compression,
    colours: Colours,
    predictor: bool,
    rows_per_strip: usize,
    strips: Vec<Range<usize>>,
    /// Red, green and blue of every index, the high bytes.
    palette: Vec<[u8; 3]>,
    big_endian: bool,
}

impl Page {
    pub(in crate::image) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let directory = Directory::first(bytes)?;
        let (width, height) = (directory.value(256, 0)?, directory.value(257, 0)?);
        if width == 0 || height == 0 {
            return Err(ImageError::corrupt(TIFF, bytes, "a side is 0"));
        }
        check_size((width, height))?;
        let samples = directory.value(277, 1)?;
        let compression = directory.compression()?;
        let (colours, bits) = directory.colours(samples)?;
        directory.require_plain(samples)?;
        let predictor = match directory.value(317, 1)? {
            1 => false,
            2 if bits >= 8 => true,
            2 => {
                let bits = counted(bits, "bit", "bits");
                return Err(unsupported(&format!(
                    "TIFF with differences of {bits} (predictor 2)"
                )));
            }
            3 => return Err(unsupported("TIFF with the floating-point predictor")),
            other => {
                return Err(unsupported(&format!(
                    "TIFF with the unknown predictor {other}"
                )));
            }
        };
        let palette = match colours {
            Colours::Palette => directory.palette(bits)?,
            _ => Vec::new(),
        };
        let rows_per_strip = directory.value(278, height)?.clamp(1, height);
        let mut warnings = Vec::new();
        let orientation = Orientation::of_tiff(bytes).unwrap_or_else(|warning| {
            warnings.push(warning);
            Orientation::UPRIGHT
        });
        Ok(Self {
            width,
            height,
            orientation,
            warnings,
            bits,
            samples,
            compression,
            colours,
            predictor,
            rows_per_strip,
            strips: directory.strips(height, rows_per_strip)?,
            palette,
            big_endian: bytes.starts_with(b"MM"),
        })
    }

    /// Unpacks a strip of at least `expected` bytes; `None` where there are fewer.
    fn unpack(&self, packed: &[u8], expected: usize) -> Option<Vec<u8>> {
        let mut bytes = match self.compression {
            Compression::None => packed.get(..expected)?.to_vec(),
            Compression::PackBits => unpack_bits(packed, expected),
            Compression::Lzw => {
                let mut bytes = vec![0; expected];
                let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8);
                let mut done = (0, 0);
                while done.1 < expected {
                    let step = decoder.decode_bytes(&packed[done.0..], &mut bytes[done.1..]);
                    done.0 += step.consumed_in;
                    done.1 += step.consumed_out;
                    let moved = step.consumed_in > 0 || step.consumed_out > 0;
                    if step.status.is_err() || !moved {
                        return None;
                    }
                }
                bytes
            }
            Compression::Deflate => {
                // A last strip may have the rows of a full one, and some writers go on a little.
                let most = self.rows_per_strip * self.row_bytes() + SPARE;
                let options = DeflateOptions::default().set_limit(most);
                DeflateDecoder::new_with_options(packed, options)
                    .decode_zlib()
                    .ok()?
            }
        };
        if bytes.len() < expected {
            return None;
        }
        bytes.truncate(expected);
        Some(bytes)
    }

    /// Bytes of a row.
    fn row_bytes(&self) -> usize {
        (self.width * self.samples * self.bits).div_ceil(8)
    }

    /// Undoes that each sample was stored as the difference from the one of the pixel before.
    fn add_up(&self, row: &mut [u8]) {
        if self.bits == 8 {
            for at in self.samples..row.len() {
                row[at] = row[at].wrapping_add(row[at - self.samples]);
            }
            return;
        }
        let number = |row: &[u8], at: usize| {
            let pair = [row[at], row[at + 1]];
            if self.big_endian {
                u16::from_be_bytes(pair)
            } else {
                u16::from_le_bytes(pair)
            }
        };
        for at in (self.samples * 2..row.len()).step_by(2) {
            let sum = number(row, at).wrapping_add(number(row, at - self.samples * 2));
            let pair = if self.big_endian {
                sum.to_be_bytes()
            } else {
                sum.to_le_bytes()
            };
            row[at..at + 2].copy_from_slice(&pair);
        }
    }

    /// The samples of a row, a byte each: the high byte of 16 bits, and what fewer bits are as they are.
    fn levels(&self, row: &[u8]) -> Vec<u8> {
        match self.bits {
            8 => row.to_vec(),
            16 => {
                let high = usize::from(!self.big_endian);
                row.chunks_exact(2).map(|pair| pair[high]).collect()
            }
            bits => (0..self.width)
                .map(|x| {
                    let place = x * bits;
                    row[place / 8] >> (8 - bits - place % 8) & ((1 << bits) - 1)
                })
                .collect(),
        }
    }

    /// The colours of a row of samples.
    fn colours(&self, levels: &[u8]) -> Vec<u8> {
        let pixels = levels.chunks_exact(self.samples);
        let full = |level: u8| match self.bits {
            1 => level * 255,
            2 => level * 85,
            4 => level * 17,
            _ => level,
        };
        match self.colours {
            Colours::BlackIsZero => grey(&pixels.map(|p| full(p[0])).collect::<Vec<_>>()),
            Colours::WhiteIsZero => grey(&pixels.map(|p| 255 - full(p[0])).collect::<Vec<_>>()),
            Colours::Rgb => pixels.flat_map(|p| [p[0], p[1], p[2]]).collect(),
            Colours::Palette => pixels
                .flat_map(|p| self.palette[usize::from(p[0])])
                .collect(),
            Colours::Cmyk => {
                let inks = pixels.flat_map(|p| [p[0], p[1], p[2], p[3]].map(|ink| 255 - ink));
                from_cmyk(&inks.collect::<Vec<_>>())
            }
        }
    }
}

/// Runs and literal bytes, until there are `expected` bytes or no more.
fn unpack_bits(packed: &[u8], expected: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(expected);
    let mut rest = packed;
    while bytes.len() < expected {
        let [head, tail @ ..] = rest else { break };
        match head {
            0..=127 => {
                let count = (usize::from(*head) + 1).min(tail.len());
                bytes.extend_from_slice(&tail[..count]);
                rest = &tail[count..];
            }
            128 => rest = tail,
            129.. => {
                let [byte, tail @ ..] = tail else { break };
                bytes.extend(std::iter::repeat_n(*byte, 257 - usize::from(*head)));
                rest = tail;
            }
        }
    }
    bytes
}

pub(in crate::image) fn decode(
    bytes: &[u8],
    orientation: ExifOrientation,
) -> Result<Decoded, ImageError> {
    let page = Page::read(bytes)?;
    let mut pixels = Vec::with_capacity(page.width * page.height * 3);
    let row_bytes = page.row_bytes();
    for (number, strip) in page.strips.iter().enumerate() {
        let rows = page
            .rows_per_strip
            .min(page.height - number * page.rows_per_strip);
        let strip = page.unpack(&bytes[strip.clone()], rows * row_bytes);
        let mut strip = strip.ok_or_else(|| {
            let problem = format!("strip {number} of its image data is not whole");
            ImageError::truncated(TIFF, bytes, problem)
        })?;
        for row in strip.chunks_exact_mut(row_bytes) {
            if page.predictor {
                page.add_up(row);
            }
            pixels.extend(page.colours(&page.levels(row)));
        }
    }
    let image = RgbImage {
        width: page.width,
        height: page.height,
        pixels,
    };
    Ok(Decoded::turned(
        image,
        page.orientation,
        orientation,
        page.warnings,
    ))
}
