use super::bytes::Numbers;
use super::error::ImageError;
use super::format::ImageFormat;
use super::rgb::{Decoded, RgbImage, check_size};

const BMP: ImageFormat = ImageFormat::Bmp;

/// Bytes in front of the bitmap header.
const FILE_HEADER: usize = 14;

/// Size of the bitmap header of OS/2, whose numbers have 16 bits and whose palette has no fourth byte.
const CORE_HEADER: usize = 12;

/// Size of the first bitmap header of Windows; later ones add to it.
const INFO_HEADER: usize = 40;

/// Where a header has the masks of the channels, inside or behind it.
const MASKS: usize = FILE_HEADER + INFO_HEADER;

/// What the headers state.
struct Bitmap {
    width: usize,
    height: usize,
    /// Whether the first row stored is the uppermost.
    top_down: bool,
    bits: usize,
    /// Bits of red, green and blue in a pixel of 16 or 32 bits.
    masks: [u32; 3],
    /// Blue, green, red, and a fourth byte or not.
    palette: std::ops::Range<usize>,
    palette_entry: usize,
    pixels: usize,
    row_bytes: usize,
}

fn unsupported(what: &str) -> ImageError {
    ImageError::unsupported(BMP, what)
}

impl Bitmap {
    fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        Self::find(bytes).unwrap_or_else(|| {
            let problem = "it ends inside of its header";
            Err(ImageError::truncated(BMP, bytes, problem))
        })
    }

    /// `None` where the bytes end inside of the headers.
    fn find(bytes: &[u8]) -> Option<Result<Self, ImageError>> {
        let numbers = Numbers {
            bytes,
            big_endian: false,
        };
        let corrupt = |problem: &str| Some(Err(ImageError::corrupt(BMP, bytes, problem)));
        let pixels = numbers.long(10)?;
        let header = numbers.long(FILE_HEADER)?;
        let core = header == CORE_HEADER;
        if !core && (header < INFO_HEADER || header == 64) {
            return Some(Err(unsupported("BMP of OS/2 version 2")));
        }
        let (width, height, bits) = if core {
            (
                numbers.short(18)?,
                numbers.short(20)? as i32,
                numbers.short(24)?,
            )
        } else {
            (
                numbers.long(18)?,
                numbers.long(22)? as u32 as i32,
                numbers.short(28)?,
            )
        };
        let compression = if core { 0 } else { numbers.long(30)? };
        let masked = match compression {
            0 => false,
            3 | 6 => true,
            1 | 2 => return Some(Err(unsupported("BMP with run lengths (RLE)"))),
            _ => return Some(Err(unsupported("BMP with JPEG or PNG data inside"))),
        };
        let masks = match bits {
            _ if masked => {
                let mask = |channel: usize| Some(numbers.long(MASKS + channel * 4)? as u32);
                [mask(0)?, mask(1)?, mask(2)?]
            }
            16 => [0x7c00, 0x03e0, 0x001f],
            _ => [0x00ff_0000, 0x0000_ff00, 0x0000_00ff],
        };
        if !matches!(bits, 1 | 4 | 8 | 16 | 24 | 32) || masked && bits < 16 {
            return corrupt("BMP does not allow its number of bits per pixel");
        }
        let top_down = height < 0;
        let height = height.unsigned_abs() as usize;
        if width == 0 || height == 0 {
            return corrupt("a side is 0");
        }
        if let Err(error) = check_size((width, height)) {
            return Some(Err(error));
        }
        let colours = if core { 0 } else { numbers.long(46)? };
        let colours = match bits {
            16.. => 0,
            _ if colours == 0 => 1 << bits,
            _ => colours.min(1 << bits),
        };
        let palette_entry = if core { 3 } else { 4 };
        let palette = FILE_HEADER + header;
        let palette = palette..palette + colours * palette_entry;
        let row_bytes = (width * bits).div_ceil(32) * 4;
        let last_row = (width * bits).div_ceil(8);
        if palette.end > bytes.len() || pixels + row_bytes * (height - 1) + last_row > bytes.len() {
            let problem = "its image data end before the last row";
            return Some(Err(ImageError::truncated(BMP, bytes, problem)));
        }
        if pixels < FILE_HEADER + header {
            return corrupt("its pixels begin inside of its header");
        }
        Some(Ok(Self {
            width,
            height,
            top_down,
            bits,
            masks,
            palette,
            palette_entry,
            pixels,
            row_bytes,
        }))
    }
}

/// Width and height.
pub(super) fn size(bytes: &[u8]) -> Result<(usize, usize), ImageError> {
    let bitmap = Bitmap::read(bytes)?;
    Ok((bitmap.width, bitmap.height))
}

pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, ImageError> {
    let bitmap = Bitmap::read(bytes)?;
    let mut pixels = Vec::with_capacity(bitmap.width * bitmap.height * 3);
    let palette = &bytes[bitmap.palette.clone()];
    let colour = |index: usize| {
        let at = index * bitmap.palette_entry;
        palette
            .get(at..at + 3)
            .map_or([0; 3], |c| [c[2], c[1], c[0]])
    };
    for row in 0..bitmap.height {
        let stored = if bitmap.top_down {
            row
        } else {
            bitmap.height - 1 - row
        };
        let row = &bytes[bitmap.pixels + stored * bitmap.row_bytes..];
        for x in 0..bitmap.width {
            let pixel = match bitmap.bits {
                24 => [row[x * 3 + 2], row[x * 3 + 1], row[x * 3]],
                16 => {
                    let pixel = u16::from_le_bytes([row[x * 2], row[x * 2 + 1]]);
                    bitmap.masks.map(|mask| channel(u32::from(pixel), mask))
                }
                32 => {
                    let pixel = [row[x * 4], row[x * 4 + 1], row[x * 4 + 2], row[x * 4 + 3]];
                    let pixel = u32::from_le_bytes(pixel);
                    bitmap.masks.map(|mask| channel(pixel, mask))
                }
                bits => {
                    let place = x * bits;
                    let shift = 8 - bits - place % 8;
                    colour(usize::from(row[place / 8] >> shift) & ((1 << bits) - 1))
                }
            };
            pixels.extend(pixel);
        }
    }
    Ok(Decoded {
        image: RgbImage {
            width: bitmap.width,
            height: bitmap.height,
            pixels,
        },
        warnings: Vec::new(),
    })
}

/// The bits of a channel, scaled to 8 bits.
fn channel(pixel: u32, mask: u32) -> u8 {
    if mask == 0 {
        return 0;
    }
    let most = u64::from(mask >> mask.trailing_zeros());
    let value = u64::from((pixel & mask) >> mask.trailing_zeros());
    (value * 255 / most) as u8
}
