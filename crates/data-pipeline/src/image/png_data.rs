//! PNG files whose pixels are all there although the file is not as it should be.
//!
//! Programs that do not finish a file leave out its last chunk, and some write more data than the rows take. A decoder that
//! wants all of a file refuses these. Here the data of the rows are unpacked by themselves, and a file of exactly these data
//! is made, which any decoder reads.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::warning::ImageWarning;

/// Bytes in front of the first chunk.
pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Bytes of the header's chunk and the signature.
const HEADER_END: usize = 33;
/// Most bytes of a block that is stored without compression.
const LONGEST_BLOCK: usize = 0xffff;
/// First column, first row, step between columns and between rows of the seven passes of an interlaced image.
const PASSES: [[usize; 4]; 7] = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2],
];

/// What a file has in front of its image data, and these.
struct Parts<'a> {
    /// Signature, header, palette and the like, as they are.
    before: &'a [u8],
    /// Compressed image data.
    data: Vec<u8>,
    /// Whether the checksum of each of their chunks is right, as far as it is there.
    checked: bool,
}

/// A PNG of the pixels of this one, and what is odd about this one. None if a row is missing, or where it is not certain that
/// the rows are right.
pub(super) fn rebuilt(bytes: &[u8]) -> Option<(Vec<u8>, Option<ImageWarning>)> {
    let parts = Parts::of(bytes)?;
    let length = rows_length(bytes)?;
    // One more, so that the end of the data is seen.
    let mut rows = vec![0; length.checked_add(1)?];
    let flags = TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let mut decompressor = DecompressorOxide::new();
    let (status, read, written) = decompress(&mut decompressor, &parts.data, &mut rows, 0, flags);
    let verified = status == TINFLStatus::Done;
    let ended = match status {
        TINFLStatus::Done | TINFLStatus::HasMoreOutput => true,
        // The checksum behind the rows is cut off.
        TINFLStatus::FailedCannotMakeProgress => parts.checked,
        _ => false,
    };
    if !ended || written < length || !(verified || parts.checked) {
        return None;
    }
    rows.truncate(length);
    let warning = if written > length || verified && read < parts.data.len() {
        Some(ImageWarning::SurplusData)
    } else if !parts.checked {
        Some(ImageWarning::WrongChecksum)
    } else {
        None
    };
    let mut file = parts.before.to_vec();
    chunk(&mut file, *b"IDAT", &stored(&rows));
    chunk(&mut file, *b"IEND", &[]);
    Some((file, warning))
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let mut at = SIGNATURE.len();
        let mut found = Self {
            before: &[],
            data: Vec::new(),
            checked: true,
        };
        while let Some(head) = bytes.get(at..at + 8) {
            let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
            let end = at + 8 + length;
            if &head[4..] == b"IDAT" {
                if found.before.is_empty() {
                    found.before = &bytes[..at];
                }
                let content = &bytes[at + 8..end.min(bytes.len())];
                found.data.extend_from_slice(content);
                if let Some(stated) = bytes.get(end..end + 4) {
                    let sum = crc32fast::hash(&bytes[at + 4..end]);
                    found.checked &= sum.to_be_bytes() == *stated;
                }
            } else if !found.before.is_empty() {
                // Image data lie in chunks that follow each other.
                break;
            }
            at = end + 4;
        }
        (!found.before.is_empty()).then_some(found)
    }
}

/// The file without its chunks of a type.
pub(super) fn without_chunks(bytes: &[u8], kind: [u8; 4]) -> Vec<u8> {
    let mut at = SIGNATURE.len();
    let mut file = bytes[..at].to_vec();
    while let Some(head) = bytes.get(at..at + 8) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let end = (at + 12 + length).min(bytes.len());
        if head[4..] != kind {
            file.extend_from_slice(&bytes[at..end]);
        }
        at = end;
    }
    file.extend_from_slice(&bytes[at..]);
    file
}

/// Bytes of all rows, each with its filter in front.
fn rows_length(bytes: &[u8]) -> Option<usize> {
    let header = bytes.get(SIGNATURE.len() + 8..HEADER_END)?;
    let number = |at: usize| {
        let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
        u32::from_be_bytes(bytes) as usize
    };
    let (width, height, depth) = (number(0), number(4), usize::from(header[8]));
    let channels = match header[9] {
        0 | 3 => 1,
        2 => 3,
        4 => 2,
        6 => 4,
        _ => return None,
    };
    let of = |width: usize, height: usize| {
        if width == 0 || height == 0 {
            return Some(0);
        }
        let row = width.checked_mul(channels * depth)?.div_ceil(8) + 1;
        row.checked_mul(height)
    };
    match header[12] {
        0 => of(width, height),
        1 => PASSES
            .iter()
            .try_fold(0_usize, |sum, [x, y, across, down]| {
                let columns = width.saturating_sub(*x).div_ceil(*across);
                let rows = height.saturating_sub(*y).div_ceil(*down);
                sum.checked_add(of(columns, rows)?)
            }),
        _ => None,
    }
}

/// A zlib stream that holds the bytes as they are. Its checksum is not made: whoever reads it must not ask for it.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = bytes.chunks(LONGEST_BLOCK).peekable();
    while let Some(block) = blocks.next() {
        let length = block.len() as u16;
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend_from_slice(block);
    }
    stream.extend([0; 4]);
    stream
}

fn chunk(file: &mut Vec<u8>, kind: [u8; 4], content: &[u8]) {
    file.extend((content.len() as u32).to_be_bytes());
    let start = file.len();
    file.extend(kind);
    file.extend_from_slice(content);
    let sum = crc32fast::hash(&file[start..]);
    file.extend(sum.to_be_bytes());
}
