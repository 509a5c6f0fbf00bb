use std::ops::Range;

use file_kind::counted;

use crate::image::bytes::Numbers;
use crate::image::error::ImageError;
use crate::image::format::ImageFormat;

const TIFF: ImageFormat = ImageFormat::Tiff;

/// How the bytes of a strip are packed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
}

/// What a sample means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Colours {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    Palette,
    Cmyk,
}

/// The values of a directory's entries.
pub(super) struct Directory<'a> {
    numbers: Numbers<'a>,
    at: usize,
    entries: usize,
}

/// What a compression that is not read is called.
fn compression_name(number: usize) -> Option<&'static str> {
    Some(match number {
        2 | 32771 => "CCITT RLE (fax)",
        3 => "CCITT Group 3 fax",
        4 => "CCITT Group 4 fax",
        9 | 10 | 34661 => "JBIG",
        32766 => "NeXT",
        32809 => "ThunderScan",
        33003 | 33005 | 34712 => "JPEG 2000",
        34676 | 34677 => "SGI LogLuv",
        34887 => "LERC",
        34892 => "lossy JPEG (DNG)",
        34925 => "LZMA",
        50000 => "ZSTD",
        50001 => "WebP",
        50002 | 52546 => "JPEG XL",
        _ => return None,
    })
}

/// What colours are called, those that are read only with other numbers of samples among them.
fn colours_name(number: usize) -> Option<&'static str> {
    Some(match number {
        0 | 1 => "grey levels",
        2 => "RGB colours",
        3 => "palette colours",
        4 => "a transparency mask",
        5 => "CMYK or other inks",
        6 => "YCbCr colours",
        8 => "CIELab colours",
        9 => "ICCLab colours",
        10 => "ITULab colours",
        32803 => "a camera's colour filter (raw data)",
        32844 | 32845 => "LogLuv colours",
        34892 => "a camera's linear raw data",
        51177 => "depths",
        _ => return None,
    })
}

pub(super) fn unsupported(what: &str) -> ImageError {
    ImageError::unsupported(TIFF, what)
}

fn not_whole(bytes: &[u8]) -> ImageError {
    ImageError::truncated(TIFF, bytes, "its directory is not whole")
}

impl<'a> Directory<'a> {
    /// The one of the first page.
    pub(super) fn first(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let numbers = Numbers {
            bytes,
            big_endian: bytes.starts_with(b"MM"),
        };
        let at = numbers.long(4).ok_or_else(|| not_whole(bytes))?;
        let entries = numbers.short(at).ok_or_else(|| not_whole(bytes))?;
        Ok(Self {
            numbers,
            at,
            entries,
        })
    }

    /// All values of a tag; none if there is no such tag.
    fn values(&self, tag: usize) -> Result<Vec<usize>, ImageError> {
        let values = self.find(tag);
        values.ok_or_else(|| not_whole(self.numbers.bytes))
    }

