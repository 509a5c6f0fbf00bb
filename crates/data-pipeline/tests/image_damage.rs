//! Image data that are cut or damaged: refused, never another picture, never a panic, never more memory than an image takes.

use std::fs;
use std::path::Path;

use data_pipeline::{ExifOrientation, ImageError, ImageHeader, ImageWarning, MAX_PIXELS, RgbImage};

fn folder(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/images")
        .join(name);
    let files = fs::read_dir(folder).expect("a folder");
    let mut files: Vec<_> = files
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy();
            (name.into_owned(), fs::read(&path).expect("a file"))
        })
        .collect();
    files.sort();
    files
}

fn decode(bytes: &[u8]) -> Result<RgbImage, ImageError> {
    RgbImage::decode(bytes, ExifOrientation::Apply).map(|decoded| decoded.image)
}

fn position(bytes: &[u8], part: &[u8]) -> usize {
    let found = bytes.windows(part.len()).position(|window| window == part);
    found.expect("it is there")
}

/// Every scan script, sampling and coding, cut at many places, as it is and with an end marker put behind.
#[test]
fn a_jpeg_cut_anywhere_is_refused() {
    let mut cut = 0;
    for (name, whole) in folder("jpeg/matrix") {
        if !whole.starts_with(&[0xff, 0xd8]) {
            continue;
        }
        let first = position(&whole, &[0xff, 0xda]);
        // The last two bytes are the end marker.
        for keep in (first..whole.len() - 2).step_by(5).chain([whole.len() - 3]) {
            let part = &whole[..keep];
            let marked = [part, &[0xff, 0xd9]].concat();
            let zeros = [part, &[0; 40]].concat();
            for bytes in [part, &marked, &zeros] {
                let refused = decode(bytes);
                assert!(refused.is_err(), "{name}, {keep} of {}", whole.len());
                cut += 1;
            }
        }
    }
    assert!(cut > 10_000, "{cut}");
}

/// A file that is cut where a scan ends has no damaged data, only fewer scans.
#[test]
fn a_jpeg_without_its_last_scans_is_refused() {
    for (name, whole) in folder("jpeg/matrix") {
        let scans: Vec<_> = whole
            .windows(2)
            .enumerate()
            .filter(|(_, pair)| *pair == [0xff, 0xda])
            .map(|(at, _)| at)
            .collect();
        for &at in scans.iter().skip(1) {
            // Tables may stand in front of the scan header; they are left in.
            let bytes = [&whole[..at], &[0xff, 0xd9]].concat();
            let refused = decode(&bytes);
            let missing = matches!(&refused, Err(ImageError::Truncated { problem, .. }) if problem.contains("scans"));
            assert!(missing, "{name}: {refused:?}");
        }
    }
}

#[test]
fn other_formats_cut_anywhere_are_refused() {
    let mut cut = 0;
    for (name, whole) in folder("more") {
        let format = name.rsplit('.').next().expect("an ending");
        if !matches!(format, "webp" | "gif" | "bmp" | "tiff") && !name.contains("_reference") {
            continue;
        }
        let Ok(expected) = decode(&whole) else {
            panic!("{name} is whole");
        };
        for keep in (0..whole.len()).step_by(23) {
            cut += 1;
            match decode(&whole[..keep]) {
                Err(_) => {}
                // What was cut off lies behind the pixels.
                Ok(image) => assert_eq!(image, expected, "{name}, {keep} of {}", whole.len()),
            }
        }
    }
    assert!(cut > 1000, "{cut}");
}

/// IDAT data that end before the last row, in chunks whose lengths and checksums are right.
#[test]
fn a_png_of_too_few_rows_is_refused() {
    let folder = folder("png");
    let (_, whole) = folder
        .iter()
        .find(|(name, _)| name == "rgba.png")
        .expect("it");
    let start = position(whole, b"IDAT") - 4;
    let length = u32::from_be_bytes(whole[start..start + 4].try_into().expect("4")) as usize;
    for keep in [0, 2, 10, length / 2, length - 30] {
        let body = [b"IDAT", &whole[start + 8..start + 8 + keep]].concat();
        let checksum = crc32fast::hash(&body).to_be_bytes();
        let chunk = [&(keep as u32).to_be_bytes(), body.as_slice(), &checksum].concat();
        let bytes = [&whole[..start], &chunk, &whole[start + 12 + length..]].concat();
        assert!(decode(&bytes).is_err(), "{keep} of {length}");
    }
}

