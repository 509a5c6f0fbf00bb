//! Runs with augmented images.

use serde_json::Value;

use crate::support::{Place, small_training};

const ON: [&str; 6] = [
    "--set",
    "augmentation.crop_scale=0.5",
    "--set",
    "augmentation.flip=0.5",
    "--set",
    "augmentation.operations=2",
];

/// Step and loss of every step of a run.
fn steps(place: &Place, run: &str) -> Vec<(Value, Value)> {
    let path = place.path().join(run).join("metrics.jsonl");
    let text = std::fs::read_to_string(path).expect("metrics.jsonl");
    let events = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let steps = events.filter(|event: &Value| event["event"] == "step");
    steps
        .map(|event| (event["step"].clone(), event["loss"].clone()))
        .collect()
}

/// With other workers and without the kept images after the kill.
#[cfg(unix)]
#[test]
fn a_killed_run_with_augmentation_equals_an_undisturbed_one() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    use crate::support::signal;

    let place = Place::new();
    let arguments = |run: &'static str| {
        let more = [
            "--json",
            "--set",
            run,
            "--set",
            "training.epochs=12",
            "--set",
            "logging.every_steps=1",
            "--set",
            "checkpoint.every_steps=2",
        ];
        small_training(&[&ON[..], &more].concat())
    };
    place.ok(&arguments("logging.run_dir=whole"));
    let mut child = place
        .command(&arguments("logging.run_dir=killed"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let output = BufReader::new(child.stdout.take().expect("standard output"));
    let reports = output.lines().map_while(Result::ok);
    let checkpoint = |line: &String| line.contains(r#""event":"checkpoint""#);
    assert_eq!(reports.filter(checkpoint).take(2).count(), 2);
    signal(&child, "-KILL");
    child.wait().expect("the program ends");
    assert!(steps(&place, "killed").len() < steps(&place, "whole").len());

    let other = [
        "train",
        "--resume",
        "killed",
        "--set",
        "memory_optimization.num_workers=5",
        "--set",
        "data_loading.preload_data=false",
    ];
    place.ok(&other);
    assert_eq!(steps(&place, "killed"), steps(&place, "whole"));
}

#[test]
fn a_run_on_region_features_says_that_nothing_is_augmented() {
    let place = Place::new();
    let described = [
        "--set",
        "dataset.shapes_described=true",
        "--stop-after",
        "1",
    ];
    let outcome = place.ok(&small_training(&[&ON[..], &described].concat()));
    let said = outcome.stderr.contains("images are not augmented");
    assert!(said, "{}", outcome.stderr);
    let silent = Place::new().ok(&small_training(&[&ON[..], &described[2..]].concat()));
    assert!(!silent.stderr.contains("augmented"), "{}", silent.stderr);
}

#[test]
fn presets_for_gpus_augment_as_published_and_others_do_not() {
    let place = Place::new();
    for (preset, scale) in [
        ("48gb", "0.5"),
        ("24gb", "0.5"),
        ("24gb-headroom", "0.5"),
        ("24gb-tight", "0.5"),
        ("cpu", "1.0"),
        ("cpu-both", "1.0"),
    ] {
        let shown = place.ok(&["config", "show", "--preset", preset]).stdout;
        let line = shown.lines().find(|line| line.starts_with("crop_scale = "));
        let line = line.expect("the key");
        assert!(
            line.starts_with(&format!("crop_scale = {scale}")),
            "{preset}: {line}"
        );
    }
}
