//! Image files of every kind: each decodes to its reference, made with Pillow, or is refused by name.
//!
//! `AOA_CASES=DIR cargo test -p data-pipeline --test image_cases` walks the cases of another folder as well.
//!
//! One file because all tests take their images and comparisons from its top.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use data_pipeline::{
    DataError, Decoded, Encoder, ExifOrientation, ImageError, ImageHeader, ImageWarning, RgbImage,
    Shapes, ShapesConfig, Split,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    file: String,
    reference: Option<String>,
    #[serde(default)]
    tolerance: f64,
    /// In words; whether the file may be refused.
    #[serde(default)]
    right: String,
}

#[path = "support/cases.rs"]
mod walked;

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/images")
        .join(file)
}

fn file(name: &str) -> Vec<u8> {
    fs::read(path(name)).expect(name)
}

fn cases() -> Vec<Case> {
    let read = |name| {
        let cases: Vec<Case> = serde_json::from_slice(&file(name)).expect("a list of cases");
        cases
    };
    let mut cases = read("cases.json");
    cases.extend(read("more/cases.json"));
    assert!(cases.len() > 150, "the lists are whole");
    cases
}

fn decode(bytes: &[u8]) -> Result<Decoded, ImageError> {
    RgbImage::decode(bytes, ExifOrientation::Apply)
}

/// Cases that are refused, and what the message must say.
const REFUSED: &[(&str, &[&str])] = &[
    ("jpeg/twelve_bit.jpg", &["12-bit JPEG is not read", "save"]),
    (
        "jpeg/arithmetic.jpg",
        &[
            "arithmetic coding",
            "save the image again as an ordinary JPEG",
        ],
    ),
    ("jpeg/truncated_half.jpg", &["truncated"]),
    (
        "jpeg/truncated_half_with_eoi.jpg",
        &["truncated", "before the last row"],
    ),
    ("jpeg/only_start.jpg", &["truncated"]),
    ("jpeg/empty.jpg", &["empty file"]),
    ("png/truncated.png", &["truncated"]),
    ("png/wrong_checksum.png", &["CRC does not match"]),
    ("other/avif.jpg", &["AVIF", "convert it to PNG or JPEG"]),
    (
        "other/jpeg2000.jpg",
        &["JPEG2000", "convert it to PNG or JPEG"],
    ),
    (
        "other/html.jpg",
        &["an HTML page, most likely a failed download"],
    ),
    (
        "other/lfs_pointer.jpg",
        &["a Git LFS pointer", "`git lfs pull` gets the file"],
    ),
    ("other/json.jpg", &["JSON", "rate limit exceeded"]),
    ("other/gzip.jpg", &["compressed with gzip"]),
    ("other/zeros.jpg", &["zeros"]),
];

