//! Presets for cards of any size.

use std::fs;

use nvml_stand_in::{Card, Cards};
use serde_json::Value;

use crate::support::Place;

const GIB: u64 = 1 << 30;

/// What `aoa presets derive --json` answers.
fn derived(place: &Place, args: &[&str]) -> Value {
    let outcome = place.ok(&[&["presets", "derive", "--json"], args].concat());
    serde_json::from_str(&outcome.stdout).expect("JSON")
}

#[test]
fn a_derived_preset_trains_and_plans_like_one_of_the_program() {
    let place = Place::new();
    let args = ["--vram", "8GB", "--to", "8gb.toml"];
    let answer = derived(&place, &args);
    let written = fs::read_to_string(place.path().join("8gb.toml")).expect("the file");
    assert_eq!(answer["toml"], written);
    assert_eq!(answer["fits"], true);
    for decision in answer["decisions"].as_array().expect("decisions") {
        let line = decision["key"].as_str().and_then(|key| key.split_once('.'));
        let (_, name) = line.expect("a key");
        let reason = decision["reason"].as_str().expect("a reason");
        let stated = |line: &str| line.starts_with(name) && line.ends_with(reason);
        assert!(written.lines().any(stated), "{decision} in {written}");
    }

    // The plan is that of `aoa plan`.
    let plan = place.ok(&["plan", "--json", "--preset", "8gb.toml"]);
    let plan: Value = serde_json::from_str(&plan.stdout).expect("JSON");
    for key in ["peak_bytes", "budget_bytes", "fits"] {
        assert_eq!(plan[key], answer[key], "{key}");
    }
    for with in ["--preset", "--config"] {
        let dry = place.ok(&["train", "--dry-run", "--json", with, "8gb.toml"]);
        let dry: Value = serde_json::from_str(&dry.stdout).expect("JSON");
        assert_eq!(dry["effective_batch"], 32, "{with}");
        assert_eq!(
            dry["config"]["training"]["batch_size"],
            answer_batch(&answer),
            "{with}"
        );
    }

    // What is there is replaced only on demand.
    let again = [&["presets", "derive"][..], &args].concat();
    place.fails(2, &["8gb.toml exists already"], &again);
    let other = [
        "presets", "derive", "--vram", "20GB", "--to", "8gb.toml", "--force",
    ];
    assert_eq!(place.ok(&other).stdout, "");
    let replaced = fs::read_to_string(place.path().join("8gb.toml")).expect("the file");
    assert_ne!(replaced, written);
}

/// The micro-batch that a derived preset states.
fn answer_batch(answer: &Value) -> Value {
    let decisions = answer["decisions"].as_array().expect("decisions");
    let batch = decisions
        .iter()
        .find(|one| one["key"] == "training.batch_size");
    batch.expect("a micro-batch")["value"].clone()
}

#[test]
fn without_a_size_it_is_for_the_largest_card_here() {
    let cards = [20, 44].map(|gib| Card::new("NVIDIA Test Card", gib * GIB));
    let place = Place::new().with_library(&Cards::new(cards.into()));
    let answer = derived(&place, &["--host-memory", "1GiB"]);
    assert_eq!(answer["memory_bytes"], 44 * GIB);
    assert_eq!(answer["extends"], "48gb");
    let decisions = answer["decisions"].as_array().expect("decisions");
    let keys: Vec<_> = decisions.iter().map(|one| &one["key"]).collect();
    // All that is different is what the host has no memory for.
    let own = [
        "preset.min_host_memory",
        "data_loading.preload_data",
        "memory_optimization.prefetch_factor",
    ];
    assert_eq!(keys[1..], own, "{answer}");

    let none = Place::new();
    none.fails(4, &["no card", "--vram 16GiB"], &["presets", "derive"]);
    for size in ["big", "16", "0", "0GiB"] {
        let words = ["--vram", "with a unit", "such as 16GiB"];
        none.fails(2, &words, &["presets", "derive", "--vram", size]);
    }
    let words = ["memory_budget", "with a unit", "16"];
    none.fails(2, &words, &["config", "show", "--memory-budget", "16"]);
}

#[test]
fn a_card_that_nothing_fits_is_an_error_that_says_what_would() {
    let place = Place::new();
    let args = ["presets", "derive", "--vram", "1GiB", "--to", "none.toml"];
    place.fails(7, &["X-VLM frozen", "needs a card of", "image_size"], &args);
    assert!(!place.path().join("none.toml").exists());
}

#[test]
fn a_frozen_branch_is_said_to_be_random_without_weights() {
    let place = Place::new();
    fs::create_dir(place.path().join("mine")).expect("a folder");
    let derive = [
        "presets",
        "derive",
        "--vram",
        "4GiB",
        "--to",
        "mine/4gib.toml",
    ];
    let said = place.ok(&derive).stderr;
    let written = fs::read_to_string(place.path().join("mine/4gib.toml")).expect("the file");
    for text in [said, written] {
        let words = ["frozen at random", "`xvlm.weights`"];
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
    // That a run may add the weights is no fault of the preset.
    place.ok(&["presets", "check", "--dir", "mine"]);
}
