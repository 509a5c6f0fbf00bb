//! The bytes of a file. All numbers are little-endian.
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 8 | [`MAGIC`] |
//! | 8 | 4 | version, 1 |
//! | 12 | 4 | bits of a feature, 16 or 32 |
//! | 16 | 8 | features of a region |
//! | 24 | 8 | images |
//! | 32 | 8 | regions of all images |
//! | 40 | 8 | fewest regions of an image |
//! | 48 | 8 | most regions of an image |
//! | 56 | 8 | offset of the index |
//! | 64 | 8 | length of the file |
//! | 72 | 4 | CRC-32 of the index |
//! | 76 | 4 | CRC-32 of the 76 bytes in front |
//! | 80 | | blocks, one an image: features `[regions, dim]`, then boxes `[regions, 6]` of 32 bits |
//! | index | 32 an image | in rising order of names: offset of the name behind the entries (8), its length (4), regions (4), offset of the block (8), CRC-32 of the block (4), zeros (4) |
//! | behind the entries | | the names, in UTF-8 |

/// Numbers of a region's box: left, top, right and bottom edge, width and height, as parts of the image's.
pub const BOX_SIZE: usize = 6;

/// Ending of the names of files of region features.
pub const ENDING: &str = "regions";

/// The first bytes of a file. The line ends show a transfer as text.
pub const MAGIC: [u8; 8] = *b"AOAREG\r\n";

/// The version that is written and read.
pub(crate) const VERSION: u32 = 1;

/// Bytes in front of the first block.
pub(crate) const HEADER: usize = 80;

/// Bytes of the header that its checksum is about.
pub(crate) const CHECKED: usize = 76;

/// Bytes of an entry of the index.
pub(crate) const ENTRY: usize = 32;

/// How a feature is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Number {
    /// 16 bits: 11 bits of precision, up to 65504.
    #[default]
    F16,
    /// 32 bits.
    F32,
}

impl Number {
    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
        }
    }
}

/// The regions of one image.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Block {
    /// Regions, at least 1.
    pub rows: usize,
    /// `[rows, dim]`
    pub features: Vec<f32>,
    /// `[rows, 6]`: left, top, right and bottom edge, width and height, as parts of the image's.
    pub boxes: Vec<f32>,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// How a feature is kept.
    pub number: Number,
    /// Features of a region.
    pub dim: usize,
    /// Images.
    pub images: u64,
    /// Regions of all images.
    pub rows: u64,
    /// Fewest regions of an image.
    pub fewest: usize,
    /// Most regions of an image.
    pub most: usize,
}

/// The header, without what is computed from the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) summary: Summary,
    pub(crate) index: u64,
    pub(crate) length: u64,
    pub(crate) index_crc: u32,
}

impl Header {
    pub(crate) fn to_bytes(self) -> [u8; HEADER] {
        let Summary {
            number,
            dim,
            images,
            rows,
            fewest,
            most,
        } = self.summary;
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((8 * number.bytes() as u32).to_le_bytes());
        for number in [
            dim as u64,
            images,
            rows,
            fewest as u64,
            most as u64,
            self.index,
            self.length,
        ] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.index_crc.to_le_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        let mut header = [0; HEADER];
        header.copy_from_slice(&bytes);
        header
    }

    /// The header of a file that begins with [`MAGIC`], or what is wrong with it.
    pub(crate) fn of(bytes: &[u8; HEADER]) -> Result<Self, String> {
        let [short, long] = [word::<4>, word::<8>];
        let version = short(bytes, 8);
        if version != u64::from(VERSION) {
            return Err(format!(
                "it has version {version}, and this program reads version {VERSION}"
            ));
        }
        if u64::from(crc32fast::hash(&bytes[..CHECKED])) != short(bytes, CHECKED) {
            return Err("its header does not match its checksum".to_owned());
        }
        let number = match short(bytes, 12) {
            16 => Number::F16,
            32 => Number::F32,
            bits => return Err(format!("its features have {bits} bits, not 16 or 32")),
        };
        Ok(Self {
            summary: Summary {
                number,
                dim: long(bytes, 16) as usize,
                images: long(bytes, 24),
                rows: long(bytes, 32),
                fewest: long(bytes, 40) as usize,
                most: long(bytes, 48) as usize,
            },
            index: long(bytes, 56),
            length: long(bytes, 64),
            index_crc: short(bytes, 72) as u32,
        })
    }
}

/// The number of `N` bytes at an offset.
///
/// # Panics
/// When the bytes end before it.
pub(crate) fn word<const N: usize>(bytes: &[u8], offset: usize) -> u64 {
    let bytes = bytes[offset..offset + N].iter().rev();
    bytes.fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// Bytes of a block, unless there are more than can be counted.
pub(crate) fn block_bytes(rows: usize, dim: usize, number: Number) -> Option<u64> {
    let row = (dim as u64).checked_mul(number.bytes() as u64)?;
    let row = row.checked_add((BOX_SIZE * size_of::<f32>()) as u64)?;
    row.checked_mul(rows as u64)
}