#[test]
fn kinds_of_jpeg_that_are_not_read_are_named() {
    let folder = folder("jpeg");
    let (_, jpeg) = folder
        .iter()
        .find(|(name, _)| name == "grey.jpg")
        .expect("it");
    let frame = position(jpeg, &[0xff, 0xc0]);
    let with = |changes: &[(usize, u8)]| {
        let mut bytes = jpeg.clone();
        for (at, value) in changes {
            bytes[frame + at] = *value;
        }
        let message = decode(&bytes).expect_err("it is refused").to_string();
        let header = ImageHeader::read(&bytes)
            .expect_err("it is refused")
            .to_string();
        assert_eq!(message, header);
        message
    };
    for (changes, words) in [
        (&[(1, 0xc3)][..], "lossless JPEG is not read"),
        (&[(1, 0xc5)], "hierarchical JPEG"),
        (&[(1, 0xc9)], "arithmetic coding"),
        (&[(1, 0xca)], "arithmetic coding"),
        (&[(1, 0xcb)], "lossless JPEG with arithmetic coding"),
        (&[(1, 0xf7)], "JPEG-LS"),
        (&[(4, 12)], "12-bit JPEG is not read"),
        (&[(4, 16)], "JPEG of 16 bits"),
        (&[(5, 0), (6, 0)], "DNL"),
        (&[(7, 0), (8, 0)], "the width is 0"),
        (&[(9, 2)], "JPEG of 2 colour planes"),
        (&[(5, 0x80), (7, 0x80)], "more than the limit"),
        // 2,048 x 2,048 pixels cannot be in a file of two thousand bytes.
        (&[(5, 8), (6, 0), (7, 8), (8, 0)], "pixels need at least"),
        (&[(11, 0x51)], "sampling factor"),
    ] {
        let message = with(changes);
        assert!(message.contains(words), "{message}");
    }
}

/// The same numbers everywhere and always.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }
}

/// Damages a file in one of the ways that storage and programs do.
fn mutate(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len().max(1));
        match numbers.below(7) {
            _ if bytes.len() < 16 => return,
            0 => bytes[at] ^= 1 << numbers.below(8),
            1 => bytes[at] = numbers.below(256) as u8,
            2 => bytes.truncate(at),
            3 => {
                let end = (at + 1 + numbers.below(40)).min(bytes.len());
                bytes[at..end].fill(0);
            }
            4 => {
                let end = (at + 1 + numbers.below(40)).min(bytes.len());
                bytes.drain(at..end);
            }
            5 => {
                let end = (at + 1 + numbers.below(40)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = numbers.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            // Markers and lengths decide most.
            _ => {
                let marker = [
                    0xff,
                    [0xc0, 0xc2, 0xc4, 0xd0, 0xd9, 0xda, 0xdb, 0xdd][numbers.below(8)],
                ];
                let end = (at + 2).min(bytes.len());
                bytes.splice(at..end, marker);
            }
        }
    }
}

/// Sets the checksums of a PNG's chunks right again, so that damage gets past them.
fn mend(png: &mut [u8]) {
    let mut at = 8;
    while let Some(head) = png.get(at..at + 4) {
        let length = u32::from_be_bytes(head.try_into().expect("4")) as usize;
        let Some(chunk) = png.get(at + 4..at + 8 + length) else {
            return;
        };
        let checksum = crc32fast::hash(chunk).to_be_bytes();
        let Some(place) = png.get_mut(at + 8 + length..at + 12 + length) else {
            return;
        };
        place.copy_from_slice(&checksum);
        at += 12 + length;
    }
}

fn check_mutations(count: usize, seed: u64, files: &[(String, Vec<u8>)], magic: &[u8]) {
    let files: Vec<_> = files
        .iter()
        .filter(|(_, bytes)| bytes.starts_with(magic))
        .collect();
    assert!(files.len() > 3);
    let mut numbers = Numbers(seed);
    let mut decoded = 0;
    for number in 0..count {
        let (name, whole) = files[numbers.below(files.len())];
        let mut bytes = whole.clone();
        mutate(&mut bytes, &mut numbers);
        if magic.starts_with(b"\x89PNG") && number % 2 == 0 {
            mend(&mut bytes);
        }
        let header = ImageHeader::read(&bytes);
        if let Ok(image) = decode(&bytes) {
            decoded += 1;
            assert_eq!(
                image.pixels.len(),
                image.width * image.height * 3,
                "{name}, {number}"
            );
            assert!(image.width * image.height <= MAX_PIXELS, "{name}, {number}");
            let header = header.expect("what decodes has a header");
            let size = (image.width, image.height);
            assert_eq!(
                header.size(ExifOrientation::Apply),
                size,
                "{name}, {number}"
            );
        }
    }
    assert!(
        decoded > 0 && decoded < count,
        "{decoded} of {count} decode"
    );
}

#[test]
fn mutated_jpegs_are_refused_or_have_their_size() {
    let files = [folder("jpeg/matrix"), folder("jpeg"), folder("more")].concat();
    check_mutations(2000, 1, &files, &[0xff, 0xd8]);
}

#[test]
fn mutated_pngs_are_refused_or_have_their_size() {
    check_mutations(2000, 2, &folder("png"), b"\x89PNG");
}

#[test]
fn mutated_webps_are_refused_or_have_their_size() {
    check_mutations(2000, 3, &folder("more"), b"RIFF");
}

