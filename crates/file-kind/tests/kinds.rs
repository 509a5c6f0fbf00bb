//! What files begin with, and what they are recognised as.

use file_kind::{FileKind, LONGEST_START};

/// Bytes whose first ones are given; as many follow as a file usually has.
fn begins(start: &[u8]) -> Vec<u8> {
    let mut bytes = start.to_vec();
    bytes.extend((0..2000u32).map(|i| (i * 37 + 11) as u8 | 1));
    bytes
}

/// A header of a TAR archive whose checksum holds.
fn tar(name: &str, magic: &[u8]) -> Vec<u8> {
    let mut header = vec![0u8; 1024];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..107].copy_from_slice(b"0000644");
    header[124..135].copy_from_slice(b"00000000164");
    header[257..257 + magic.len()].copy_from_slice(magic);
    header[148..156].fill(b' ');
    let sum: u32 = header[..512].iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[test]
fn magic_numbers_name_the_form() {
    use FileKind as K;
    let cases: &[(&[u8], K)] = &[
        (b"\xff\xd8\xff\xe0\0\x10JFIF", K::Jpeg),
        (b"\x89PNG\r\n\x1a\n", K::Png),
        (b"RIFF\x24\0\0\0WEBPVP8 ", K::WebP),
        (b"RIFF\x24\0\0\0AVI LIST", K::Video),
        (b"GIF89a\x30\0", K::Gif),
        (b"GIF87a\x30\0", K::Gif),
        (b"BM\xb6\x16\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", K::Bmp),
        (b"BM\xb6\x16\0\0\0\0\0\0\x1a\0\0\0\x0c\0\0\0", K::Bmp),
        (b"II\x2a\0\x08\0\0\0", K::Tiff),
        (b"MM\0\x2a\0\0\0\x08", K::Tiff),
        (b"II\x2b\0\x08\0\0\0", K::BigTiff),
        (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miaf", K::Avif),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif\0\0\0\0", K::Avif),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", K::Heic),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", K::Heic),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", K::Video),
        (b"\0\0\0\x0cjP  \r\n\x87\n", K::Jpeg2000),
        (b"\xff\x4f\xff\x51\0\x2f", K::Jpeg2000),
        (b"\0\0\0\x0cJXL \r\n\x87\n", K::JpegXl),
        (b"\xff\x0a\xfa\x7f", K::JpegXl),
        (b"II\xbc\x01", K::JpegXr),
        (b"8BPS\0\x01", K::Psd),
        (b"\0\0\x01\0\x01\0", K::Ico),
        (b"P6\n48 40\n255\n", K::Pnm),
        (b"\x1aE\xdf\xa3", K::Video),
        (b"\x1f\x8b\x08\0", K::Gzip),
        (b"BZh91AY&SY", K::Bzip2),
        (b"\xfd7zXZ\0\0", K::Xz),
        (b"\x28\xb5\x2f\xfd", K::Zstd),
        (b"\x04\x22\x4d\x18", K::Lz4),
        (b"PK\x03\x04\x14\0", K::Zip),
        (b"7z\xbc\xaf\x27\x1c", K::SevenZip),
        (b"Rar!\x1a\x07\x01\0", K::Rar),
        (b"\x89HDF\r\n\x1a\n", K::Hdf5),
        (b"\x93NUMPY\x01\0", K::NumPy),
        (b"GGUF\x03\0", K::Gguf),
        (b"PAR1\x15", K::Parquet),
        (b"SQLite format 3\0", K::Sqlite),
        (b"%PDF-1.7\n", K::Pdf),
        (b"\0\x05\x16\x07\0\x02\0\0Mac OS X", K::AppleDouble),
        (
            b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",
            K::TorchLegacy,
        ),
        (b"\x80\x02}q\0(X", K::Pickle),
        (b"\x80\x03ccollections\n", K::Pickle),
        (b"\x80\x04\x95\x10\0\0\0\0\0\0\0", K::Pickle),
        (b"\x40\0\0\0\0\0\0\0{\"a\":", K::Safetensors),
        (b"nothing\x01 known", K::Unknown),
        (b"\xff\xd9\x01\x02", K::Unknown),
    ];
    for (start, expected) in cases {
        let shown = String::from_utf8_lossy(start).into_owned();
        assert_eq!(FileKind::of(&begins(start)), *expected, "{shown}");
    }
}

