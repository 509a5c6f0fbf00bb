//! Published region features become a file of a data set.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::Place;

fn samples(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../data-import/tests/features")
        .join(name)
}

#[test]
fn features_are_listed_and_imported() {
    let place = Place::new();
    let source = samples("lxmert_tsv");
    let source = source.to_str().expect("a path");
    let listed = place.ok(&["data", "import-features", source, "--json"]);
    let first: Value =
        serde_json::from_str(listed.stdout.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["image"], "COCO_train2014_000000000009");
    assert_eq!(
        (&first["width"], &first["regions"]),
        (&64.0.into(), &3.into())
    );
    assert!(
        listed.stderr.contains("recognised lxmert-tsv"),
        "{}",
        listed.stderr
    );

    let imported = place.ok(&[
        "data",
        "import-features",
        source,
        "--to",
        "ds",
        "--name",
        "train",
    ]);
    for words in [
        "recognised lxmert-tsv",
        "train.regions",
        "3 images with 3 regions, 8 features each in 16 bits",
    ] {
        assert!(
            imported.stdout.contains(words),
            "{words}: {}",
            imported.stdout
        );
    }
    assert!(place.path().join("ds/features/train.regions").is_file());
}

#[test]
fn what_cannot_be_imported_ends_with_3_and_leaves_nothing() {
    let place = Place::new();
    place.file("a.tsv", "<!DOCTYPE html>\n<html></html>\n");
    let line = "1\t0\t20\t1\tAACAPwAAAEAAAKBAAADAQA==\tAACAPw==\n";
    place.file("b.tsv", line);
    for (file, words) in [
        (
            "a.tsv",
            &["a.tsv", "HTML page", "download the file again"][..],
        ),
        ("b.tsv", &["b.tsv", "line 1", "0 x 20 pixels"]),
    ] {
        place.fails(3, words, &["data", "import-features", file, "--to", "ds"]);
        assert!(!place.path().join("ds/features").exists());
    }
}
