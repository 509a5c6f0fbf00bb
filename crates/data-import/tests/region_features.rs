//! Published region features: each container, what it can have wrong, and what is written of it.
//!
//! One file because all containers are held against the same expectation.

use std::fs;
use std::path::{Path, PathBuf};

use data_import::{
    FeatureFormat, FeatureRequest, ImportError, Listed, Number, import_features, list_features,
};
use region_features::Store;
use serde_json::Value;

/// Rounding of the expected numbers.
const NEAR: f64 = 2e-6;

/// `AOA_FORMATS=DIR` reads the folder `features` of another one.
fn samples() -> PathBuf {
    std::env::var_os("AOA_FORMATS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/features"),
        |formats| Path::new(&formats).join("features"),
    )
}

fn request(source: &Path) -> FeatureRequest {
    FeatureRequest {
        sources: vec![source.to_owned()],
        number: Number::F32,
        ..FeatureRequest::default()
    }
}

fn list(request: &FeatureRequest) -> Result<(FeatureFormat, Vec<Listed>), ImportError> {
    let mut listed = Vec::new();
    let format = list_features(request, &|_| {}, &mut |image| listed.push(image))?;
    Ok((format, listed))
}

/// What is wrong, and the cure.
fn refused(request: &FeatureRequest) -> (String, String) {
    let error = list(request).expect_err("it is refused");
    (error.to_string(), error.hint().unwrap_or_default())
}

fn numbers(value: &Value) -> Vec<f64> {
    let numbers = value.as_array().expect("a list").iter();
    numbers
        .map(|number| number.as_f64().expect("a number"))
        .collect()
}

fn near(found: &[f32], expected: &[f64]) -> bool {
    found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(found, expected)| (f64::from(*found) - expected).abs() <= NEAR)
}

/// The number that a name ends with, without its ending.
fn id(name: &str) -> String {
    let stem = name.split('.').next().unwrap_or(name);
    stem.rsplit('_')
        .next()
        .unwrap_or(stem)
        .trim_start_matches('0')
        .to_owned()
}

/// Each image of the expected list is found with its boxes and features, and no other.
fn check(folder: &str, only: Option<&str>, source: &str, format: FeatureFormat) {
    let text = fs::read_to_string(samples().join(folder).join("expected.json")).expect("a list");
    let expected: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let of_file = |entry: &&Value| {
        only.is_none_or(|only| entry["file"].as_str().expect("a file").starts_with(only))
    };
    let expected: Vec<_> = expected.iter().filter(of_file).collect();
    let (found_format, listed) =
        list(&request(&samples().join(folder).join(source))).expect("it is read");
    assert_eq!(found_format, format, "{source}");
    assert_eq!(listed.len(), expected.len(), "{source}");
    for entry in expected {
        let image = id(entry["image"].as_str().expect("an image"));
        let found = listed.iter().find(|found| id(&found.image) == image);
        let found = found.unwrap_or_else(|| panic!("{source}: {image} is not there"));
        assert_eq!(
            found.regions as u64,
            entry["regions"].as_u64().expect("regions")
        );
        assert_eq!(
            found.channels as u64,
            entry["channels"].as_u64().expect("channels")
        );
        if let Some(width) = found.width {
            let size = [width, found.height.expect("both or none")];
            let expected = ["width", "height"].map(|side| entry[side].as_f64().expect("a side"));
            assert_eq!(
                size.map(f64::to_bits),
                expected.map(f64::to_bits),
                "{source}: {image}: {size:?}"
            );
        }
        let boxes = entry["boxes"].as_array().expect("boxes");
        assert_eq!(found.boxes.len(), boxes.len());
        for (found, expected) in found.boxes.iter().zip(boxes) {
            assert!(
                near(found, &numbers(expected)),
                "{source}: {image}: {found:?} {expected}"
            );
        }
        assert!(
            near(&found.features_row_0, &numbers(&entry["features_row_0"])),
            "{source}: {image}"
        );
        assert!(
            near(
                &found.features_last_row,
                &numbers(&entry["features_last_row"])
            ),
            "{source}: {image}"
        );
        let sum = entry["features_sum"].as_f64().expect("a sum");
        assert!((found.features_sum - sum).abs() < 1e-5, "{source}: {image}");
    }
}