#[test]
fn every_file_has_the_pixels_of_its_reference_or_is_refused_by_name() {
    let refused: BTreeMap<_, _> = REFUSED.iter().copied().collect();
    let mut wrong = Vec::new();
    for case in cases() {
        let decoded = decode(&file(&case.file));
        if let Some(words) = refused.get(case.file.as_str()) {
            let message = match decoded {
                Err(error) => error.to_string(),
                Ok(_) => "decoded".to_owned(),
            };
            if !words.iter().all(|word| message.contains(word)) {
                wrong.push(format!("{}: {message}", case.file));
            }
            continue;
        }
        let reference = case.reference.expect("a case that is not refused has one");
        let expected = decode(&file(&reference)).expect("a PNG").image;
        match decoded {
            Err(error) => wrong.push(format!("{}: refused: {error}", case.file)),
            Ok(Decoded { image, .. }) => {
                // libjpeg-turbo decoded the references of JPEGs, so nothing may differ.
                let jpeg = file(&case.file).starts_with(&[0xff, 0xd8]);
                let tolerance = if jpeg { 0.0 } else { case.tolerance };
                wrong.extend(
                    unlike(&image, &expected, tolerance)
                        .map(|what| format!("{}: {what}", case.file)),
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What makes an image another than its reference.
fn unlike(image: &RgbImage, expected: &RgbImage, tolerance: f64) -> Option<String> {
    if (image.width, image.height) != (expected.width, expected.height) {
        return Some(format!("{} x {}", image.width, image.height));
    }
    let pairs = image.pixels.iter().zip(&expected.pixels);
    let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    let mean = sum as f64 / expected.pixels.len() as f64;
    (mean > tolerance).then(|| format!("mean difference {mean:.3}"))
}

/// Cases of the folder that `AOA_CASES` names: each has the pixels of its reference, or is refused where it may be.
#[test]
fn cases_of_another_folder_are_as_they_say() {
    let (folder, _) = walked::folder("images");
    let of_images = |part: &str| !["text", "weights", "pickle", "yaml"].contains(&part);
    let mut wrong = Vec::new();
    for case in walked::read::<Case>(&folder, of_images) {
        let read = |file: &str| fs::read(folder.join(file)).expect("a file of the case");
        let verdict = match (decode(&read(&case.file)), &case.reference) {
            (Err(_), _) if case.right.contains("refus") => None,
            (Err(error), _) => Some(format!("refused: {error}")),
            (Ok(_), None) => Some("decoded".to_owned()),
            (Ok(decoded), Some(reference)) => {
                let expected = decode(&read(reference)).expect("a PNG").image;
                unlike(&decoded.image, &expected, case.tolerance)
            }
        };
        wrong.extend(verdict.map(|what| format!("{}: {what}", case.file)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_cheap_look_gives_the_size_that_decoding_gives() {
    for case in cases() {
        let bytes = file(&case.file);
        let Ok(decoded) = decode(&bytes) else {
            continue;
        };
        let header = ImageHeader::read(&bytes).expect(&case.file);
        let size = (decoded.image.width, decoded.image.height);
        assert_eq!(header.size(ExifOrientation::Apply), size, "{}", case.file);
        let of_file = ImageHeader::of_file(&path(&case.file)).expect(&case.file);
        assert_eq!(of_file, header, "{}", case.file);
    }
    for (name, words) in REFUSED {
        // What is wrong with the pixels alone shows when they are decoded.
        if [
            "jpeg/truncated_half.jpg",
            "jpeg/truncated_half_with_eoi.jpg",
            "png/truncated.png",
            "png/wrong_checksum.png",
        ]
        .contains(name)
        {
            continue;
        }
        let refused = ImageHeader::read(&file(name)).expect_err(name).to_string();
        assert!(
            words.iter().all(|word| refused.contains(word)),
            "{name}: {refused}"
        );
    }
}

#[test]
fn a_long_file_is_looked_at_from_both_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let jpeg = file("jpeg/exif_orientation_6.jpg");
    let png = file("more/oriented.png");
    // A comment as long as a segment can be, before and behind what counts.
    let comment = |length: u16| {
        let mut segment = vec![0xff, 0xfe];
        segment.extend(length.to_be_bytes());
        segment.resize(usize::from(length) + 2, b'x');
        segment
    };
    let with_comments = |count: usize| {
        let comments: Vec<u8> = (0..count).flat_map(|_| comment(65_000)).collect();
        [&jpeg[..2], &comments, &jpeg[2..]].concat()
    };
    let long_behind = [jpeg.as_slice(), &vec![7; 200_000]].concat();
    let chunk = |kind: &[u8], length: usize| {
        let mut chunk = (length as u32).to_be_bytes().to_vec();
        chunk.extend(kind);
        chunk.resize(length + 12, 0);
        chunk
    };
    let long_png = [&png[..33], &chunk(b"zzZz", 100_000), &png[33..]].concat();
    for bytes in [with_comments(1), with_comments(5), long_behind, long_png] {
        let place = folder.path().join("image");
        fs::write(&place, &bytes).expect("a file");
        let whole = ImageHeader::read(&bytes).expect("an image");
        assert_eq!(
            ImageHeader::of_file(&place).expect("an image").width,
            whole.width
        );
        let cut = &bytes[..bytes.len() - 3];
        fs::write(&place, cut).expect("a file");
        let (part, whole) = (ImageHeader::of_file(&place), ImageHeader::read(cut));
        assert_eq!(part.is_err(), whole.is_err());
        if let (Ok(part), Ok(whole)) = (part, whole) {
            assert_eq!(part.warnings, whole.warnings);
        }
    }
}

#[test]
fn orientation_is_ignored_where_that_is_asked_for() {
    for name in (1..=8).map(|tag| format!("jpeg/exif_orientation_{tag}.jpg")) {
        let bytes = file(&name);
        let stored = RgbImage::decode(&bytes, ExifOrientation::Ignore)
            .expect(&name)
            .image;
        let header = ImageHeader::read(&bytes).expect(&name);
        assert_eq!((stored.width, stored.height), (header.width, header.height));
        let upright = decode(&bytes).expect(&name).image;
        let unchanged = header.orientation.value() == 1;
        assert_eq!(upright == stored, unchanged, "{name}");
        assert!(name.contains(&format!("_{}.", header.orientation.value())));
    }
}

#[test]
fn a_model_sees_images_as_the_encoder_says() {
    let config = ShapesConfig {
        seed: 1,
        images: 2,
        questions_per_image: 2,
    };
    let shapes = Shapes::new(config, Split::Train).expect("shapes");
    let mut encoder = Encoder::build(&shapes, 8, 24).expect("an encoder");
    assert_eq!(encoder.exif_orientation, ExifOrientation::Apply);
    let bytes = file("jpeg/exif_orientation_3.jpg");
    let upright = encoder.pixels(&bytes).expect("an image");
    let asked = encoder
        .ask(&bytes, &["what is it?"])
        .expect("an image")
        .images;
    assert_eq!(asked, upright);
    encoder.exif_orientation = ExifOrientation::Ignore;
    let stored = encoder.pixels(&bytes).expect("an image");
    // Turned by half a circle.
    let turned: Vec<u8> = stored.chunks_exact(3).rev().flatten().copied().collect();
    let off = turned
        .iter()
        .zip(&upright)
        .filter(|(a, b)| a.abs_diff(**b) > 1);
    assert!(stored != upright && off.count() == 0);
    assert_eq!(
        encoder
            .ask(&bytes, &["what is it?"])
            .expect("an image")
            .images,
        stored
    );
}

#[test]
fn a_folder_is_no_image_file() {
    let refused = ImageHeader::of_file(&path("jpeg"));
    assert!(
        matches!(refused, Err(DataError::NotAFile { .. })),
        "{refused:?}"
    );
    let refused = ImageHeader::of_file(&path("jpeg/html"));
    assert!(matches!(refused, Err(DataError::Io { .. })), "{refused:?}");
    let refused = ImageHeader::of_file(&path("other/html.jpg"));
    assert!(
        matches!(&refused, Err(DataError::Image { image, .. }) if image.ends_with("html.jpg")),
        "{refused:?}"
    );
}

/// The orientation segment of a JPEG, whose content `exif` changes.
fn with_exif(exif: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let jpeg = file("jpeg/exif_orientation_6.jpg");
    let at = jpeg
        .windows(4)
        .position(|part| part == b"Exif")
        .expect("EXIF");
    let length = usize::from(u16::from_be_bytes([jpeg[at - 2], jpeg[at - 1]]));
    let end = at - 2 + length;
    let mut segment = jpeg[at..end].to_vec();
    exif(&mut segment);
    let length = u16::try_from(segment.len() + 2).expect("a segment");
    [
        &jpeg[..at - 2],
        &length.to_be_bytes(),
        &segment,
        &jpeg[end..],
    ]
    .concat()
}

/// EXIF data with one entry, in either byte order.
fn tiff(big_endian: bool, kind: u16, value: u32) -> Vec<u8> {
    let short = |n: u16| {
        if big_endian {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    };
    let long = |n: u32| {
        if big_endian {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    };
    let mut bytes = b"Exif\0\0".to_vec();
    bytes.extend(if big_endian { b"MM" } else { b"II" });
    bytes.extend(short(42));
    bytes.extend(long(8));
    bytes.extend(short(1));
    bytes.extend(short(0x0112));
    bytes.extend(short(kind));
    bytes.extend(long(1));
    if kind == 3 {
        bytes.extend(short(value as u16));
        bytes.extend([0; 2]);
    } else {
        bytes.extend(long(value));
    }
    bytes.extend(long(0));
    bytes
}

#[test]
fn orientation_is_found_in_either_byte_order_and_damage_is_a_warning() {
    let expected = decode(&file("jpeg/exif_orientation_6.jpg"))
        .expect("an image")
        .image;
    for (big_endian, kind) in [(true, 3), (false, 3), (true, 4), (false, 4)] {
        let turned = decode(&with_exif(|exif| *exif = tiff(big_endian, kind, 6)));
        assert_eq!(turned.expect("an image").image, expected);
    }
    let stored = RgbImage::decode(
        &file("jpeg/exif_orientation_6.jpg"),
        ExifOrientation::Ignore,
    );
    let stored = stored.expect("an image").image;
    let upright = decode(&with_exif(|exif| *exif = tiff(false, 3, 0))).expect("an image");
    assert_eq!((&upright.image, upright.warnings.len()), (&stored, 0));
    let damaged: [fn(&mut Vec<u8>); 6] = [
        |exif| exif.truncate(6),
        |exif| exif.truncate(20),
        |exif| *exif = tiff(true, 3, 9),
        |exif| *exif = tiff(true, 7, 6),
        |exif| exif[6] = b'X',
        // The directory lies outside.
        |exif| {
            *exif = tiff(true, 3, 6);
            exif[10..14].fill(0xff);
        },
    ];
    for damage in damaged {
        let bytes = with_exif(damage);
        let decoded = decode(&bytes).expect("an image");
        assert_eq!(decoded.image, stored);
        assert_eq!(decoded.warnings, [ImageWarning::UnreadableExif]);
        let ignored = RgbImage::decode(&bytes, ExifOrientation::Ignore).expect("an image");
        assert!(ignored.warnings.is_empty());
    }
}

#[test]
fn oddities_that_leave_no_doubt_are_warnings() {
    for (name, kind) in [
        ("jpeg/no_eoi.jpg", Some("no end marker")),
        ("jpeg/half_eoi.jpg", Some("no end marker")),
        // As few as the decoder reads ahead are not seen.
        ("jpeg/stray_bytes_before_the_end.jpg", None),
        ("jpeg/stray_bytes_between_segments.jpg", Some("stray bytes")),
        ("jpeg/two_in_one_file.jpg", None),
        ("jpeg/bytes_behind_the_end.jpg", None),
        ("jpeg/fill_bytes_before_marker.jpg", None),
        ("jpeg/grey.jpg", None),
    ] {
        let warnings = decode(&file(name)).expect(name).warnings;
        let kinds: Vec<_> = warnings.iter().map(ImageWarning::kind).collect();
        assert_eq!(kinds, kind.into_iter().collect::<Vec<_>>(), "{name}");
    }
    let grey = file("jpeg/grey.jpg");
    let (data, end) = grey.split_at(grey.len() - 2);
    let stray = decode(&[data, &[0x12; 50], end].concat()).expect("an image");
    assert_eq!(stray.image, decode(&grey).expect("an image").image);
    let message = stray
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    assert!(
        message.len() == 1 && message[0].ends_with("stray bytes before the end marker"),
        "{message:?}"
    );
    // An Adobe marker with a transform that there is none of, and a JFIF marker of a version to come.
    let mut jpeg = file("jpeg/adobe_transform_1_without_jfif.jpg");
    let expected = decode(&jpeg).expect("an image").image;
    let at = jpeg
        .windows(5)
        .position(|part| part == b"Adobe")
        .expect("a marker");
    jpeg[at + 11] = 7;
    let odd = decode(&jpeg).expect("an image");
    assert_eq!(odd.image, expected);
    assert_eq!(
        odd.warnings,
        [ImageWarning::UnknownColourTransform { code: 7 }]
    );
    // A colour profile of which the second of no parts is there.
    let profile = b"\xff\xe2\x00\x12ICC_PROFILE\x00\x02\x00ab";
    let damaged = decode(&[&grey[..2], profile, &grey[2..]].concat()).expect("an image");
    assert_eq!(damaged, decode(&grey).expect("an image"));
    let mut jpeg = file("jpeg/no_eoi.jpg");
    let at = jpeg
        .windows(4)
        .position(|part| part == b"JFIF")
        .expect("a marker");
    jpeg[at + 5] = 3;
    assert_eq!(decode(&jpeg).expect("an image").warnings.len(), 1);
}
