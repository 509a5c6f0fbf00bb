//! What is wrong with the files of a data set is known before step 1, all of it at once.
//!
//! One file because all tests damage data sets that the helpers at its top write.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Outcome, Place, small_training};

/// A data set in `ds`, four images a split, four questions each.
fn exported() -> Place {
    let place = Place::new();
    place.ok(&[
        "data", "export", "--preset", "cpu", "--format", "folder", "--count", "4", "--to", "ds",
    ]);
    fs::remove_dir_all(place.path().join("ds/features")).expect("features");
    place
}

/// A data set of plain lines in `ds`; images are taken from an export.
fn written(train: &[(&str, &str, &str)], test: &[(&str, &str, &str)]) -> Place {
    let place = exported();
    fs::remove_file(place.path().join("ds/statistical_words.json")).expect("words");
    for (split, lines) in [("train", train), ("validation", train), ("test", test)] {
        let line = |(image, question, answer): &(&str, &str, &str)| {
            serde_json::json!({ "image": image, "question": question, "answers": [answer] })
                .to_string()
        };
        let lines: Vec<_> = lines.iter().map(line).collect();
        place.file(&format!("ds/{split}.jsonl"), lines.join("\n"));
    }
    place
}

fn on_folder<'a>(command: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    let folder = [
        "--preset",
        "cpu",
        "--dataset",
        "folder",
        "--data-root",
        "ds",
    ];
    [command, &folder, more].concat()
}

fn dry_run(place: &Place) -> Outcome {
    place.run(&on_folder(&["train", "--dry-run"], &[]))
}

fn training<'a>(more: &[&'static str]) -> Vec<&'a str> {
    small_training(&[&["--dataset", "folder", "--data-root", "ds"], more].concat())
}

