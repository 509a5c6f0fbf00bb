//! Files of region features: what is written is read, and what is damaged is refused with its place.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use region_features::{Block, Number, Store, StoreError, Writer};
use tempfile::TempDir;

/// An image with some regions.
fn block(rows: usize, dim: usize, seed: f32) -> Block {
    Block {
        rows,
        features: (0..rows * dim).map(|at| seed + at as f32 / 8.0).collect(),
        boxes: (0..rows * 6)
            .map(|at| at as f32 / (rows * 6) as f32)
            .collect(),
    }
}

fn written(number: Number, images: &[(&str, Block)]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.regions");
    let mut writer = Writer::create(&path, number).expect("a new file");
    for (name, block) in images {
        writer.add(name, block).expect("an image");
    }
    writer.finish().expect("a whole file");
    (folder, path)
}

fn read(path: &Path, name: &str) -> Result<Block, StoreError> {
    let store = Store::open(path)?;
    store.read(store.find(name).expect("it is there"))
}

#[test]
fn images_have_as_many_regions_as_were_found() {
    let images = [
        ("b", block(5, 3, 1.0)),
        ("a", block(1, 3, 2.0)),
        ("c/d.png", block(2, 3, 3.0)),
    ];
    for number in [Number::F16, Number::F32] {
        let (_folder, path) = written(number, &images);
        let store = Store::open(&path).expect("a whole file");
        let summary = store.summary();
        assert_eq!(
            (summary.images, summary.rows, summary.fewest, summary.most),
            (3, 8, 1, 5)
        );
        for (name, block) in &images {
            assert_eq!(&read(&path, name).expect("whole"), block);
        }
        let names: Vec<_> = store
            .images()
            .map(|image| store.name(image).expect("a name"))
            .collect();
        assert_eq!(names, ["a", "b", "c/d.png"]);
        assert!(store.find("e").is_none() && store.find("").is_none());
        let partial = fs::read_dir(path.parent().expect("a folder")).expect("a folder");
        assert_eq!(partial.count(), 1, "nothing else is left");
    }
}

#[test]
fn every_cut_and_every_flipped_byte_is_found() {
    let (_folder, path) = written(
        Number::F16,
        &[("a", block(2, 3, 1.0)), ("b", block(1, 3, 2.0))],
    );
    let whole = fs::read(&path).expect("a file");
    let read_all = || -> Result<(), StoreError> {
        let store = Store::open(&path)?;
        for image in store.images() {
            store.name(image)?;
            store.read(image)?;
        }
        Ok(())
    };
    let refused = || {
        let error = read_all().expect_err("it is damaged");
        assert!(error.hint().is_some(), "{error}");
        assert!(error.to_string().contains("a.regions"), "{error}");
        error.to_string()
    };
    for end in 0..whole.len() {
        fs::write(&path, &whole[..end]).expect("a file");
        refused();
    }
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        fs::write(&path, &flipped).expect("a file");
        refused();
    }
    fs::write(&path, &whole[..whole.len() - 5]).expect("a file");
    let message = refused();
    assert!(
        message.contains(&format!("{} bytes of the {}", whole.len() - 5, whole.len())),
        "{message}"
    );
    let mut flipped = whole;
    flipped[82] ^= 1;
    fs::write(&path, flipped).expect("a file");
    let message = refused();
    assert!(
        message.contains("image `a`") && message.contains("checksum"),
        "{message}"
    );
}

#[test]
fn other_files_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.regions");
    for (content, expected) in [
        (
            &b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1\n"[..],
            "Git LFS pointer",
        ),
        (b"<!DOCTYPE html>\n<html></html>", "HTML page"),
        (b"", "an empty file"),
        (&[0; 4096], "zeros"),
    ] {
        fs::write(&path, content).expect("a file");
        let error = Store::open(&path).expect_err("something else");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.regions");
    {
        let mut writer = Writer::create(&path, Number::F16).expect("a new file");
        let busy = Writer::create(&path, Number::F16)
            .err()
            .expect("one at a time");
        assert!(matches!(busy, StoreError::Busy { .. }), "{busy}");
        writer.add("a", &block(2, 3, 1.0)).expect("an image");
        for bad in [
            block(2, 4, 1.0),
            block(0, 3, 1.0),
            Block {
                boxes: vec![0.0; 5],
                ..block(1, 3, 1.0)
            },
        ] {
            let error = writer.add("b", &bad).expect_err("it does not fit");
            assert!(matches!(error, StoreError::Unfit { .. }), "{error}");
        }
        let error = writer.add("b", &block(1, 3, 1e6)).expect_err("too large");
        assert!(error.to_string().contains("65504"), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("f32")));
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    let writer = Writer::create(&path, Number::F16).expect("a new file");
    assert!(writer.finish().is_err(), "no images");
    let mut twice = Writer::create(&path, Number::F16).expect("a new file");
    for _ in 0..2 {
        twice.add("a", &block(1, 3, 1.0)).expect("an image");
    }
    let error = twice.finish().expect_err("one name");
    assert!(error.to_string().contains("`a`"), "{error}");
    // What a killed writer left is replaced.
    fs::write(folder.path().join(".a.regions.partial"), vec![7; 5000]).expect("a file");
    let mut writer = Writer::create(&path, Number::F16).expect("a new file");
    writer.add("a", &block(1, 3, 1.0)).expect("an image");
    writer.finish().expect("whole");
    read(&path, "a").expect("whole");
    let error = Writer::create(&path, Number::F16)
        .err()
        .expect("it is there");
    assert!(matches!(error, StoreError::Occupied { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_images_are_found_again(sizes in vec(1_usize..6, 1..20), dim in 1_usize..5) {
        let named: Vec<_> = sizes.iter().enumerate().map(|(at, rows)| (format!("{at}.jpg"), block(*rows, dim, at as f32))).collect();
        let images: Vec<_> = named.iter().map(|(name, block)| (name.as_str(), block.clone())).collect();
        let (_folder, path) = written(Number::F32, &images);
        for (name, block) in &images {
            prop_assert_eq!(&read(&path, name).expect("whole"), block);
        }
    }
}
