//! Every variant of PNG and JPEG the decoder must read, and bytes it must refuse without a panic.

use std::fs;
use std::path::{Path, PathBuf};

use data_pipeline::{ExifOrientation, ImageError, MAX_PIXELS, RgbImage};
use proptest::prelude::*;

fn file(name: &str) -> Vec<u8> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    fs::read(folder.join(name)).expect("fixture")
}

fn decode(bytes: &[u8]) -> Result<RgbImage, ImageError> {
    RgbImage::decode(bytes, ExifOrientation::Apply).map(|decoded| decoded.image)
}

/// The pixels `make.py` draws.
fn check_png(name: &str, pixel: impl Fn(usize, usize) -> [usize; 3]) {
    let image = decode(&file(&format!("{name}.png"))).expect(name);
    assert_eq!((image.width, image.height), (9, 5), "{name}");
    let expected: Vec<u8> = (0..5)
        .flat_map(|y| (0..9).flat_map(|x| pixel(x, y)).collect::<Vec<_>>())
        .map(|level| u8::try_from(level).expect("a level"))
        .collect();
    assert_eq!(image.pixels, expected, "{name}");
}

#[test]
fn every_png_variant_becomes_rgb() {
    let rgb = |x, y| [x * 28, y * 60, (x * 7 + y * 31) % 256];
    for name in ["rgb", "rgb_interlaced", "rgb_16", "rgba", "rgba_16"] {
        check_png(name, rgb);
    }
    let gray = |x, y| [x * 25 + y * 5; 3];
    for name in ["gray", "gray_16", "gray_alpha", "gray_alpha_16"] {
        check_png(name, gray);
    }
    check_png("gray_1", |x, y| [(x + y) % 2 * 255; 3]);
    let palette = |x, y| {
        let i = (x + y) % 16;
        [i * 16, 255 - i * 16, i * 5]
    };
    for name in ["palette_4", "palette_8", "palette_alpha"] {
        check_png(name, palette);
    }
}

/// Decoders may differ in the rounding of the transform and in how they smooth halved colour planes.
#[test]
fn every_jpeg_variant_becomes_rgb() {
    for (name, tolerance) in [
        ("gray", 1),
        ("rgb_444", 2),
        ("rgb_420", 4),
        ("progressive", 4),
        ("cmyk", 2),
    ] {
        let image = decode(&file(&format!("{name}.jpg"))).expect(name);
        assert_eq!((image.width, image.height), (37, 21), "{name}");
        let expected = file(&format!("{name}.rgb"));
        assert_eq!(image.pixels.len(), expected.len(), "{name}");
        let pairs = image.pixels.iter().zip(&expected);
        let worst = pairs.map(|(a, b)| a.abs_diff(*b)).max().expect("pixels");
        assert!(worst <= tolerance, "{name}: a level is off by {worst}");
    }
}

#[test]
fn other_formats_are_refused() {
    for bytes in [&b""[..], b"text", b"\x89P", b"\xff", b"BM....", &[0; 100]] {
        let refused = decode(bytes);
        assert!(
            matches!(refused, Err(ImageError::Foreign { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn truncated_images_are_refused() {
    for name in ["rgb.png", "gray.png", "rgb_444.jpg", "gray.jpg", "cmyk.jpg"] {
        let bytes = file(name);
        for percent in [10, 50, 70, 90, 99] {
            // Of a small PNG nothing but checksum and end marker are missing then, without which it can be read.
            if percent >= 90 && name.ends_with("png") {
                continue;
            }
            let part = &bytes[..bytes.len() * percent / 100];
            let refused = decode(part);
            assert!(
                matches!(refused, Err(ImageError::Truncated { bytes, .. }) if bytes == part.len()),
                "{name}, {percent} %: {refused:?}"
            );
        }
    }
}

/// A header that promises more pixels than are allowed is refused before anything is allocated for them.
#[test]
fn too_many_pixels_are_refused() {
    let mut png = file("rgb.png");
    png[16..24].copy_from_slice(&[0, 0, 0x80, 0, 0, 0, 0x80, 0]);
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());

    let mut jpeg = file("rgb_444.jpg");
    let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]);
    let size = frame.expect("a baseline frame") + 5;
    jpeg[size..size + 4].copy_from_slice(&[0x80, 0, 0x80, 0]);

    for bytes in [png, jpeg] {
        let refused = decode(&bytes);
        let (width, height, limit) = match refused {
            Err(ImageError::TooLarge {
                width,
                height,
                limit,
            }) => (width, height, limit),
            other => panic!("{other:?}"),
        };
        assert_eq!((width, height, limit), (0x8000, 0x8000, MAX_PIXELS));
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1))
        })
    })
}