#[test]
fn mutated_images_of_other_formats_are_refused_or_have_their_size() {
    let files = folder("more");
    for magic in [&b"GIF8"[..], b"BM", b"II"] {
        check_mutations(2000, 4, &files, magic);
    }
}

/// A PNG chunk with its checksum.
fn chunk(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let body = [&kind[..], content].concat();
    let sum = crc32fast::hash(&body).to_be_bytes();
    [&(content.len() as u32).to_be_bytes(), &body[..], &sum].concat()
}

/// A zlib stream of bytes that are not compressed.
fn zlib(bytes: &[u8]) -> Vec<u8> {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65521;
        b = (b + a) % 65521;
    }
    let length = bytes.len() as u16;
    let lengths = [length.to_le_bytes(), (!length).to_le_bytes()].concat();
    let sum = (b << 16 | a).to_be_bytes();
    [&[0x78, 1, 1], &lengths[..], bytes, &sum].concat()
}

/// Everything that may be missing or too much in a PNG whose rows are all there, as other readers take it, with and without
/// interlacing.
#[test]
fn a_png_decodes_whose_rows_are_whole() {
    // Where a row begins: with a byte that names its filter, and three bytes for each pixel.
    let rows_at: [&[usize]; 2] = [&[0, 16, 32, 48], &[0, 4, 8, 12, 22, 29, 36, 52]];
    for (interlaced, length) in [(0_u8, 64_u8), (1, 68)] {
        let header = [0, 0, 0, 5, 0, 0, 0, 4, 8, 2, 0, 0, interlaced];
        let head = [&b"\x89PNG\r\n\x1a\n"[..], &chunk(*b"IHDR", &header)].concat();
        let end = chunk(*b"IEND", &[]);
        let mut rows: Vec<u8> = (0..length).map(|at| at.wrapping_mul(37)).collect();
        for at in rows_at[usize::from(interlaced)] {
            rows[*at] = 0;
        }
        let data = zlib(&rows);
        let file = |data: &[u8], end: &[u8]| [&head[..], &chunk(*b"IDAT", data), end].concat();
        let whole = file(&data, &end);
        let expected = decode(&whole).expect("it is whole");
        let body = whole.len() - end.len();
        let cut = data.len() - 4;
        let surplus = zlib(&[&rows[..], &[0; 300]].concat());
        let wrong = {
            let mut bytes = whole.clone();
            bytes[body - 1] ^= 1;
            bytes
        };
        let two = [chunk(*b"IDAT", b"surplus"), end.clone()].concat();
        for (name, bytes, says) in [
            ("no end", whole[..body].to_vec(), "end marker"),
            ("end cut", whole[..body + 9].to_vec(), "end marker"),
            ("checksum cut", whole[..body - 2].to_vec(), "end marker"),
            ("no sums", whole[..body - 8].to_vec(), "end marker"),
            ("a sum cut", file(&data[..cut + 2], &end), ""),
            (
                "bytes behind",
                file(&[&data[..], b"surplus"].concat(), &end),
                "more image data",
            ),
            ("a chunk behind", file(&data, &two), "more image data"),
            ("rows behind", file(&surplus, &end), "more image data"),
            (
                "rows behind, cut",
                file(&surplus[..surplus.len() - 50], &end),
                "more image data",
            ),
            (
                "rows behind, no end",
                file(&surplus, &[]),
                "more image data",
            ),
            ("wrong checksum", wrong, "wrong checksum"),
            (
                "garbage behind",
                [&whole[..body], b"garbage garbage"].concat(),
                "end marker",
            ),
        ] {
            let decoded = RgbImage::decode(&bytes, ExifOrientation::Apply);
            let decoded = decoded.unwrap_or_else(|error| panic!("{name}, {interlaced}: {error}"));
            assert_eq!(decoded.image, expected, "{name}");
            let warnings = decoded.warnings.iter().map(ToString::to_string);
            let warnings = warnings.collect::<Vec<_>>().join("; ");
            // What the decoder does not look at needs no warning.
            assert!(
                warnings.contains(says) || warnings.is_empty(),
                "{name}: {warnings}"
            );
            let ends = bytes.windows(4).any(|part| part == b"IEND") && name != "end cut";
            assert_eq!(warnings.contains("end marker"), !ends, "{name}: {warnings}");
            let header = ImageHeader::read(&bytes).expect("its header is whole");
            let warned = header.warnings.contains(&ImageWarning::NoEndMarker);
            assert_eq!(warned, !ends, "{name}");
        }
        let mut other = data.clone();
        other[cut] ^= 1;
        for (name, bytes) in [
            ("a row cut", file(&data[..cut - 1], &end)),
            ("a row cut, no end", whole[..body - 9].to_vec()),
            ("a wrong sum", file(&other, &end)),
            ("too few rows", file(&zlib(&rows[..rows.len() - 1]), &end)),
            (
                "too few rows, no end",
                file(&zlib(&rows[..rows.len() - 1]), &[]),
            ),
        ] {
            assert!(decode(&bytes).is_err(), "{name}, {interlaced}");
        }
    }
}