#[test]
fn every_container_has_the_regions_it_was_made_of() {
    for (folder, only, source, format) in [
        (
            "butd_tsv",
            Some("trainval"),
            "trainval_resnet101_faster_rcnn_genome_36.tsv",
            FeatureFormat::ButdTsv,
        ),
        (
            "butd_tsv",
            Some("karpathy"),
            "karpathy_train_resnet101_faster_rcnn_genome.tsv.0",
            FeatureFormat::ButdTsv,
        ),
        ("lxmert_tsv", None, "", FeatureFormat::LxmertTsv),
        ("butd_hdf5", None, "", FeatureFormat::ButdHdf5),
        ("butd_hdf5", None, "train36.hdf5", FeatureFormat::ButdHdf5),
        ("adaptive_hdf5", None, "", FeatureFormat::AdaptiveHdf5),
        (
            "npz",
            Some("channels_first"),
            "channels_first",
            FeatureFormat::Npz,
        ),
        (
            "npz",
            Some("boxes_first"),
            "boxes_first",
            FeatureFormat::Npz,
        ),
        ("mmf_npy", None, "", FeatureFormat::MmfNpy),
        ("mmf_lmdb", None, "", FeatureFormat::MmfLmdb),
        (
            "mmf_lmdb",
            None,
            "trainval2014.lmdb",
            FeatureFormat::MmfLmdb,
        ),
        (
            "mmf_lmdb",
            None,
            "trainval2014.lmdb/data.mdb",
            FeatureFormat::MmfLmdb,
        ),
    ] {
        check(folder, only, source, format);
    }
}

#[test]
fn a_file_is_written_whole_and_read_at_random() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = samples().join("adaptive_hdf5");
    let (_, listed) = list(&request(&source)).expect("it is read");
    for number in [Number::F32, Number::F16] {
        let mut request = request(&source);
        request.to = folder.path().join(format!("{number:?}"));
        request.number = number;
        let report = import_features(&request, &|_| {}).expect("it is imported");
        assert_eq!(
            report.written,
            request.to.join("features/adaptive_hdf5.regions")
        );
        assert_eq!(
            (report.images, report.regions, report.fewest, report.most),
            (3, 10, 2, 5)
        );
        let store = Store::open(&report.written).expect("a whole file");
        for image in &listed {
            let name = format!("train2014/COCO_train2014_{:0>12}.jpg", image.image);
            let block = store
                .read(store.find(&name).expect("by its number"))
                .expect("whole");
            assert_eq!(block.rows, image.regions);
            assert_eq!(block.boxes.as_chunks::<6>().0, image.boxes);
            let exact = number == Number::F32;
            for (kept, read) in block.features.iter().zip(&image.features_row_0) {
                assert!((kept - read).abs() <= if exact { 0.0 } else { read.abs() / 2000.0 });
            }
        }
        // A second time, nothing is overwritten.
        assert!(matches!(
            import_features(&request, &|_| {}),
            Err(ImportError::Features(_))
        ));
    }
}

/// A line of bottom-up attention.
fn line(image: &str, size: [&str; 2], count: usize, boxes: &[f32], features: &[f32]) -> String {
    use base64::Engine;
    let encode = |numbers: &[f32]| {
        let bytes: Vec<u8> = numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        base64::engine::general_purpose::STANDARD.encode(bytes)
    };
    let (boxes, features) = (encode(boxes), encode(features));
    format!(
        "{image}\t{}\t{}\t{count}\t{boxes}\t{features}\r\n",
        size[0], size[1]
    )
}

