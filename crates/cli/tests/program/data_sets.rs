//! A data set of the user's own: what is wrong with it is said before the first step.

use std::fs;

use crate::support::{Place, small_training};

/// A data set with all inputs in `ds`, four images a split.
fn exported() -> Place {
    let place = Place::new();
    place.ok(&[
        "data", "export", "--preset", "cpu", "--format", "folder", "--count", "4", "--to", "ds",
    ]);
    place
}

const DRY_RUN: &[&str] = &[
    "train",
    "--preset",
    "cpu",
    "--dataset",
    "folder",
    "--data-root",
    "ds",
    "--dry-run",
];

#[test]
fn every_split_has_what_the_training_split_has() {
    let place = exported();
    place.ok(DRY_RUN);
    for split in ["validation", "test"] {
        let file = place.path().join(format!("ds/{split}.jsonl"));
        let whole = fs::read_to_string(&file).expect("a split");
        let without = |line: &str| {
            let mut line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            line.as_object_mut().expect("an object").remove("entities");
            line.to_string()
        };
        let lines: Vec<_> = whole.lines().map(without).collect();
        fs::write(&file, lines.join("\n")).expect("write");
        let named = [
            format!("the {split} split"),
            format!("{split}.jsonl"),
            "no entities".to_owned(),
        ];
        place.fails(3, &named.each_ref().map(String::as_str), DRY_RUN);
        fs::write(&file, whole).expect("write");
    }
}

#[test]
fn an_export_overwrites_nothing() {
    let place = exported();
    let export = |format, to| {
        [
            "data", "export", "--preset", "cpu", "--format", format, "--to", to,
        ]
    };
    let written = |path: &str| fs::read(place.path().join(path)).expect("a file");
    let before = written("ds/train.jsonl");
    place.fails(2, &["ds/", "is there already"], &export("folder", "ds"));
    assert_eq!(written("ds/train.jsonl"), before);

    // Pictures may stand beside other files.
    place.ok(&export("pictures", "ds"));
    place.file("other/3.png", "mine");
    place.fails(
        2,
        &["other/3.png", "is there already"],
        &export("pictures", "other"),
    );
    assert_eq!(written("other/3.png"), b"mine");
    assert!(!place.path().join("other/0.png").exists());
}

#[test]
fn a_run_goes_on_with_its_own_data_only() {
    let place = exported();
    let train = small_training(&[
        "--dataset",
        "folder",
        "--data-root",
        "ds",
        "--stop-after",
        "1",
    ]);
    place.ok(&train);
    let resume = ["train", "--resume", "run", "--stop-after", "1"];
    place.ok(&resume);
    for split in ["train", "validation", "test"] {
        let file = place.path().join(format!("ds/{split}.jsonl"));
        let whole = fs::read_to_string(&file).expect("a split");
        let lines: Vec<_> = whole.lines().collect();
        let reversed: Vec<_> = lines.iter().rev().copied().collect();
        let changes = [
            whole.replacen("question\":\"", "question\":\"so ", 1),
            reversed.join("\n"),
            lines[1..].join("\n"),
        ];
        for changed in changes {
            fs::write(&file, changed).expect("write");
            let named = format!("the {split} split is not the one that run began with");
            if split == "test" {
                place.ok(&resume);
            } else {
                place.fails(5, &[&named, "as it was"], &resume);
            }
            let evaluated = place.ok(&["eval", "run", "--split", split]);
            assert!(evaluated.stderr.contains(&named), "{}", evaluated.stderr);
        }
        fs::write(&file, whole).expect("write");
    }
    let evaluated = place.ok(&["eval", "run"]);
    assert!(!evaluated.stderr.contains("is not the one"));
    place.ok(&resume);
}
