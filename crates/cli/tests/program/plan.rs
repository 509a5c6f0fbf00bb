//! The plan of a run's memory.

use nvml_stand_in::{Card, Cards, Mig, MigInstance};
use serde_json::Value;

use crate::support::{Outcome, Place};

const GIB: u64 = 1 << 30;

/// Runs `aoa plan --json` with more arguments.
fn plan(place: &Place, args: &[&str]) -> (Option<i32>, Value) {
    let Outcome {
        code,
        stdout,
        stderr,
    } = place.run(&[&["plan", "--json"], args].concat());
    let answer = serde_json::from_str(&stdout);
    (code, answer.unwrap_or_else(|_| panic!("{stderr}")))
}

fn number(answer: &Value, key: &str) -> u64 {
    answer[key]
        .as_u64()
        .unwrap_or_else(|| panic!("no {key} in {answer}"))
}

#[test]
fn presets_fit_the_cards_that_they_are_for() {
    let place = Place::new();
    for (preset, usage) in [
        ("48gb", 0.95),
        ("24gb", 0.85),
        ("24gb-headroom", 0.85),
        ("24gb-tight", 0.8),
    ] {
        let (code, answer) = plan(&place, &["--preset", preset]);
        assert_eq!(code, Some(0), "{answer}");
        assert_eq!(answer["fits"], true, "{preset}");
        let memory = if preset == "48gb" { 44 } else { 22 } * GIB;
        let budget = (memory as f64 * usage) as u64;
        assert_eq!(number(&answer, "budget_bytes"), budget, "{preset}");
        // The model at full size does not fit into a few GiB.
        assert!(number(&answer, "peak_bytes") > 4 * GIB, "{preset}");
    }
}

#[test]
fn a_budget_decides_and_so_does_the_exit_code() {
    let place = Place::new();
    let (code, ample) = plan(&place, &["--preset", "cpu", "--memory-budget", "1GiB"]);
    assert_eq!((code, &ample["fits"]), (Some(0), &true.into()));
    assert_eq!(number(&ample, "budget_bytes"), GIB);
    let (code, tight) = plan(&place, &["--preset", "cpu", "--memory-budget", "1MiB"]);
    assert_eq!((code, &tight["fits"]), (Some(7), &false.into()));
    assert_eq!(tight["peak_bytes"], ample["peak_bytes"]);
    place.fails(2, &["memory_budget"], &["plan", "--memory-budget", "much"]);
}

#[test]
fn a_budget_that_cannot_be_meant_is_refused_with_the_cure() {
    let place = Place::new();
    let cure = ["hardware.memory_budget", "--memory-budget 12GiB"];
    let with = |command: &'static str, budget: &'static str| {
        [command, "--preset", "cpu", "--memory-budget", budget]
    };
    for budget in ["0", "1B", "999KiB"] {
        let words = [cure[0], cure[1], "less than any run takes"];
        for command in ["plan", "fit", "train"] {
            place.fails(2, &words, &with(command, budget));
        }
    }
    let words = [cure[0], cure[1], "more than the"];
    for command in ["fit", "train"] {
        place.fails(2, &words, &with(command, "99999TiB"));
    }
    let dry = [&with("train", "99999TiB")[..], &["--dry-run"]].concat();
    place.fails(2, &words, &dry);
    // A plan may be for another machine.
    let planned = place.ok(&with("plan", "99999TiB"));
    assert!(
        planned.stderr.contains("refuses it on this machine"),
        "{}",
        planned.stderr
    );
    let planned = place.ok(&with("plan", "1GiB"));
    assert!(!planned.stderr.contains("warning"), "{}", planned.stderr);
    // Where a size says what a machine has, there is no other machine to mean.
    for args in [
        ["presets", "derive", "--vram", "99999TiB"],
        ["presets", "derive", "--host-memory", "1EiB"],
        [
            "plan",
            "--preset",
            "cpu",
            "--set=preset.min_host_memory=\"99999TiB\"",
        ],
        [
            "plan",
            "--preset",
            "cpu",
            "--set=preset.min_device_memory=\"128TiB\"",
        ],
    ] {
        place.fails(2, &[args[3].rsplit('"').nth(1).unwrap_or(args[3])], &args);
    }
}