const BOX: [f32; 4] = [1.0, 2.0, 5.0, 6.0];

#[test]
fn lines_say_what_is_wrong_with_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.tsv");
    let good = line("1", ["10", "20"], 1, &BOX, &[1.0, 2.0]);
    let two = [BOX, [0.0; 4]].concat();
    for (bad, expected) in [
        (
            line("2", ["0", "20"], 1, &BOX, &[1.0, 2.0]),
            "0 x 20 pixels",
        ),
        (
            line("2", ["-3", "20"], 1, &BOX, &[1.0, 2.0]),
            "-3 x 20 pixels",
        ),
        (
            line("2", ["wide", "20"], 1, &BOX, &[1.0, 2.0]),
            "the width of the image is `wide`",
        ),
        (
            line("2", ["10", "20"], 0, &[], &[]),
            "image `2` has 0 regions",
        ),
        (
            line("2", ["10", "20"], 2, &BOX, &[1.0, 2.0]),
            "the boxes of 2 regions have 4 numbers instead of 8",
        ),
        (
            line("2", ["4", "20"], 1, &BOX, &[1.0, 2.0]),
            "the right edge is 1.25 as a fraction of an image of 4 x 20 pixels",
        ),
        (
            line("2", ["10", "20"], 1, &[5.0, 2.0, 1.0, 6.0], &[1.0, 2.0]),
            "region 0: the box is inverted: its left, top, right and bottom edges are 5, 2, 1 and 6",
        ),
        (
            line("2", ["10", "20"], 1, &[1.0, 9.0, 5.0, 6.0], &[1.0, 2.0]),
            "region 0: the box is inverted",
        ),
        (
            line("2", ["10", "20"], 1, &BOX, &[1.0, f32::NAN]),
            "region 0: a feature is NaN",
        ),
        (
            line("2", ["10", "20"], 2, &two, &[1.0, 2.0, 3.0]),
            "the features of 2 regions have 3 numbers, which do not divide evenly",
        ),
        (
            line("2", ["10", "20"], 1, &BOX, &[1.0, 2.0, 3.0]),
            "3 features, and those before have 2",
        ),
        (
            line("1", ["10", "20"], 1, &BOX, &[1.0, 3.0]),
            "image `1` has other regions than in",
        ),
        (
            "2\t10\t20\t1\tAAAA".to_owned(),
            "it has 5 columns instead of 6",
        ),
        (
            "2\t10\t20\t1\tAA*A\tAAAA\n".to_owned(),
            "the boxes are no base64",
        ),
        (good[..good.len() - 3].replacen('1', "2", 1), "base64"),
    ] {
        fs::write(&path, format!("{good}{bad}")).expect("a file");
        let mut asked = request(&path);
        asked.to = folder.path().join("data");
        let error = import_features(&asked, &|_| {}).expect_err(expected);
        let message = error.to_string();
        assert!(message.contains(expected), "{message}");
        assert!(message.contains("a.tsv`, line 2"), "{message}");
        assert!(error.hint().is_some(), "{message}");
        assert!(
            !asked.to.join("features").exists(),
            "{expected}: nothing is left"
        );
    }
}

/// The first line has no other to take the number of features from.
#[test]
fn an_image_without_regions_is_told_apart_from_a_file_that_is_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.tsv");
    let none = line("9", ["10", "20"], 0, &[], &[]);
    fs::write(&path, format!("{none}\n")).expect("a file");
    let (problem, cure) = refused(&request(&path));
    assert!(
        problem.ends_with("line 1: image `9` has 0 regions"),
        "{problem}"
    );
    assert!(cure.starts_with("leave the image out"), "{cure}");
    let inverted = line("9", ["10", "20"], 1, &[5.0, 2.0, 1.0, 6.0], &[1.0, 2.0]);
    fs::write(&path, format!("{inverted}\n")).expect("a file");
    let (_, cure) = refused(&request(&path));
    assert!(
        !cure.contains("exchanged") && cure.contains("width and height"),
        "{cure}"
    );
}

