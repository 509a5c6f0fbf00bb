//! Which preset for which device.

use nvml_stand_in::{Card, Cards};

use crate::support::{Place, small_training};

const GIB: u64 = 1 << 30;

#[track_caller]
fn check(gibibytes: &[u64], preset: &str) {
    let cards = gibibytes
        .iter()
        .map(|gib| Card::new("NVIDIA Test Card", gib * GIB))
        .collect();
    let place = Place::new().with_library(&Cards::new(cards));
    let arguments = ["train", "--dry-run", "--json"];
    if gibibytes.is_empty() {
        let outcome = place.ok(&arguments);
        let answer: serde_json::Value =
            serde_json::from_str(&outcome.stdout).expect("one line of JSON");
        assert_eq!(answer["preset"], preset, "{answer}");
    } else {
        // This build computes on the CPU alone, so the choice is all that there is.
        let chosen = format!("preset {preset} on cuda:");
        place.fails(4, &[&chosen, "no CUDA backend"], &arguments);
    }
}

#[test]
fn the_device_chooses_the_preset() {
    check(&[24], "24gb");
    check(&[48], "48gb");
    check(&[80], "48gb");
    check(&[40], "24gb");
    check(&[24, 48], "48gb");
    check(&[], "cpu");
}

#[test]
fn a_card_too_small_for_all_presets_is_an_error_with_a_way_out() {
    let place =
        Place::new().with_library(&Cards::new(vec![Card::new("NVIDIA Test Card", 16 * GIB)]));
    let words = [
        "no preset fits",
        "16.0 GiB",
        "24gb",
        "--preset cpu",
        "aoa presets derive",
    ];
    place.fails(4, &words, &["train", "--dry-run"]);
    place.ok(&["train", "--dry-run", "--preset", "cpu"]);
    place.ok(&["train", "--dry-run", "--set", "hardware.device=cpu"]);
}

#[test]
fn a_gpu_that_the_build_cannot_use_is_an_error() {
    let place =
        Place::new().with_library(&Cards::new(vec![Card::new("NVIDIA Test Card", 24 * GIB)]));
    let words = ["cuda:0", "no CUDA backend", "--features cuda"];
    place.fails(
        4,
        &words,
        &["train", "--set", "dataset.shapes_train_images=4"],
    );
}

#[test]
fn presets_show_and_dry_run() {
    let place = Place::new();
    for preset in [
        "48gb",
        "24gb",
        "24gb-headroom",
        "24gb-tight",
        "cpu",
        "cpu-both",
    ] {
        assert!(
            place
                .ok(&["presets", "show", preset])
                .stdout
                .contains("[preset]"),
            "{preset}"
        );
        let dry_run = ["train", "--dry-run", "--preset", preset];
        let outcome = place.ok(&[&dry_run[..], &["--verbose"]].concat());
        assert!(outcome.stdout.contains("batch_size"), "{preset}");
        let outcome = place.ok(&dry_run);
        assert_eq!(outcome.stdout, "", "{preset}");
        let lines: Vec<_> = outcome.stderr.lines().collect();
        let verdict = "dry run: all checks passed; nothing was trained";
        let from = lines.iter().position(|line| *line == verdict);
        let lines = &lines[from.expect("a verdict")..];
        assert_eq!(lines[1], format!("  preset {preset} on cpu in f32"));
        let planned = lines[3];
        assert!(
            planned.starts_with("  planned peak "),
            "{preset}: {planned}"
        );
        assert!(planned.contains("the budget of "), "{preset}: {planned}");
        // A size that follows the budget is said, and a configured one where it does not fit.
        let begins = lines[4].starts_with("  training begins with micro-batches of ");
        assert!(begins || !preset.starts_with("24gb"), "{preset}: {lines:?}");
        assert_eq!(lines.len(), 6 + usize::from(begins), "{preset}: {lines:?}");
    }
    assert_eq!(place.ok(&["presets", "list"]).stdout.lines().count(), 6);
}

#[test]
fn a_precision_that_the_device_lacks_is_refused() {
    let place = Place::new();
    let dry_run = [
        "train",
        "--dry-run",
        "--verbose",
        "--preset",
        "cpu",
        "--set",
    ];
    let with = |set| [&dry_run[..], &[set]].concat();
    let refused = place.run(&with("precision.mode=tf32"));
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    assert!(refused.stderr.contains("has no tf32"), "{}", refused.stderr);
    place.ok(&with("precision.mode=bf16"));
    let auto = place.ok(&with("precision.mode=auto"));
    let chosen = "mode = \"f32\"";
    assert!(auto.stdout.contains(chosen), "{}", auto.stdout);
    assert!(auto.stdout.contains("hardware.device"), "{}", auto.stdout);
}

#[test]
fn probe_reports_cards_and_host() {
    let place =
        Place::new().with_library(&Cards::new(vec![Card::new("NVIDIA Test Card", 24 * GIB)]));
    let outcome = place.ok(&["probe"]);
    assert!(
        outcome.stdout.contains("NVIDIA Test Card"),
        "{}",
        outcome.stdout
    );
    let json: serde_json::Value =
        serde_json::from_str(&place.ok(&["probe", "--json"]).stdout).expect("JSON");
    assert_eq!(json["driver"]["state"], "present");
    place.fails(
        4,
        &["/nowhere/libnvidia-ml.so"],
        &["probe", "--nvml-library", "/nowhere/libnvidia-ml.so"],
    );
}

#[test]
fn the_first_line_says_which_preset_and_why() {
    let first = |place: &Place, args: &[&str]| {
        let said = place.ok(args).stderr;
        said.lines().next().expect("a line").to_owned()
    };
    let place = Place::new();
    assert_eq!(
        first(&place, &["train", "--dry-run"]),
        "preset cpu on the CPU: the NVIDIA driver reports no GPU"
    );
    assert_eq!(
        first(&place, &["train", "--dry-run", "--preset", "cpu"]),
        "preset cpu on the CPU: you named the preset, and it is for machines without GPU"
    );
    place.ok(&small_training(&["--stop-after", "1"]));
    let resumed = place.ok(&["train", "--resume", "run", "--stop-after", "1"]);
    assert!(!resumed.stderr.contains("preset cpu"), "{}", resumed.stderr);
    let card = Card::new("NVIDIA Test Card", 24 * GIB);
    let place = Place::new().with_library(&Cards::new(vec![card]));
    assert_eq!(
        first(&place, &["config", "show"]),
        "preset 24gb on cuda:0 (GPU 0): NVIDIA Test Card has 24.0 GiB; \"24gb\" is the largest preset that fits (needs 22.0 GiB)"
    );
}