#[test]
fn the_same_size_keeps_the_pixels() {
    let image = decode(&file("rgb.png")).expect("a whole PNG");
    assert_eq!(image.clone().resize(9, 5).expect("a size"), image);
}

#[test]
fn an_even_image_stays_even_at_any_size() {
    let image = RgbImage {
        width: 7,
        height: 90,
        pixels: [200, 100, 3].repeat(7 * 90),
    };
    for (width, height) in [(1, 1), (7, 33), (16, 90), (64, 64), (3, 200)] {
        let resized = image.clone().resize(width, height).expect("a size");
        assert_eq!(
            resized.pixels,
            [200, 100, 3].repeat(width * height),
            "{width} x {height}"
        );
    }
}

#[test]
fn impossible_sizes_are_refused() {
    let image = decode(&file("rgb.png")).expect("a whole PNG");
    for (width, height) in [(0, 5), (9, 0), (0, 0)] {
        let refused = image.clone().resize(width, height);
        assert!(matches!(refused, Err(ImageError::Resize { .. })));
    }
    let refused = image.resize(1 << 14, 1 << 14);
    assert!(matches!(refused, Err(ImageError::TooLarge { .. })));
}

const WHOLE: [&str; 18] = [
    "gray.png",
    "gray_1.png",
    "gray_16.png",
    "gray_alpha.png",
    "gray_alpha_16.png",
    "palette_4.png",
    "palette_8.png",
    "palette_alpha.png",
    "rgb.png",
    "rgb_16.png",
    "rgb_interlaced.png",
    "rgba.png",
    "rgba_16.png",
    "gray.jpg",
    "rgb_444.jpg",
    "rgb_420.jpg",
    "progressive.jpg",
    "cmyk.jpg",
];

/// Sets the checksums of a PNG's chunks right again, so that damage gets past them.
fn mend(png: &mut [u8]) {
    let mut at = 8;
    while let Some(head) = png.get(at..at + 4) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some(chunk) = at
            .checked_add(8 + length)
            .and_then(|end| png.get(at + 4..end))
        else {
            return;
        };
        let crc = crc32(chunk).to_be_bytes();
        let Some(place) = png.get_mut(at + 8 + length..at + 12 + length) else {
            return;
        };
        place.copy_from_slice(&crc);
        at += 12 + length;
    }
}