#[test]
fn padding_is_not_read_and_repeated_lines_are_read_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("b.tsv.0");
    let header = "image_id\timage_w\timage_h\tnum_boxes\tboxes\tfeatures\n";
    let padded = [BOX, [99.0; 4]].concat();
    let text = [
        header.to_owned(),
        line("1", ["10", "20"], 1, &padded, &[1.0, 2.0, f32::NAN, 0.0]),
        line("2", ["10", "20"], 1, &BOX, &[3.0, 4.0, 9.0, 9.0, 9.0, 9.0]),
        line("1", ["10", "20"], 1, &BOX, &[1.0, 2.0]),
    ];
    fs::write(&path, text.concat()).expect("a file");
    let mut asked = request(&path);
    asked.to = folder.path().to_owned();
    let report = import_features(&asked, &|_| {}).expect("it is imported");
    assert_eq!(
        (
            report.images,
            report.regions,
            report.channels,
            report.repeated
        ),
        (2, 2, 2, 1)
    );
    assert_eq!(report.written, folder.path().join("features/b.regions"));
}

#[test]
fn what_is_no_file_of_features_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    for (name, content, expected) in [
        ("a.tsv", pointer, "Git LFS pointer"),
        ("a.hdf5", "<!DOCTYPE html>\n<html>", "HTML page"),
        ("a.npz", "", "empty"),
        ("a.tsv", "one line of text", "no region features"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("a file");
        for source in [&path, folder.path()] {
            let (message, cure) = refused(&request(source));
            assert!(
                message.contains(expected) && message.contains(name),
                "{message}"
            );
            assert!(!cure.is_empty(), "{message}");
        }
        fs::remove_file(&path).expect("it was there");
    }
    let (message, _) = refused(&request(folder.path()));
    assert!(message.contains("no file of region features"), "{message}");
    let mut two = request(&samples().join("butd_tsv"));
    two.sources.push(samples().join("lxmert_tsv"));
    let (message, cure) = refused(&two);
    assert!(message.contains("two layouts"), "{message}");
    assert!(cure.contains("--format"), "{cure}");
}

#[test]
fn rows_of_hdf5_need_their_index() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("train36.hdf5");
    fs::copy(samples().join("butd_hdf5/train36.hdf5"), &path).expect("a copy");
    let (message, cure) = refused(&request(&path));
    assert!(message.contains("train36_imgid2idx.pkl"), "{message}");
    assert!(cure.contains("beside"), "{cure}");
    let index = folder.path().join("train36_imgid2idx.pkl");
    // Two images of one row; a row that is not there; an image without a row; a call.
    for (pickle, expected) in [
        (
            &b"\x80\x03}(K\x01K\x00K\x02K\x00K\x03K\x01u."[..],
            "row 0 is image `1` and image `2`",
        ),
        (
            b"\x80\x03}(K\x01K\x00K\x02K\x01K\x03K\x03u.",
            "image `3` has row 3",
        ),
        (b"\x80\x03}(K\x01K\x00K\x02K\x01u.", "no image has row 2"),
        (
            include_bytes!("features/calls_print.pkl"),
            "nothing was run",
        ),
    ] {
        fs::write(&index, pickle).expect("a pickle");
        let (message, _) = refused(&request(&path));
        assert!(message.contains(expected), "{message}");
        assert!(message.contains("imgid2idx.pkl"), "{message}");
    }
}

