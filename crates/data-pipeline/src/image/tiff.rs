use std::ops::Range;

use weezl::BitOrder;
use zune_inflate::{DeflateDecoder, DeflateOptions};

use super::bytes::Numbers;
use super::decode::{Decoded, RgbImage, check_size};
use super::error::ImageError;
use super::format::ImageFormat;
use super::jpeg::from_cmyk;
use super::orientation::{ExifOrientation, Orientation};
use super::png::grey;
use super::warning::ImageWarning;

const TIFF: ImageFormat = ImageFormat::Tiff;

/// Bytes that the data of a strip may be too long.
const SPARE: usize = 1 << 16;

/// How the bytes of a strip are packed.
#[derive(Debug, Clone, Copy)]
enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
}

/// What a sample means.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Colours {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    Palette,
    Cmyk,
}

/// The first page: what its directory states.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) orientation: Orientation,
    pub(super) warnings: Vec<ImageWarning>,
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

/// The values of a directory's entries.
struct Directory<'a> {
    numbers: Numbers<'a>,
    at: usize,
    entries: usize,
}

impl Directory<'_> {
    fn first(bytes: &[u8]) -> Option<Directory<'_>> {
        let numbers = Numbers {
            bytes,
            big_endian: bytes.starts_with(b"MM"),
        };
        let at = numbers.long(4)?;
        Some(Directory {
            numbers,
            at,
            entries: numbers.short(at)?,
        })
    }

    /// All values of a tag. `None` where the bytes do not have them, no values where there is no such tag.
    fn values(&self, tag: usize) -> Option<Vec<usize>> {
        let numbers = self.numbers;
        for entry in 0..self.entries {
            let at = self.at.checked_add(2 + entry * 12)?;
            if numbers.short(at)? != tag {
                continue;
            }
            let size = match numbers.short(at + 2)? {
                1 => 1,
                3 => 2,
                4 => 4,
                _ => return None,
            };
            let count = numbers.long(at + 4)?;
            let place = if count.checked_mul(size)? <= 4 {
                at + 8
            } else {
                numbers.long(at + 8)?
            };
            // What the file is too short for must not be allocated.
            numbers.bytes.get(place..place.checked_add(count * size)?)?;
            let value = |index: usize| {
                let at = place + index * size;
                match size {
                    1 => numbers.bytes.get(at).map(|byte| usize::from(*byte)),
                    2 => numbers.short(at),
                    _ => numbers.long(at),
                }
            };
            return (0..count).map(value).collect();
        }
        Some(Vec::new())
    }

    fn value(&self, tag: usize, default: usize) -> Option<usize> {
        Some(self.values(tag)?.first().copied().unwrap_or(default))
    }
}

impl Page {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        Self::find(bytes).unwrap_or_else(|| {
            let problem = "its directory is not whole";
            Err(ImageError::truncated(TIFF, bytes, problem))
        })
    }

    /// `None` where the bytes end inside of what the directory states.
    fn find(bytes: &[u8]) -> Option<Result<Self, ImageError>> {
        let unsupported = |what: &str| Some(Err(ImageError::unsupported(TIFF, what)));
        let corrupt = |problem: &str| Some(Err(ImageError::corrupt(TIFF, bytes, problem)));
        let directory = Directory::first(bytes)?;
        let (width, height) = (directory.value(256, 0)?, directory.value(257, 0)?);
        if width == 0 || height == 0 {
            return corrupt("a side is 0");
        }
        if let Err(error) = check_size((width, height)) {
            return Some(Err(error));
        }
        let samples = directory.value(277, 1)?;
        let bits = directory.values(258)?;
        let (bits, even) = bits.first().map_or((1, true), |first| {
            (*first, bits.iter().all(|bits| bits == first))
        });
        let compression = match directory.value(259, 1)? {
            1 => Compression::None,
            5 => Compression::Lzw,
            8 | 32946 => Compression::Deflate,
            32773 => Compression::PackBits,
            6 | 7 => return unsupported("TIFF with JPEG data inside"),
            other => return unsupported(&format!("TIFF with compression {other}")),
        };
        let colours = match (directory.value(262, 1)?, samples) {
            (0, 1..=2) => Colours::WhiteIsZero,
            (1, 1..=2) => Colours::BlackIsZero,
            (2, 3..=8) => Colours::Rgb,
            (3, 1) => Colours::Palette,
            (5, 4..=5) => Colours::Cmyk,
            (kind, samples) => {
                return unsupported(&format!(
                    "TIFF of colour kind {kind} with {samples} samples a pixel"
                ));
            }
        };
        let packed = samples == 1 && matches!(bits, 1 | 2 | 4);
        let wide = bits == 16
            && matches!(
                colours,
                Colours::WhiteIsZero | Colours::BlackIsZero | Colours::Rgb
            );
        if !even || !(bits == 8 || packed || wide) {
            return unsupported(&format!("TIFF of {bits} bits a sample in these colours"));
        }
        if directory.value(339, 1)? != 1 {
            return unsupported("TIFF of samples that are no whole numbers");
        }
        if directory.value(284, 1)? != 1 && samples > 1 {
            return unsupported("TIFF with a plane for each channel");
        }
        if directory.value(266, 1)? != 1 {
            return unsupported("TIFF with its bits in the reverse order");
        }
        if !directory.values(324)?.is_empty() {
            return unsupported("TIFF of tiles");
        }
        let predictor = match directory.value(317, 1)? {
            1 => false,
            2 if bits >= 8 => true,
            _ => return unsupported("TIFF with such a predictor"),
        };
        let palette = match colours {
            Colours::Palette => {
                let levels = directory.values(320)?;
                let indices = 1 << bits;
                if levels.len() != 3 * indices {
                    return corrupt("its palette has another length than its bits need");
                }
                let colour = |index: usize| {
                    [0, 1, 2].map(|channel| (levels[channel * indices + index] >> 8) as u8)
                };
                (0..indices).map(colour).collect()
            }
            _ => Vec::new(),
        };
        let rows_per_strip = directory.value(278, height)?.clamp(1, height);
        let (starts, lengths) = (directory.values(273)?, directory.values(279)?);
        if starts.len() != height.div_ceil(rows_per_strip) || lengths.len() != starts.len() {
            return corrupt("it has another number of strips than its rows need");
        }
        let mut strips = Vec::with_capacity(starts.len());
        for (start, length) in starts.into_iter().zip(lengths) {
            let strip = start..start.checked_add(length)?;
            bytes.get(strip.clone())?;
            strips.push(strip);
        }
        let mut warnings = Vec::new();
        let orientation = Orientation::of_tiff(bytes).unwrap_or_else(|warning| {
            warnings.push(warning);
            Orientation::UPRIGHT
        });
        Some(Ok(Self {
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
            strips,
            palette,
            big_endian: bytes.starts_with(b"MM"),
        }))
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

pub(super) fn decode(bytes: &[u8], orientation: ExifOrientation) -> Result<Decoded, ImageError> {
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
