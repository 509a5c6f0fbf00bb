use crate::kind::FileKind;
use crate::tar;

/// Most bytes of a file that [`FileKind::of`] looks at.
pub const LONGEST_START: usize = 1024;

/// Magic numbers at the beginning of a file. A longer one stands before a shorter one that it begins with.
const MAGIC: &[(&[u8], FileKind)] = &[
    (b"\xff\xd8\xff", FileKind::Jpeg),
    (b"\x89PNG", FileKind::Png),
    (b"GIF87a", FileKind::Gif),
    (b"GIF89a", FileKind::Gif),
    (b"II\x2a\0", FileKind::Tiff),
    (b"MM\0\x2a", FileKind::Tiff),
    (b"II\x2b\0", FileKind::BigTiff),
    (b"MM\0\x2b", FileKind::BigTiff),
    (b"II\xbc", FileKind::JpegXr),
    (b"\0\0\0\x0cjP  ", FileKind::Jpeg2000),
    (b"\xff\x4f\xff\x51", FileKind::Jpeg2000),
    (b"\0\0\0\x0cJXL ", FileKind::JpegXl),
    (b"\xff\x0a", FileKind::JpegXl),
    (b"8BPS", FileKind::Psd),
    (b"\0\0\x01\0", FileKind::Ico),
    (b"\x1aE\xdf\xa3", FileKind::Video),
    (b"\x1f\x8b", FileKind::Gzip),
    (b"BZh", FileKind::Bzip2),
    (b"\xfd7zXZ\0", FileKind::Xz),
    (b"\x28\xb5\x2f\xfd", FileKind::Zstd),
    (b"\x04\x22\x4d\x18", FileKind::Lz4),
    (b"PK\x03\x04", FileKind::Zip),
    (b"PK\x05\x06", FileKind::Zip),
    (b"7z\xbc\xaf\x27\x1c", FileKind::SevenZip),
    (b"Rar!\x1a\x07", FileKind::Rar),
    (b"\x89HDF\r\n\x1a\n", FileKind::Hdf5),
    (b"\x93NUMPY", FileKind::NumPy),
    (b"GGUF", FileKind::Gguf),
    (b"PAR1", FileKind::Parquet),
    (b"SQLite format 3\0", FileKind::Sqlite),
    (b"%PDF-", FileKind::Pdf),
    (b"\0\x05\x16\x07", FileKind::AppleDouble),
    // A pickled integer of ten bytes that PyTorch wrote first.
    (
        b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19",
        FileKind::TorchLegacy,
    ),
    (b"version https://git-lfs", FileKind::GitLfsPointer),
    (b"version https://hawser", FileKind::GitLfsPointer),
];

impl FileKind {
    /// What the first bytes of a file say. [`LONGEST_START`] of them, or the whole file if it is shorter, are enough; more do no harm.
    pub fn of(start: &[u8]) -> Self {
        let start = &start[..start.len().min(LONGEST_START)];
        if start.is_empty() {
            return Self::Empty;
        }
        if start.iter().all(|&byte| byte == 0) {
            return Self::Zeros;
        }
        let magic = MAGIC.iter().find(|(magic, _)| start.starts_with(magic));
        if let Some((_, kind)) = magic {
            return *kind;
        }
        inner_magic(start)
            .or_else(|| text(start))
            .unwrap_or(Self::Unknown)
    }
}