#[test]
fn segments_are_chosen_where_they_are_left_to_the_budget() {
    let place = Place::new();
    let segment = |length: &str, budget: &str| {
        let length = format!("memory_optimization.checkpoint_segment={length}");
        let checkpointing = "memory_optimization.gradient_checkpointing=true";
        let layers = "model.aoa_layers=4";
        let sets = ["--set", checkpointing, "--set", &length, "--set", layers];
        let rest = ["--preset", "cpu", "--memory-budget", budget];
        let (_, answer) = plan(&place, &[&rest[..], &sets].concat());
        answer
    };
    let [ample, tight] = ["1GiB", "1MiB"].map(|budget| segment("0", budget));
    let chosen = number(&ample["segments"], "checkpoint_segment");
    assert!(chosen > 1, "{ample}");
    let stated = segment(&chosen.to_string(), "1GiB");
    assert_eq!(stated["segments"], Value::Null);
    assert_eq!(stated["peak_bytes"], ample["peak_bytes"]);
    assert_eq!(number(&tight["segments"], "checkpoint_segment"), 1);
}

#[test]
fn the_card_that_would_train_gives_the_budget() {
    let cards = Cards::new(vec![Card::new("NVIDIA Test Card", 40 * GIB)]);
    let place = Place::new().with_library(&cards);
    let (_, answer) = plan(&place, &["--preset", "24gb"]);
    let budget = (40.0 * GIB as f64 * 0.85) as u64;
    assert_eq!(number(&answer, "budget_bytes"), budget);
}

#[test]
fn in_mig_mode_a_run_has_one_instance_of_the_card() {
    let instances = [("2g.10gb", 10), ("3g.20gb", 20)];
    let instances =
        instances.map(|(profile, gib)| MigInstance::new("NVIDIA A100", profile, gib * GIB));
    let card = Card {
        mig: Mig::Enabled(instances.to_vec()),
        ..Card::new("NVIDIA A100", 40 * GIB)
    };
    let place = Place::new().with_library(&Cards::new(vec![card]));
    let (_, answer) = plan(&place, &["--preset", "24gb"]);
    let budget = (20.0 * GIB as f64 * 0.85) as u64;
    assert_eq!(number(&answer, "budget_bytes"), budget);
}

#[test]
fn what_a_switch_saves_is_what_a_plan_with_it_needs_less() {
    let place = Place::new();
    let sets = ["--preset", "24gb", "--memory-budget", "100GiB"];
    let (_, whole) = plan(&place, &sets);
    let savings = whole["savings"].as_array().expect("savings");
    assert!(savings.len() >= 2, "{whole}");
    for saving in savings {
        let set = saving["set"].as_str().expect("assignments");
        let mut sets = sets.to_vec();
        for one in set.split(", ") {
            sets.extend(["--set", one]);
        }
        let (_, switched) = plan(&place, &sets);
        assert_eq!(switched["peak_bytes"], saving["peak_bytes"], "{set}");
        let saved = number(&whole, "peak_bytes") - number(&switched, "peak_bytes");
        assert_eq!(number(saving, "saved_bytes"), saved, "{set}");
    }
}

#[test]
fn the_table_names_the_worst_phase() {
    let place = Place::new();
    let outcome = place.ok(&["plan", "--preset", "24gb"]);
    let worst: Vec<_> = outcome
        .stdout
        .lines()
        .filter(|line| line.ends_with("the most"))
        .collect();
    assert_eq!(worst.len(), 1, "{}", outcome.stdout);
    assert!(worst[0].contains("backward pass"), "{worst:?}");
    for part in ["image_encoder", "coarse.text_encoder", "optimizer state"] {
        assert!(outcome.stdout.contains(part), "{part}");
    }
}