/// Changes a byte that a glance does not look at.
fn spoil_inside(path: &Path) {
    let mut bytes = fs::read(path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(path, bytes).expect("a file");
}

#[test]
fn all_faults_are_listed_with_number_lines_and_cure() {
    let place = exported();
    let image = |name: &str| place.path().join("ds/images").join(name);
    fs::remove_file(image("train-1.png")).expect("an image");
    fs::write(image("validation-0.png"), "").expect("a file");
    spoil_inside(&image("test-3.png"));
    let checked = place.run(&on_folder(&["data", "check"], &[]));
    assert_eq!(checked.code, Some(3), "{}", checked.stderr);
    for expected in [
        "1. ds/images/train-1.png: it is missing\n",
        "used by `ds/train.jsonl`, lines 5, 6, 7 and 8\n",
        "2. ds/images/validation-0.png: expected an image, found an empty file\n",
        "3. ds/images/test-3.png: not a readable PNG",
        "cure: put the file there",
    ] {
        assert!(checked.stdout.contains(expected), "{}", checked.stdout);
    }
    assert!(
        checked.stderr.contains("3 of 12 files cannot be used"),
        "{}",
        checked.stderr
    );

    let checked = place.run(&on_folder(&["data", "check"], &["--json"]));
    assert_eq!(checked.code, Some(3));
    let found: Value = serde_json::from_str(&checked.stdout).expect("JSON");
    assert_eq!(found["files"], 12);
    let faults = found["faults"].as_array().expect("a list");
    assert_eq!(faults.len(), 3);
    assert_eq!(faults[0]["file"], "ds/images/train-1.png");
    assert_eq!(faults[0]["used_by"][0]["questions"], "ds/train.jsonl");
    assert_eq!(
        faults[0]["used_by"][0]["numbers"],
        serde_json::json!([5, 6, 7, 8])
    );
    assert!(
        faults
            .iter()
            .all(|fault| fault["cure"].is_string() && fault["cause"].is_string())
    );

    let whole = exported();
    let checked = whole.ok(&on_folder(&["data", "check"], &[]));
    assert!(checked.stdout.is_empty());
    assert!(
        checked.stderr.contains("all of 12 files can be used"),
        "{}",
        checked.stderr
    );
}

#[test]
fn a_run_does_not_begin_with_files_that_cannot_be_used() {
    let place = exported();
    let image = |name: &str| place.path().join("ds/images").join(name);
    for name in ["train-0.png", "train-2.png", "validation-3.png"] {
        fs::remove_file(image(name)).expect("an image");
    }
    // A test image is read whole: training would end before it is met.
    spoil_inside(&image("test-1.png"));
    let words = [
        "4 of 12 files of the data set cannot be used",
        "`ds/images/train-0.png`: it is missing (`ds/train.jsonl`, lines 1, 2, 3 and 4)",
        "`ds/images/train-2.png`: it is missing",
        "`ds/images/validation-3.png`: it is missing",
        "`ds/images/test-1.png`: not a readable PNG",
        "aoa data check",
        "on_bad_sample",
    ];
    place.fails(3, &words, &on_folder(&["train", "--dry-run"], &[]));
    place.fails(3, &words, &training(&[]));
    assert!(!place.path().join("run").exists(), "no run was begun");
}

#[test]
fn many_faults_are_counted_and_not_all_printed() {
    let place = exported();
    let line = |number: usize| {
        format!(
            "{{\"image\": \"gone-{number}.png\", \"question\": \"what?\", \"answers\": [\"red\"], \"entities\": []}}\n"
        )
    };
    place.file("ds/train.jsonl", (0..500).map(line).collect::<String>());
    fs::remove_file(place.path().join("ds/statistical_words.json")).expect("words");
    let outcome = dry_run(&place);
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    let flat: String = outcome.stderr.split_whitespace().collect();
    assert!(
        flat.contains("500of508filesofthedatasetcannotbeused"),
        "{}",
        outcome.stderr
    );
    assert!(flat.contains("and480more"), "{}", outcome.stderr);
    assert!(outcome.stderr.lines().count() < 100);
}

#[test]
fn samples_of_broken_files_are_left_out_where_that_is_asked_for() {
    let place = exported();
    let image = |name: &str| place.path().join("ds/images").join(name);
    spoil_inside(&image("train-1.png"));
    spoil_inside(&image("test-3.png"));
    let skip = ["--set", "dataset.on_bad_sample=skip"];
    let words = [
        "4 of 16 samples of the train split",
        "max_bad_fraction = 0.01",
    ];
    place.fails(3, &words, &training(&skip));
    assert!(!place.path().join("run").exists());

    let quarter = [&skip[..], &["--set", "dataset.max_bad_fraction=0.25"]].concat();
    let trained = place.ok(&training(&[&quarter[..], &["--stop-after", "1"]].concat()));
    for split in ["train", "test"] {
        let warning = format!("4 samples are left out of the {split} split");
        assert!(trained.stderr.contains(&warning), "{}", trained.stderr);
    }
    let skipped = fs::read_to_string(place.path().join("run/skipped.json")).expect("it is written");
    let skipped: Value = serde_json::from_str(&skipped).expect("JSON");
    assert_eq!(skipped["train"].as_array().map(Vec::len), Some(4));
    assert_eq!(skipped["train"][0]["place"], "`ds/train.jsonl`, line 5");
    assert_eq!(skipped["test"][3]["file"], "ds/images/test-3.png");
    let metrics = fs::read_to_string(place.path().join("run/metrics.jsonl")).expect("metrics");
    assert!(
        metrics.contains("train-1.png"),
        "the warning names the image: {metrics}"
    );

    let resumed = place.ok(&["train", "--resume", "run"]);
    assert!(
        resumed
            .stderr
            .contains("4 samples are left out of the test split")
    );
    let evaluated = place.ok(&["eval", "run"]);
    assert!(
        evaluated.stdout.contains("on 12 samples"),
        "{}",
        evaluated.stdout
    );
    assert!(
        evaluated.stderr.contains("left out of the test split"),
        "{}",
        evaluated.stderr
    );

    // A file that breaks later is not left out: that would be another run.
    fs::remove_file(image("test-0.png")).expect("an image");
    place.fails(
        3,
        &["test-0.png", "`ds/test.jsonl`, lines 1, 2, 3 and 4"],
        &["eval", "run"],
    );
}

#[test]
fn what_a_run_cannot_reach_is_a_warning() {
    let long =
        "in the middle of the very large picture what is the color of the thing on the left side?";
    for (train, test, warning) in [
        (
            &[
                ("train-0.png", long, "red"),
                ("train-1.png", "what?", "blue"),
            ][..],
            &[("test-0.png", "what?", "red")][..],
            "train: 1 of 2 questions (50.00 %) is cut to 9 words; the longest has 19",
        ),
        (
            &[("train-0.png", "what?", "a"), ("train-1.png", "what?", "b")],
            &[("test-0.png", "what?", "c")],
            "test: the answer list has a right answer to 0 of 1 question, so accuracy can be at most 0.00 %",
        ),
        (
            &[
                ("train-0.png", "what?", "red"),
                ("train-1.png", "what?", "blue"),
            ],
            &[
                ("train-0.png", "what?", "red"),
                ("test-0.png", "what?", "red"),
            ],
            "test: 1 image is in the train split, too",
        ),
        (
            &[
                ("train-0.png", "what?", "red"),
                ("train-1.png", "what?", "red"),
            ],
            &[("test-0.png", "which one?", "red")],
            "test: 100.00 % of the words in questions are unknown",
        ),
        (
            &[
                ("train-0.png", "what?", "red"),
                ("train-1.png", "what?", "blue"),
            ],
            &[("test-0.png", "what?", "red")],
            "2 of 2 answers occur in one training sample only",
        ),
    ] {
        let place = written(train, test);
        let dry = place.ok(&on_folder(&["train", "--dry-run"], &[]));
        let stats = place.ok(&on_folder(&["data", "stats"], &[]));
        let trained = place.ok(&training(&["--stop-after", "1"]));
        for outcome in [dry, stats, trained] {
            let expected = format!("warning: {warning}");
            assert!(
                outcome.stderr.contains(&expected),
                "{warning}: {}",
                outcome.stderr
            );
        }
        let metrics = fs::read_to_string(place.path().join("run/metrics.jsonl")).expect("metrics");
        assert!(metrics.contains(warning), "{metrics}");
        assert!(metrics.contains("\"event\":\"data\""), "{metrics}");
        let json = place.ok(&on_folder(&["train", "--dry-run", "--json"], &[]));
        let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
        let told = json["warnings"].as_array().expect("a list");
        assert!(
            told.iter()
                .any(|text| text.as_str().is_some_and(|text| text.starts_with(warning)))
        );
        assert_eq!(json["data"]["splits"][2]["samples"], test.len());
    }
}

#[test]
fn a_data_set_in_order_has_no_warning() {
    let place = Place::new();
    let dry = place.ok(&["train", "--preset", "cpu", "--dry-run"]);
    assert!(!dry.stderr.contains("warning"), "{}", dry.stderr);
    assert!(dry.stderr.contains("answer list: "), "{}", dry.stderr);
    assert!(
        dry.stderr.contains("accuracy can be at most 100.00 %"),
        "{}",
        dry.stderr
    );
}

#[test]
fn stats_say_that_files_cannot_be_used() {
    let place = exported();
    fs::remove_file(place.path().join("ds/images/train-0.png")).expect("an image");
    let stats = place.ok(&on_folder(&["data", "stats"], &[]));
    assert!(
        stats
            .stderr
            .contains("warning: 1 of 12 files cannot be used"),
        "{}",
        stats.stderr
    );
}

/// Faults of all lines of all splits, and of the files that valid lines name.
#[test]
fn all_faults_of_questions_are_listed_with_those_of_files() {
    let place = exported();
    let read = |split: &str| fs::read_to_string(place.path().join(format!("ds/{split}.jsonl")));
    let train = read("train").expect("lines");
    let mut lines: Vec<_> = train.lines().map(str::to_owned).collect();
    lines[1] = "{\"image\"".to_owned();
    lines
        .extend((0..40).map(|_| {
            r#"{"image": "train-0.png", "question": " ", "answers": ["red"]}"#.to_owned()
        }));
    place.file("ds/train.jsonl", lines.join("\n"));
    place.file("ds/validation.jsonl", "[]");
    fs::remove_file(place.path().join("ds/images/test-2.png")).expect("an image");

    let checked = place.run(&on_folder(&["data", "check"], &[]));
    assert_eq!(checked.code, Some(3), "{}", checked.stderr);
    for expected in [
        "1. `ds/train.jsonl`, line 2: expected one JSON object a line",
        "\n41. `ds/train.jsonl`, line 56: expected a question that is not blank",
        "\n42. `ds/validation.jsonl`, line 1: expected one JSON object a line, found the start of a JSON array",
        "\n43. ds/images/test-2.png: it is missing",
    ] {
        assert!(checked.stdout.contains(expected), "{}", checked.stdout);
    }
    for expected in ["42 faults in the questions", "1 of 8 files cannot be used"] {
        assert!(checked.stderr.contains(expected), "{}", checked.stderr);
    }
    let json = place.run(&on_folder(&["data", "check"], &["--json"]));
    let found: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(found["questions"].as_array().map(Vec::len), Some(42));
    assert_eq!(found["faults"].as_array().map(Vec::len), Some(1));

    // A run names the first of them and how many there are.
    let words = [
        "the data set has 42 faults",
        "`ds/train.jsonl`, line 2: expected one JSON object",
        "and 22 more",
        "aoa data check",
    ];
    place.fails(3, &words, &on_folder(&["train", "--dry-run"], &[]));
    place.fails(3, &words, &training(&[]));
}

/// Images whose files are odd and whose pixels are right.
#[test]
fn odd_images_are_counted_and_named_and_used() {
    let place = exported();
    fs::remove_file(place.path().join("ds/statistical_words.json")).expect("words");
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data-pipeline/tests/images/jpeg");
    for (image, case) in [
        ("train-0.png", "no_eoi.jpg"),
        ("train-1.png", "half_eoi.jpg"),
        ("train-2.png", "no_eoi.jpg"),
        ("validation-0.png", "no_eoi.jpg"),
        ("test-1.png", "stray_bytes_between_segments.jpg"),
    ] {
        let image = place.path().join("ds/images").join(image);
        fs::copy(cases.join(case), image).expect("an image");
    }
    let kinds = [
        "warning: 4 images have no end marker, and all pixels can be read: `ds/images/train-0.png`, `ds/images/train-1.png`, \
         `ds/images/train-2.png`, 1 more, which `aoa data check` lists",
        "warning: 1 image has stray bytes, and all pixels can be read: `ds/images/test-1.png`",
    ];
    let checked = place.ok(&on_folder(&["data", "check"], &[]));
    for file in ["train-0", "train-1", "train-2", "validation-0"] {
        let line = format!("warning: ds/images/{file}.png has no end marker\n");
        assert!(checked.stdout.contains(&line), "{}", checked.stdout);
    }
    assert!(
        checked.stdout.contains("test-1.png has "),
        "{}",
        checked.stdout
    );
    assert!(
        checked.stderr.contains("5 images are odd but readable"),
        "{}",
        checked.stderr
    );
    let json = place.ok(&on_folder(&["data", "check"], &["--json"]));
    let found: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(found["odd"].as_array().map(Vec::len), Some(5));
    assert_eq!(found["odd"][0]["oddities"][0], "has no end marker");

    let dry = place.ok(&on_folder(&["train", "--dry-run"], &[]));
    let stats = place.ok(&on_folder(&["data", "stats"], &[]));
    let trained = place.ok(&training(&["--stop-after", "1"]));
    for outcome in [dry, trained] {
        for kind in kinds {
            assert!(outcome.stderr.contains(kind), "{kind}: {}", outcome.stderr);
        }
    }
    assert!(stats.stderr.contains(kinds[0]), "{}", stats.stderr);
    let metrics = fs::read_to_string(place.path().join("run/metrics.jsonl")).expect("metrics");
    assert!(metrics.contains("4 images have no end marker"), "{metrics}");
}

/// What has no end, or never begins, does not hang whoever reads it.
#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused_wherever_a_file_is_read() {
    for file in [
        "train.jsonl",
        "validation.jsonl",
        "test.jsonl",
        "statistical_words.json",
        "images/train-1.png",
        "images/test-1.png",
        "features/train-1.png.safetensors",
    ] {
        for device in [false, true] {
            let place = Place::new();
            place.ok(&[
                "data", "export", "--preset", "cpu", "--format", "folder", "--count", "4", "--to",
                "ds",
            ]);
            // Where there are features, this model does not look at images.
            if file.starts_with("images") {
                fs::remove_dir_all(place.path().join("ds/features")).expect("features");
            }
            let path = place.path().join("ds").join(file);
            fs::remove_file(&path).expect("a file");
            if device {
                std::os::unix::fs::symlink("/dev/zero", &path).expect("a link");
            } else {
                let made = std::process::Command::new("mkfifo").arg(&path).status();
                assert!(made.is_ok_and(|status| status.success()));
            }
            for command in [
                &["data", "check"][..],
                &["data", "stats"],
                &["train", "--dry-run"],
            ] {
                let outcome = place.run(&on_folder(command, &["--set", "model.fine_form=cfr"]));
                let said = format!("{}{}", outcome.stdout, outcome.stderr);
                let flat: String = said.split_whitespace().collect();
                let warned = command[1] == "stats" && flat.contains("filescannotbeused");
                assert!(
                    warned || (outcome.code == Some(3) && flat.contains("isnotaregularfile")),
                    "{file}, {command:?}: {said}"
                );
            }
        }
    }
}