/// Whatever it says, it must not panic, and what it accepts must have the size it states.
fn survives(bytes: &[u8]) {
    if let Ok(image) = decode(bytes) {
        assert_eq!(image.pixels.len(), image.width * image.height * 3);
        assert!(image.width * image.height <= MAX_PIXELS);
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(
        start in prop::sample::select(vec![&b""[..], b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]),
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        survives(&[start, &rest].concat());
    }

    #[test]
    fn damaged_images_never_panic(
        name in prop::sample::select(WHOLE.to_vec()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        keep in prop::option::of(any::<prop::sample::Index>()),
        mended in any::<bool>(),
    ) {
        let mut bytes = file(name);
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if mended && bytes.starts_with(b"\x89PNG") {
            mend(&mut bytes);
        }
        if let Some(keep) = keep {
            bytes.truncate(keep.index(bytes.len()));
        }
        survives(&bytes);
    }
}

/// A chunk of a PNG.
fn chunk(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let body = [&kind[..], content].concat();
    let length = (content.len() as u32).to_be_bytes();
    [&length[..], &body, &crc32(&body).to_be_bytes()].concat()
}

/// A PNG of two pixels, 0 and 1, with these chunks in front of its data. Pillow's pixels are the reference.
fn two_pixels(colour: u8, more: &[Vec<u8>]) -> Vec<u8> {
    let header = [0, 0, 0, 2, 0, 0, 0, 1, 8, colour, 0, 0, 0];
    // A block without compression: filter and two indices, with their checksum.
    let data = [0x78, 1, 1, 3, 0, 0xfc, 0xff, 0, 0, 1, 0, 4, 0, 2];
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(*b"IHDR", &header),
        more.concat(),
        chunk(*b"IDAT", &data),
        chunk(*b"IEND", &[]),
    ]
    .concat()
}

#[test]
fn a_palette_must_be_there_and_transparency_changes_no_colour() {
    let palette = chunk(*b"PLTE", &[255, 0, 0, 0, 255, 0]);
    let red_and_green = [255, 0, 0, 0, 255, 0];
    for more in [
        vec![palette.clone()],
        vec![palette.clone(), chunk(*b"tRNS", &[7; 5])],
        vec![palette.clone(), chunk(*b"tRNS", &[7; 300])],
        vec![chunk(*b"tRNS", &[7; 2]), palette.clone()],
    ] {
        let image = decode(&two_pixels(3, &more)).expect("an image");
        assert_eq!(image.pixels, red_and_green);
    }
    for length in [1, 2, 6] {
        let more = [chunk(*b"tRNS", &vec![0; length])];
        let image = decode(&two_pixels(0, &more)).expect("an image");
        assert_eq!(image.pixels, [0, 0, 0, 1, 1, 1]);
    }
    for more in [vec![], vec![chunk(*b"PLTE", &[])]] {
        let error = decode(&two_pixels(3, &more)).expect_err("no palette");
        assert!(error.to_string().contains("it has none"), "{error}");
    }
}

/// A TIFF of one pixel in little-endian order with these tags, each of one number of 16 bits.
fn tiff_with(tags: &[(u16, u16)]) -> Vec<u8> {
    let plain = [
        (256, 1),
        (257, 1),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 0),
        (277, 1),
        (279, 1),
    ];
    let mut all: std::collections::BTreeMap<u16, u16> = plain.into();
    all.extend(tags.iter().copied());
    let mut bytes = b"II\x2a\0\x08\0\0\0".to_vec();
    bytes.extend((all.len() as u16).to_le_bytes());
    for (tag, value) in all {
        bytes.extend(tag.to_le_bytes());
        bytes.extend([3, 0, 1, 0, 0, 0]);
        bytes.extend(value.to_le_bytes());
        bytes.extend([0, 0]);
    }
    bytes.extend([0; 4]);
    bytes
}

#[test]
fn variants_of_tiff_are_refused_by_name() {
    assert!(decode(&tiff_with(&[])).is_ok());
    for (tags, what) in [
        (&[(259, 2)][..], "CCITT RLE (fax) compression"),
        (&[(259, 3)], "CCITT Group 3 fax compression"),
        (&[(259, 4)], "CCITT Group 4 fax compression"),
        (&[(259, 6)], "JPEG data inside"),
        (&[(259, 7)], "JPEG data inside"),
        (&[(259, 34925)], "LZMA compression"),
        (&[(259, 50000)], "ZSTD compression"),
        (&[(259, 50001)], "WebP compression"),
        (&[(259, 34712)], "JPEG 2000 compression"),
        (&[(259, 34661)], "JBIG compression"),
        (&[(259, 34887)], "LERC compression"),
        (&[(259, 999)], "unknown compression 999"),
        (
            &[(262, 6), (277, 3)],
            "YCbCr colours with 3 samples a pixel",
        ),
        (
            &[(262, 8), (277, 3)],
            "CIELab colours with 3 samples a pixel",
        ),
        (
            &[(262, 5), (277, 3)],
            "CMYK or other inks with 3 samples a pixel",
        ),
        (&[(262, 2)], "RGB colours with 1 sample a pixel"),
        (&[(262, 4)], "a transparency mask"),
        (&[(262, 999)], "unknown colour kind 999"),
        (&[(339, 2)], "signed integers"),
        (&[(339, 3)], "floating-point numbers"),
        (&[(317, 3)], "the floating-point predictor"),
        (&[(317, 9)], "unknown predictor 9"),
    ] {
        let error = decode(&tiff_with(tags)).expect_err(what).to_string();
        assert!(error.contains(what), "{tags:?}: {error}");
        assert!(
            !error.contains("kind 6") && !error.contains("compression 4"),
            "{error}"
        );
    }
}
