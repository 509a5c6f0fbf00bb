//! Region features in files of many images: as many regions as each image has, found by the image's name, read whole by a check.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use data_pipeline::{
    Check, Checked, DataError, Depth, Encoder, Folder, Loader, LoaderConfig, Order, Preload,
    RegionShape, Source, Split, check, folder,
};
use region_features::{Block, Number, Writer};
use tempfile::TempDir;

use crate::support::{HOLD_OUT, SPLITS, data_set, open};

fn block(rows: usize, level: f32) -> Block {
    Block {
        rows,
        features: vec![level; rows * 3],
        boxes: vec![0.5; rows * 6],
    }
}

/// The data set with a file of many images in place of a file an image.
fn stored(images: &[(&str, Block)]) -> (TempDir, PathBuf) {
    let root = data_set();
    let features = root.path().join("features");
    fs::remove_dir_all(&features).expect("features");
    fs::create_dir(&features).expect("a folder");
    let path = features.join("all.regions");
    write(&path, images);
    (root, path)
}

fn write(path: &std::path::Path, images: &[(&str, Block)]) {
    let mut writer = Writer::create(path, Number::F32).expect("a new file");
    for (name, block) in images {
        writer.add(name, block).expect("an image");
    }
    writer.finish().expect("a whole file");
}

fn checked(folder: &Folder, depth: Depth) -> Checked {
    let asked = Check {
        splits: &[(folder, depth)],
        inputs: folder.inputs(),
        image_size: 8,
        threads: 2,
    };
    check(asked, &mut |_, _| {}).expect("threads")
}

#[test]
fn each_image_has_its_own_number_of_regions() {
    let (root, path) = stored(&[("a", block(1, 2.0)), ("b.jpg", block(3, 4.0))]);
    // Another file with an image that no split has, of which there is most to see.
    write(
        &path.with_file_name("more.regions"),
        &[("z", block(5, 1.0))],
    );
    for split in SPLITS {
        let source = open(&root, split);
        let shape = RegionShape {
            regions: 5,
            dim: 3,
            varying: true,
        };
        assert_eq!(
            source.inputs().regions,
            Some(shape),
            "every split says the same"
        );
        for (image, rows, level) in [(0, 1, 2.0), (1, 3, 4.0)] {
            let regions = source.regions(image).expect("whole");
            assert_eq!(regions.counts, [rows]);
            assert_eq!(regions.features, vec![level; rows * 3]);
        }
        let Checked { faults, files, .. } = checked(&source, Depth::Whole);
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(files, 4);
    }
    let source = Arc::new(open(&root, Split::Train));
    let encoder = Arc::new(Encoder::build(source.as_ref(), 4, 8).expect("words"));
    for preload in [Preload::Nothing, Preload::All { limit: 1 << 20 }] {
        let config = LoaderConfig {
            effective_batch: 3,
            chunk: 2,
            num_workers: 0,
            prefetch_factor: 1,
            preload,
            use_compression: false,
            shuffle: Order::Permutation { seed: 1 },
            augmentation: None,
        };
        let loader = Loader::new(source.clone(), encoder.clone(), config).expect("a loader");
        let batch = loader
            .epoch(0, 0)
            .expect("an epoch")
            .next()
            .expect("a batch")
            .expect("whole");
        for place in 0..batch.len() {
            let alone = batch.slice(place..place + 1).regions.expect("regions");
            let (rows, level) = match source.samples()[batch.samples[place]].image {
                0 => (1, 2.0),
                _ => (3, 4.0),
            };
            assert_eq!(
                (alone.counts, alone.features),
                (vec![rows], vec![level; rows * 3])
            );
        }
    }
    // Written as a data set of its own, it is read again.
    let copy = TempDir::new().expect("a folder");
    let to = copy.path().join("copy");
    let splits = SPLITS.map(|split| (split, source.as_ref() as &dyn Source));
    folder::write(&to, &splits, 10).expect("a data set");
    let again = Folder::open(&to, Split::Train, HOLD_OUT).expect("a data set");
    assert_eq!(
        again.regions(0).expect("whole"),
        source.regions(0).expect("whole")
    );
}