    /// `None` where the bytes do not have what the entry states.
    fn find(&self, tag: usize) -> Option<Vec<usize>> {
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
            let length = count.checked_mul(size)?;
            let place = if length <= 4 {
                at + 8
            } else {
                numbers.long(at + 8)?
            };
            // What the file is too short for must not be allocated.
            numbers.bytes.get(place..place.checked_add(length)?)?;
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

    pub(super) fn value(&self, tag: usize, default: usize) -> Result<usize, ImageError> {
        Ok(self.values(tag)?.first().copied().unwrap_or(default))
    }

    /// Refuses what would be read wrong.
    pub(super) fn require_plain(&self, samples: usize) -> Result<(), ImageError> {
        let samples_are = match self.value(339, 1)? {
            1 => None,
            2 => Some("signed integers"),
            3 => Some("floating-point numbers"),
            5 | 6 => Some("complex numbers"),
            _ => Some("of no stated kind"),
        };
        if let Some(kind) = samples_are {
            return Err(unsupported(&format!("TIFF whose samples are {kind}")));
        }
        if self.value(284, 1)? != 1 && samples > 1 {
            return Err(unsupported("TIFF with a plane for each channel"));
        }
        if self.value(266, 1)? != 1 {
            return Err(unsupported("TIFF with its bits in the reverse order"));
        }
        if !self.values(324)?.is_empty() {
            return Err(unsupported("TIFF of tiles"));
        }
        Ok(())
    }

    pub(super) fn compression(&self) -> Result<Compression, ImageError> {
        Ok(match self.value(259, 1)? {
            1 => Compression::None,
            5 => Compression::Lzw,
            8 | 32946 => Compression::Deflate,
            32773 => Compression::PackBits,
            6 | 7 => return Err(unsupported("TIFF with JPEG data inside")),
            other => {
                return Err(unsupported(&match compression_name(other) {
                    Some(name) => format!("TIFF with {name} compression"),
                    None => format!("TIFF with the unknown compression {other}"),
                }));
            }
        })
    }

    /// What samples mean, and the bits of each.
    pub(super) fn colours(&self, samples: usize) -> Result<(Colours, usize), ImageError> {
        let colours = match (self.value(262, 1)?, samples) {
            (0, 1..=2) => Colours::WhiteIsZero,
            (1, 1..=2) => Colours::BlackIsZero,
            (2, 3..=4) => Colours::Rgb,
            (3, 1) => Colours::Palette,
            (5, 4..=5) => Colours::Cmyk,
            (kind, samples) => {
                let colours = match colours_name(kind) {
                    Some(name) => name.to_owned(),
                    None => format!("the unknown colour kind {kind}"),
                };
                let samples = counted(samples, "sample", "samples");
                return Err(unsupported(&format!(
                    "TIFF of {colours} with {samples} a pixel"
                )));
            }
        };
        let all = self.values(258)?;
        let bits = all.first().copied().unwrap_or(1);
        let possible = match bits {
            1 | 2 | 4 => samples == 1,
            8 => true,
            16 => !matches!(colours, Colours::Palette | Colours::Cmyk),
            _ => false,
        };
        if !possible || all.iter().any(|other| *other != bits) {
            let what = format!("TIFF of {bits} bits a sample in these colours");
            return Err(unsupported(&what));
        }
        Ok((colours, bits))
    }

    /// Red, green and blue of every index, the high bytes.
    pub(super) fn palette(&self, bits: usize) -> Result<Vec<[u8; 3]>, ImageError> {
        let levels = self.values(320)?;
        let indices = 1 << bits;
        if levels.len() != 3 * indices {
            let problem = "its palette has another length than its bits need";
            return Err(ImageError::corrupt(TIFF, self.numbers.bytes, problem));
        }
        let colour =
            |index| [0, 1, 2].map(|channel| (levels[channel * indices + index] >> 8) as u8);
        Ok((0..indices).map(colour).collect())
    }

    /// Where the strips of `rows_per_strip` rows lie.
    pub(super) fn strips(
        &self,
        height: usize,
        rows_per_strip: usize,
    ) -> Result<Vec<Range<usize>>, ImageError> {
        let bytes = self.numbers.bytes;
        let (starts, lengths) = (self.values(273)?, self.values(279)?);
        if starts.len() != height.div_ceil(rows_per_strip) || lengths.len() != starts.len() {
            let problem = "it has another number of strips than its rows need";
            return Err(ImageError::corrupt(TIFF, bytes, problem));
        }
        let strip = |(start, length): (usize, usize)| {
            let strip = start..start.saturating_add(length);
            let problem = "its image data end before the last row";
            match bytes.get(strip.clone()) {
                Some(_) => Ok(strip),
                None => Err(ImageError::truncated(TIFF, bytes, problem)),
            }
        };
        starts.into_iter().zip(lengths).map(strip).collect()
    }
}