/// Faults of lines, of images and of features, in every split at once.
#[test]
fn faults_of_lines_hide_no_fault_of_a_file() {
    let lines = [
        ("a.png", "what is it?", "cat"),
        ("b.png", "what is it?", "dog"),
        ("c.png", "what is it?", "cow"),
    ];
    let place = written(&lines, &lines);
    let png = fs::read_dir(place.path().join("ds/images")).expect("images");
    let png = png.map(|entry| entry.expect("an entry").path()).next();
    let png = fs::read(png.expect("an image")).expect("its bytes");
    for name in ["a.png", "b.png"] {
        place.file(&format!("ds/images/{name}"), &png);
    }
    spoil_inside(&place.path().join("ds/images/b.png"));
    let train = place.path().join("ds/train.jsonl");
    let text = fs::read_to_string(&train).expect("lines");
    place.file(
        "ds/train.jsonl",
        format!("{{\"image\": 5}}\n{text}\nnothing"),
    );
    place.file("ds/statistical_words.json", "[]");
    let outcome = place.run(&on_folder(&["data", "check"], &["--json"]));
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    let found: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    let text = found.to_string();
    for words in [
        "train.jsonl`, line 1",
        "train.jsonl`, line 5",
        "statistical_words.json",
        "b.png",
        "c.png",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(found["files"], 3, "{text}");
    assert_eq!(found["faults"].as_array().map(Vec::len), Some(2), "{text}");
    let used = &found["faults"][0]["used_by"][0];
    assert_eq!(used["numbers"], serde_json::json!([3]), "{text}");
}

#[test]
fn messages_repeat_no_long_value() {
    let long = "x".repeat(100_000);
    let lines = [("a.png", "what is it?", "cat")];
    for line in [
        format!("{{\"image\": \"{long}\", \"question\": \"q\", \"answers\": \"cat\"}}"),
        format!("{{\"image\": \"a.png\", \"question\": \"q\", \"answers\": {{\"{long}\": 7}}}}"),
        format!(
            "{{\"image\": \"a.png\", \"question\": \"q\", \"answers\": true, \"{long}\": 1, \"{long}\": 2}}"
        ),
        format!("{{\"image\": \"../{long}\", \"question\": \"q\", \"answers\": \"cat\"}}"),
    ] {
        let place = written(&lines, &lines);
        place.file("ds/train.jsonl", line);
        for command in [&["data", "check"][..], &["train", "--dry-run"]] {
            let outcome = place.run(&on_folder(command, &[]));
            assert_eq!(outcome.code, Some(3), "{outcome:?}");
            let length = outcome.stdout.len() + outcome.stderr.len();
            assert!(length < 10_000, "{length}: {}", &outcome.stderr[..300]);
        }
    }
    let place = Place::new();
    place.file(
        "long.toml",
        format!("[training]\nlr = \"{long}\"\n{long} = 1\n"),
    );
    let outcome = place.run(&["config", "show", "--config", "long.toml"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stderr.len() < 4000, "{}", outcome.stderr.len());
    let set = format!("training.lr={long}");
    let outcome = place.run(&["config", "show", "--set", &set]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stderr.len() < 4000, "{}", outcome.stderr.len());
}

#[test]
fn a_configuration_in_another_encoding_is_told_how_to_convert_it() {
    let place = Place::new();
    place.file("gbk.toml", b"# \xd1\xb5\xc1\xb7\n[training]\nlr = 1e-3\n");
    place.file("wide.toml", b"\xff\xfe[\0t\0]\0");
    let words = ["line 1 is not UTF-8", "iconv -f GB18030 -t UTF-8 gbk.toml"];
    place.fails(2, &words, &["config", "show", "--config", "gbk.toml"]);
    let words = ["UTF-16", "iconv -f UTF-16 -t UTF-8 wide.toml"];
    place.fails(2, &words, &["config", "show", "--config", "wide.toml"]);
}

#[test]
fn features_that_are_no_features_are_named() {
    let place = Place::new();
    place.ok(&[
        "data", "export", "--preset", "cpu", "--format", "folder", "--count", "4", "--to", "ds",
    ]);
    let features = fs::read_dir(place.path().join("ds/features")).expect("features");
    let mut features: Vec<_> = features
        .map(|entry| entry.expect("an entry").path())
        .collect();
    features.sort();
    for (path, content) in features.iter().zip([
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
        "<!DOCTYPE html><html></html>",
    ]) {
        fs::write(path, content).expect("a file");
    }
    let outcome = place.run(&on_folder(&["data", "check"], &[]));
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    for words in [
        "Git LFS pointer",
        "git lfs pull",
        "HTML page",
        "download the file again",
    ] {
        assert!(outcome.stdout.contains(words), "{words}: {outcome:?}");
    }
}
