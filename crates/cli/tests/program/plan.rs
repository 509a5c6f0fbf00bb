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

/// A model that takes little beside its activations, on a few generated images: two micro-batches of 8 samples an update.
const TINY: &str = "--preset cpu --set dataset.shapes_train_images=24 --set dataset.shapes_validation_images=8 \
                    --set dataset.shapes_test_images=8 --set dataset.image_size=32 --set model.num_hid=16 \
                    --set model.word_dim=8 --set model.image_width=8 --set training.batch_size=8 --set training.epochs=1 \
                    --set evaluation.question_only_epochs=0 --set hardware.parallel_micro_batches=2";

#[test]
fn what_fits_one_after_another_alone_is_told_by_all() {
    let place = Place::new();
    let run = |command: &str, more: &str| {
        let all = [command, TINY, more];
        let words: Vec<_> = all.iter().flat_map(|all| all.split_whitespace()).collect();
        place.run(&words)
    };
    let json = |command: &str, more: &str| {
        let outcome = run(&format!("{command} --json"), more);
        let answer = serde_json::from_str::<Value>(&outcome.stdout);
        (
            outcome.code,
            answer.unwrap_or_else(|_| panic!("{}", outcome.stderr)),
        )
    };
    let plan = |more: &str| json("plan", more);
    // Less than any micro-batch takes.
    let (code, refused) = plan("--memory-budget 1MiB");
    assert_eq!((code, &refused["begins"]), (Some(7), &Value::Null));
    let least = number(&refused, "least_bytes");
    assert_eq!(run("train --dry-run", "--memory-budget 1MiB").code, Some(7));
    assert_eq!(run("fit", "--memory-budget 1MiB").code, Some(7));
    let text = run("plan", "--memory-budget 1MiB").stdout;
    assert!(text.contains("`aoa train` refuses it"), "{text}");

    // One sample at a time fits, and one in each of two micro-batches side by side does not.
    let one = "--set training.batch_size=1 --set training.update_freq=16";
    let side_by_side = number(
        &plan(&format!("--memory-budget 1GiB {one}")).1,
        "peak_bytes",
    );
    assert!(least < side_by_side);
    let budget = format!("--memory-budget {}B", least.midpoint(side_by_side));
    let key = "hardware.parallel_micro_batches=1";
    let (code, tight) = plan(&budget);
    assert_eq!(code, Some(7), "as configured it does not fit");
    assert_eq!(tight["begins"]["one_after_another"], true, "{tight}");
    assert_eq!(tight["begins"]["micro_batch"], 1);
    let savings = tight["savings"].as_array().expect("savings");
    assert!(savings.iter().any(|saving| saving["set"] == key), "{tight}");
    let text = run("plan", &budget).stdout;
    assert!(
        text.contains(&format!("one after another as with `{key}`")),
        "{text}"
    );
    let (code, dry) = json("train --dry-run", &budget);
    assert_eq!(
        (code, &dry["begins"]["one_after_another"]),
        (Some(0), &true.into())
    );
    let dry = run("train --dry-run", &budget).stderr;
    assert!(dry.contains(key), "{dry}");
    let (code, fit) = json("fit", &budget);
    assert_eq!((code, &fit["fits"]), (Some(0), &false.into()), "{fit}");
    assert_eq!(fit["one_after_another"], true);
    assert_eq!(fit["set"][2], key);
    assert_eq!(run("train", &budget).code, Some(0));
}

#[test]
fn what_no_run_could_do_on_the_device_is_not_planned() {
    let place = Place::new();
    let tf32 = ["--set", "precision.mode=tf32"];
    for command in [&["plan"][..], &["train", "--dry-run"]] {
        let args = [command, &["--preset", "cpu"], &tf32].concat();
        place.fails(4, &["the CPU has no", "precision.mode=auto"], &args);
    }
    // A card that is not here has it, and computes one micro-batch at a time.
    place.ok(&[&["plan", "--preset", "24gb"], &tf32[..]].concat());
    let parallel = ["--set", "hardware.parallel_micro_batches=2"];
    let words = ["hardware.parallel_micro_batches", "is for the CPU"];
    place.fails(
        2,
        &words,
        &[&["plan", "--preset", "24gb"], &parallel[..]].concat(),
    );
}

#[test]
fn many_generated_images_are_said_to_be_drawn() {
    let place = Place::new();
    let drawn = |images: &str| {
        let set = format!("dataset.shapes_train_images={images}");
        place.ok(&["plan", "--preset", "cpu", "--set", &set]).stderr
    };
    let many = drawn("100000");
    assert!(
        many.contains("drawing the scenes of 101400 images"),
        "{many}"
    );
    assert!(!drawn("1000").contains("drawing"));
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