#[test]
fn pickles_name_arrays_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = "COCO_train2014_000000000009";
    let copy = |ending: &str| {
        let file = format!("{name}{ending}.npy");
        let path = folder.path().join(&file);
        fs::copy(samples().join("mmf_npy").join(file), &path).expect("a copy");
        path
    };
    let (features, info) = (copy(""), copy("_info"));
    list(&request(folder.path())).expect("both are there");
    let whole = fs::read(&info).expect("a dictionary");
    let replaced = |old: &[u8], new: &[u8]| {
        let at = whole
            .windows(old.len())
            .position(|part| part == old)
            .expect("it is there");
        [&whole[..at], new, &whole[at + old.len()..]].concat()
    };
    for (content, expected) in [
        (replaced(b"_reconstruct", b"_frombuffers"), "_frombuffers"),
        (replaced(b"\x8c\x05dtype", b"\x8c\x05tuple"), "numpy.tuple"),
        (
            replaced(b"image_width", b"image_wider"),
            "has no `image_width`",
        ),
    ] {
        fs::write(&info, content).expect("a dictionary");
        let (message, _) = refused(&request(folder.path()));
        assert!(message.contains(expected), "{message}");
    }
    // The height is the width, as in files that were taken out of an LMDB.
    fs::write(
        &info,
        replaced(b"image_height\x94K\x30", b"image_height\x94K\x40"),
    )
    .expect("a dictionary");
    let mut square = request(folder.path());
    let (message, cure) = refused(&square);
    assert!(message.contains("1 image, all square"), "{message}");
    assert!(cure.contains("--square-images"), "{cure}");
    square.square = true;
    list(&square).expect("it was said");
    fs::remove_file(&features).expect("it was there");
    let (message, _) = refused(&square);
    assert!(
        message.contains("the file of its features is missing"),
        "{message}"
    );
}