/// Forms whose mark does not stand at the beginning, or is too short to be enough.
fn inner_magic(start: &[u8]) -> Option<FileKind> {
    if let Some(name) = tar::first_name(start) {
        let torch = tar::TORCH_MEMBERS.contains(&name);
        return Some(if torch {
            FileKind::TorchTar
        } else {
            FileKind::Tar
        });
    }
    match start {
        [b'R', b'I', b'F', b'F', _, _, _, _, form @ ..] if form.starts_with(b"WEBP") => {
            Some(FileKind::WebP)
        }
        [b'R', b'I', b'F', b'F', _, _, _, _, form @ ..] if form.starts_with(b"AVI ") => {
            Some(FileKind::Video)
        }
        [_, _, _, _, b'f', b't', b'y', b'p', brands @ ..] => Some(media(start, brands)),
        // Two letters that begin words, too: the header's size must be one that there is.
        [b'B', b'M', ..] if start.get(14..18).is_some_and(bitmap_header) => Some(FileKind::Bmp),
        [b'P', b'1'..=b'7', b'\t' | b'\n' | b'\r' | b' ' | b'#', ..] => Some(FileKind::Pnm),
        // A pickle of protocol 2 to 5; from 4 on a frame begins it.
        [0x80, 2 | 3, opcode, ..] if b"(}])cCKMJGNX\x8a\x88\x89".contains(opcode) => {
            Some(FileKind::Pickle)
        }
        [0x80, 4 | 5, ..] => Some(FileKind::Pickle),
        // The length of a JSON object, which follows.
        [length @ .., b'{'] if length.len() == 8 => safetensors(length),
        [b0, b1, b2, b3, b4, b5, b6, b7, b'{', ..] => {
            safetensors(&[*b0, *b1, *b2, *b3, *b4, *b5, *b6, *b7])
        }
        _ => None,
    }
}

fn safetensors(length: &[u8]) -> Option<FileKind> {
    let length = u64::from_le_bytes(length.try_into().ok()?);
    (2..=100_000_000)
        .contains(&length)
        .then_some(FileKind::Safetensors)
}

/// Whether the size is one of the bitmap headers of OS/2 and Windows.
fn bitmap_header(size: &[u8]) -> bool {
    matches!(size, [12 | 16 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0])
}

/// Files of boxes, told by their brands. A general brand, `mif1`, may come first, so all of them count.
fn media(start: &[u8], brands: &[u8]) -> FileKind {
    let length = u32::from_be_bytes([start[0], start[1], start[2], start[3]]) as usize;
    let end = length.saturating_sub(8).clamp(4, 256).min(brands.len());
    let (mut avif, mut heic) = (false, false);
    for (at, brand) in brands[..end].chunks_exact(4).enumerate() {
        match brand {
            // The second word is the version of the first.
            _ if at == 1 => {}
            b"avif" | b"avis" => avif = true,
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1" => {
                heic = true;
            }
            b"jp2 " | b"jpx " => return FileKind::Jpeg2000,
            b"jxl " => return FileKind::JpegXl,
            _ => {}
        }
    }
    match (avif, heic) {
        (true, _) => FileKind::Avif,
        (_, true) => FileKind::Heic,
        _ => FileKind::Video,
    }
}

/// Forms of text, in UTF-8 or UTF-16 with a byte order mark.
fn text(start: &[u8]) -> Option<FileKind> {
    let text = match start {
        [0xff, 0xfe, rest @ ..] | [0xfe, 0xff, rest @ ..] => {
            // Letters of markup are ASCII: dropping the zero bytes is enough to tell it.
            rest.iter().copied().filter(|&byte| byte != 0).collect()
        }
        [0xef, 0xbb, 0xbf, rest @ ..] => rest.to_vec(),
        _ => start.to_vec(),
    };
    let control = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    if text.iter().any(control) {
        return None;
    }
    let text = text.trim_ascii_start().to_ascii_lowercase();
    let has = |word: &[u8]| text.windows(word.len()).any(|part| part == word);
    // A comment or a declaration may stand in front.
    let markup = text.starts_with(b"<");
    Some(match text.as_slice() {
        _ if markup && has(b"<svg") && !has(b"<html") => FileKind::Svg,
        _ if markup && (has(b"<!doctype html") || has(b"<html") || has(b"<head")) => FileKind::Html,
        [b'<', b'b', b'o', b'd', b'y' | b'r', ..] => FileKind::Html,
        [b'<', b'?' | b'!' | b'a'..=b'z', ..] => FileKind::Xml,
        [b'{', ..] if has(b"\"weight_map\"") => FileKind::WeightIndex,
        [b'{' | b'[', ..] => FileKind::Json,
        _ if is_utf8(&text) => FileKind::Text,
        _ => return None,
    })
}

/// Whether it is UTF-8 as far as the bytes go: a letter may be cut at their end.
fn is_utf8(text: &[u8]) -> bool {
    std::str::from_utf8(text).map_or_else(|error| error.error_len().is_none(), |_| true)
}