#[test]
fn a_missing_a_shared_and_a_damaged_image_are_named() {
    let (root, path) = stored(&[("a", block(1, 2.0))]);
    let source = open(&root, Split::Train);
    let error = source.regions(1).expect_err("it is missing");
    assert!(matches!(error, DataError::MissingRegions { .. }), "{error}");
    assert!(error.to_string().contains("sub/b.jpg"), "{error}");
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("import-features"))
    );
    for depth in [Depth::Glance, Depth::Whole] {
        let faults = checked(&source, depth).faults;
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].cure.contains("import-features"), "{faults:?}");
    }
    // A flipped byte of a feature: only reading the whole file finds it.
    let mut bytes = fs::read(&path).expect("a file");
    bytes[81] ^= 1;
    fs::write(&path, bytes).expect("a file");
    let source = open(&root, Split::Train);
    assert_eq!(checked(&source, Depth::Glance).faults.len(), 1);
    let faults = checked(&source, Depth::Whole).faults;
    let damaged = faults.iter().find(|fault| fault.cause.contains("checksum"));
    assert!(
        damaged.is_some_and(|fault| fault.cause.contains("image `a`")),
        "{faults:?}"
    );

    let (root, _) = stored(&[("9", block(1, 2.0))]);
    for split in ["train", "validation", "test"] {
        let lines = r#"{"image": "x_09.png", "question": "what is it?", "answers": ["cat"]}
{"image": "y_009.png", "question": "what is it?", "answers": ["dog"]}
"#;
        fs::write(root.path().join(format!("{split}.jsonl")), lines).expect("lines");
    }
    fs::remove_file(root.path().join("statistical_words.json")).expect("words");
    let error = Folder::open(root.path(), Split::Train, HOLD_OUT).expect_err("one entry for both");
    for word in ["x_09.png", "y_009.png", "`9`"] {
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn files_that_are_none_or_do_not_fit_together_are_named() {
    let (root, path) = stored(&[("a", block(1, 2.0)), ("b", block(1, 2.0))]);
    let wide = Block {
        rows: 1,
        features: vec![0.0; 4],
        boxes: vec![0.5; 6],
    };
    let other = path.with_file_name("other.regions");
    write(&other, &[("c", wide)]);
    let error = Folder::open(root.path(), Split::Train, HOLD_OUT).expect_err("two sizes");
    assert!(error.to_string().contains("other.regions"), "{error}");
    fs::write(
        &other,
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    )
    .expect("a file");
    let error = Folder::open(root.path(), Split::Train, HOLD_OUT).expect_err("a pointer");
    assert!(error.to_string().contains("Git LFS pointer"), "{error}");
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("git lfs pull")),
        "{error}"
    );
    fs::remove_file(other).expect("it was there");
    let nan = Block {
        features: vec![f32::NAN; 3],
        ..block(1, 0.0)
    };
    let outside = Block {
        boxes: vec![1.5; 6],
        ..block(1, 0.0)
    };
    for (bad, expected) in [
        (nan, "finite numbers"),
        (outside, "boxes as fractions of the image"),
    ] {
        fs::remove_file(&path).expect("it was there");
        write(&path, &[("a", bad), ("b", block(1, 0.0))]);
        let faults = checked(&open(&root, Split::Train), Depth::Whole).faults;
        assert!(
            faults.iter().any(|fault| fault.cause.contains(expected)),
            "{faults:?}"
        );
    }
}

#[test]
fn every_image_without_features_is_named_although_none_has_any() {
    let (root, _) = stored(&[("elsewhere", block(1, 2.0))]);
    let source = open(&root, Split::Train);
    let faults = checked(&source, Depth::Glance).faults;
    assert_eq!(faults.len(), source.image_count(), "{faults:?}");
    for fault in faults {
        assert!(fault.cure.contains("import-features"), "{fault:?}");
        assert!(!fault.file.contains("safetensors"), "{fault:?}");
    }
}

#[test]
fn files_that_hold_no_features_are_not_taken_for_a_file_an_image() {
    let (root, path) = stored(&[("a", block(1, 2.0))]);
    fs::remove_file(path).expect("removed");
    fs::write(root.path().join("features/train.tsv"), "1\t2").expect("written");
    let error = Folder::open(root.path(), Split::Train, HOLD_OUT).expect_err("no features");
    let text = format!("{error}; {}", error.hint().unwrap_or_default());
    for words in [
        "train.tsv` is no file of region features",
        "aoa data import-features",
    ] {
        assert!(text.contains(words), "{text}");
    }
}

/// A number alone does not say of which split an image is.
#[test]
fn features_of_the_number_of_an_image_are_named() {
    let names = [
        "COCO_train2014_000000000009",
        "COCO_val2014_000000000009",
        "a8",
    ];
    let (root, _) = stored(&names.map(|name| (name, block(1, 2.0))));
    fs::remove_file(root.path().join("statistical_words.json")).expect("words");
    for split in ["train", "validation", "test"] {
        let line = |image: &str| {
            format!(
                "{{\"image\": \"{image}\", \"question\": \"what is it?\", \"answers\": [\"cat\"]}}\n"
            )
        };
        let lines = ["9.jpg", "8.jpg", "7.jpg"].map(line).concat();
        fs::write(root.path().join(format!("{split}.jsonl")), lines).expect("lines");
    }
    let source = open(&root, Split::Train);
    let said = |image: usize| {
        let error = source.regions(image).expect_err("it is missing");
        (error.to_string(), error.hint().expect("a cure"))
    };
    let (text, hint) = said(0);
    let both = format!("; `{}` and `{}` have the same number", names[0], names[1]);
    assert!(
        text.ends_with(&both) && hint.contains("as its features are named"),
        "{text}: {hint}"
    );
    assert!(
        said(1).0.ends_with("; `a8` has the same number"),
        "{}",
        said(1).0
    );
    assert!(said(2).0.ends_with("image `7.jpg`"), "{}", said(2).0);
}