#[test]
fn text_is_told_by_what_it_says() {
    use FileKind as K;
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:01ba\nsize 48213\n";
    let cases = [
        (pointer, K::GitLfsPointer),
        ("<!DOCTYPE html>\n<html>", K::Html),
        ("\n\n  <HTML lang=en>", K::Html),
        ("<!-- saved -->\n<html>", K::Html),
        ("<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC", K::Html),
        ("<head><title>404</title>", K::Html),
        ("<body>no</body>", K::Html),
        ("<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey", K::Xml),
        ("<Error>denied</Error>", K::Xml),
        ("<?xml version=\"1.0\"?>\n<svg xmlns=", K::Svg),
        ("{\"error\": \"rate limit\"}", K::Json),
        ("[1, 2]", K::Json),
        (
            "{\n  \"metadata\": {\"total_size\": 8},\n  \"weight_map\": {\"a\": \"model-00001-of-00002.safetensors\"}\n}",
            K::WeightIndex,
        ),
        (
            "{\"weight_map\": {\"a\": \"pytorch_model-00001-of-00002.bin\"}}",
            K::WeightIndex,
        ),
        ("404: Not Found", K::Text),
        ("没有这个文件", K::Text),
        ("BMW and P1\n", K::Text),
        ("< 5", K::Text),
    ];
    for (text, expected) in cases {
        assert_eq!(FileKind::of(text.as_bytes()), expected, "{text}");
        let marked = format!("\u{feff}{text}");
        if expected != K::GitLfsPointer {
            assert_eq!(FileKind::of(marked.as_bytes()), expected, "{marked}");
            let wide: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let expected = if text.is_ascii() {
                expected
            } else {
                FileKind::of(&wide)
            };
            assert_eq!(FileKind::of(&wide), expected, "{text} in UTF-16");
        }
    }
}

#[test]
fn a_letter_may_be_cut_where_the_bytes_end() {
    let long = "é".repeat(LONGEST_START);
    for shift in ["", "x"] {
        let text = format!("{shift}{long}");
        assert_eq!(FileKind::of(text.as_bytes()), FileKind::Text);
    }
}

#[test]
fn archives_without_a_magic_number_are_told_by_their_checksum() {
    assert_eq!(
        FileKind::of(&tar("images/a.png", b"ustar\x0000")),
        FileKind::Tar
    );
    assert_eq!(FileKind::of(&tar("images/a.png", b"")), FileKind::Tar);
    assert_eq!(
        FileKind::of(&tar("sys_info", b"ustar\x0000")),
        FileKind::TorchTar
    );
    assert_eq!(FileKind::of(&tar("pickle", b"")), FileKind::TorchTar);
    let mut wrong = tar("images/a.png", b"");
    wrong[0] ^= 1;
    assert_eq!(FileKind::of(&wrong), FileKind::Unknown);
}

#[test]
fn files_of_nothing_are_named() {
    assert_eq!(FileKind::of(&[]), FileKind::Empty);
    for length in [1, 8, 512, 5000] {
        assert_eq!(FileKind::of(&vec![0; length]), FileKind::Zeros, "{length}");
    }
    assert_eq!(FileKind::of(&[0, 0, 0, 7]), FileKind::Unknown);
}

#[test]
fn any_bytes_are_some_kind() {
    let mut state = 1u32;
    for length in 0..600 {
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        assert!(!FileKind::of(&bytes).to_string().is_empty());
    }
    // Beginnings of what is recognised, cut anywhere.
    for whole in [
        tar("sys_info", b"ustar"),
        begins(b"\0\0\0\x20ftypavif"),
        begins(b"RIFF"),
    ] {
        for length in 1..whole.len().min(600) {
            assert!(!FileKind::of(&whole[..length]).to_string().is_empty());
        }
    }
}

#[test]
fn a_kind_says_what_it_is_and_what_to_do() {
    let said = |kind: FileKind| (kind.to_string(), kind.cure());
    assert_eq!(
        said(FileKind::GitLfsPointer),
        (
            "a Git LFS pointer".to_owned(),
            Some("`git lfs pull` gets the file")
        )
    );
    let (name, cure) = said(FileKind::TorchTar);
    assert!(name.contains("TAR form of PyTorch before 0.1.10"), "{name}");
    assert!(cure.is_some_and(|cure| cure.contains("`torch.load`")));
    assert_eq!(FileKind::Png.cure(), None);
    assert!(FileKind::Avif.is_image() && !FileKind::Zip.is_image());
}
