//! What a fingerprint tells apart, and what it does not look at.

use std::fs;
use std::path::Path;

use data_pipeline::{Folder, HoldOut, Shapes, ShapesConfig, Source, Split, fingerprint, folder};
use tempfile::TempDir;

const HOLD_OUT: HoldOut = HoldOut {
    fraction: 0.5,
    seed: 1,
};

/// Four images with all inputs and two questions about each.
fn data_set() -> TempDir {
    let config = ShapesConfig {
        seed: 3,
        images: 4,
        questions_per_image: 2,
    };
    let root = TempDir::new().expect("a folder");
    let shapes = Shapes::new(config, Split::Train).expect("scenes");
    let described = shapes.described();
    folder::write(root.path(), &[(Split::Train, &described as &dyn Source)], 4).expect("written");
    fs::copy(
        root.path().join("train.jsonl"),
        root.path().join("validation.jsonl"),
    )
    .expect("a copy");
    root
}

fn of(root: &Path) -> u32 {
    fingerprint(&Folder::open(root, Split::Train, HOLD_OUT).expect("a whole data set"))
}

/// Rewrites a file of the data set.
fn edit(root: &TempDir, file: &str, change: impl Fn(&str) -> String) {
    let path = root.path().join(file);
    let text = fs::read_to_string(&path).expect("a file");
    let changed = change(&text);
    assert_ne!(changed, text);
    fs::write(path, changed).expect("written");
}

#[test]
fn every_change_of_what_is_learned_shows() {
    type Change = fn(&str) -> String;
    let whole = of(data_set().path());
    let changes: [(&str, Change); 6] = [
        ("train.jsonl", |text| {
            text.replacen("question\":\"", "question\":\"so ", 1)
        }),
        ("train.jsonl", |text| {
            text.lines().rev().collect::<Vec<_>>().join("\n")
        }),
        ("train.jsonl", |text| {
            text.lines().skip(1).collect::<Vec<_>>().join("\n")
        }),
        ("train.jsonl", |text| {
            text.replacen("\"answers\":[\"", "\"answers\":[\"not ", 1)
        }),
        ("train.jsonl", |text| {
            text.replacen("\"entities\":[", "\"entities\":[\"thing\",", 1)
        }),
        ("statistical_words.json", |text| {
            text.replacen("[\"", "[\"very ", 1)
        }),
    ];
    for (number, (file, change)) in changes.into_iter().enumerate() {
        let root = data_set();
        edit(&root, file, change);
        assert_ne!(of(root.path()), whole, "change {number}");
    }
    // Without region features.
    let root = data_set();
    fs::remove_dir_all(root.path().join("features")).expect("a folder");
    assert_ne!(of(root.path()), whole);
}

#[test]
fn where_it_lies_and_how_it_is_spaced_do_not_show() {
    let whole = of(data_set().path());
    let moved = data_set();
    edit(&moved, "train.jsonl", |text| text.replace("\":", "\" : "));
    assert_eq!(of(moved.path()), whole);
}

#[test]
fn splits_and_seeds_of_shapes_differ() {
    let of = |seed, split| {
        let config = ShapesConfig {
            seed,
            images: 4,
            questions_per_image: 2,
        };
        fingerprint(&Shapes::new(config, split).expect("scenes"))
    };
    let first = of(1, Split::Train);
    assert_eq!(first, of(1, Split::Train));
    assert_ne!(first, of(2, Split::Train));
    assert_ne!(first, of(1, Split::Validation));
}