#[test]
fn which_side_of_a_square_array_is_which_must_be_said() {
    let folder = tempfile::tempdir().expect("a folder");
    for (first, format) in [
        ("channels_first", FeatureFormat::NpzChannelsFirst),
        ("boxes_first", FeatureFormat::NpzBoxesFirst),
    ] {
        let mut asked = request(&samples().join("npz").join(first));
        asked.format = Some(format);
        list(&asked).expect("as it was said");
    }
    // An archive with a square `x`: made of its parts, stored.
    let array = |code: &str, shape: &str, bytes: &[u8]| {
        let header = format!("{{'descr': '{code}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut all = b"\x93NUMPY\x01\x00".to_vec();
        all.extend((header.len() as u16).to_le_bytes());
        [&all[..], header.as_bytes(), bytes].concat()
    };
    let floats = |numbers: &[f32]| {
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect::<Vec<_>>()
    };
    let entries = [
        ("x", array("<f4", "(2, 2)", &floats(&[1.0, 2.0, 3.0, 4.0]))),
        (
            "bbox",
            array("<f4", "(2, 4)", &floats(&[BOX, BOX].concat())),
        ),
        ("num_bbox", array("<i8", "()", &2_i64.to_le_bytes())),
        ("image_w", array("<i8", "()", &10_i64.to_le_bytes())),
        ("image_h", array("<i8", "()", &20_i64.to_le_bytes())),
    ];
    let path = folder.path().join("7.npz");
    fs::write(&path, stored(&entries)).expect("an archive");
    let mut asked = request(&path);
    let (message, cure) = refused(&asked);
    assert!(
        message.contains("either side may be that of its 2 regions"),
        "{message}"
    );
    assert!(cure.contains("npz-channels-first"), "{cure}");
    asked.format = Some(FeatureFormat::NpzChannelsFirst);
    let (_, listed) = list(&asked).expect("it was said");
    assert_eq!(
        (listed[0].image.as_str(), &listed[0].features_row_0[..]),
        ("7", &[1.0, 3.0][..])
    );
}

/// An archive of entries as they are.
fn stored(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let name = format!("{name}.npy");
        let mut common = [20_u16, 0, 0, 0, 0].map(u16::to_le_bytes).concat();
        common.extend(crc32fast::hash(content).to_le_bytes());
        common.extend([content.len() as u32; 2].map(u32::to_le_bytes).concat());
        common.extend([name.len() as u16, 0].map(u16::to_le_bytes).concat());
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend((archive.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        archive.extend(b"PK\x03\x04");
        archive.extend(&common);
        archive.extend(name.as_bytes());
        archive.extend(content);
    }
    let start = archive.len() as u32;
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend([entries.len() as u16; 2].map(u16::to_le_bytes).concat());
    archive.extend((directory.len() as u32).to_le_bytes());
    archive.extend(start.to_le_bytes());
    archive.extend([0, 0]);
    archive
}

#[test]
fn damaged_files_are_errors_and_end_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let index = |source: &str, to: &str| {
        fs::copy(samples().join(source), folder.path().join(to)).expect("a copy");
    };
    index("butd_hdf5/train36_imgid2idx.pkl", "train36_imgid2idx.pkl");
    index("adaptive_hdf5/train_imgid2idx.pkl", "train_imgid2idx.pkl");
    for (source, every) in [
        ("butd_tsv/trainval_resnet101_faster_rcnn_genome_36.tsv", 7),
        ("butd_hdf5/train36.hdf5", 11),
        ("adaptive_hdf5/train.hdf5", 11),
        ("npz/boxes_first/9.npz", 7),
        ("npz/channels_first/COCO_train2014_000000000009.jpg.npz", 7),
        ("mmf_lmdb/trainval2014.lmdb/data.mdb", 61),
    ] {
        let source = samples().join(source);
        let path = folder.path().join(source.file_name().expect("a file"));
        let whole = fs::read(&source).expect("a sample");
        for end in (0..whole.len()).step_by(every) {
            fs::write(&path, &whole[..end]).expect("a file");
            if let Ok((_, listed)) = list(&request(&path)) {
                // A file of lines that is cut between two lines is one of fewer images.
                let between = whole[..end].ends_with(b"\n") || whole[end..].starts_with(b"\r");
                let between = between || whole[end..].starts_with(b"\n");
                assert!(between && !listed.is_empty(), "{}: {end}", path.display());
            }
        }
        for at in (0..whole.len()).step_by(every) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x41;
            fs::write(&path, &flipped).expect("a file");
            // Most containers have no checksums: what matters is that reading ends.
            let _ = list(&request(&path));
        }
        fs::remove_file(&path).expect("it was there");
    }
}

#[test]
fn a_failed_import_leaves_no_folder_that_it_made() {
    let place = tempfile::tempdir().expect("a folder");
    let entries = fs::read_dir(samples().join("butd_tsv")).expect("a folder");
    let mut files = entries.map(|entry| entry.expect("an entry").path());
    let whole = files.find(|path| path.extension().is_some_and(|ending| ending == "tsv"));
    let whole = fs::read(whole.expect("a file")).expect("features");
    let source = place.path().join("features.tsv");
    fs::write(&source, &whole[..whole.len() - 9]).expect("written");
    let kept = place.path().join("kept");
    fs::create_dir_all(kept.join("features")).expect("a folder");
    let to = |to: PathBuf| FeatureRequest {
        sources: vec![source.clone()],
        to,
        ..FeatureRequest::default()
    };
    for folder in [place.path().join("a/b"), kept.clone()] {
        let error = import_features(&to(folder), &|_| {}).expect_err("it is cut");
        assert!(!matches!(error, ImportError::Write { .. }), "{error}");
    }
    assert!(!place.path().join("a").exists());
    let left = fs::read_dir(kept.join("features")).expect("the folder stays");
    assert_eq!(left.count(), 0);
    // A file stands for a folder that cannot be written.
    fs::write(place.path().join("file"), "").expect("written");
    let error = import_features(&to(place.path().join("file/x")), &|_| {});
    let error = error.expect_err("it cannot be written");
    assert!(matches!(error, ImportError::Write { .. }), "{error}");
}
