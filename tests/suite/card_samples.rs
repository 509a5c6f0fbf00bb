//! What the card says while a run trains, in `memory.jsonl`. The stand-in library plays the card, the CPU trains.

use std::fs;
use std::time::Duration;

use aoa_model::Vqa;
use integration_tests::Silent;
use nvml_stand_in::{Card, Cards, GIB, Mig, MigInstance};
use serde_json::Value;
use tempfile::TempDir;
use trainer::memory::{CardMeter, DeviceMemory, Meter, Usage};

use crate::runs::{small, start_within};

/// A machine of two cards, whose second one is looked at.
fn meter(folder: &TempDir, card: Card) -> CardMeter {
    let other = Card::new("another", 8 * GIB);
    let library = Cards::new(vec![other, card]).install(folder.path());
    CardMeter::open(1, Some(&library.expect("the stand-in"))).expect("the card")
}

fn busy() -> Card {
    Card {
        memory_used: 3 * GIB,
        gpu_utilization: 71,
        temperature: 66,
        power: 287_500,
        ..Card::new("NVIDIA Test Card", 24 * GIB)
    }
}

/// Lines of `memory.jsonl` of a run that the meter watches.
fn lines(folder: &TempDir, card: &CardMeter) -> Vec<Value> {
    let settings = small(&["dataset.shapes_train_images=8", "training.epochs=2"]);
    let run_dir = folder.path().join("run");
    let memory = DeviceMemory {
        card: Some(card),
        ..DeviceMemory::default()
    };
    start_within::<Vqa>(&settings, &run_dir, false, None, memory, &mut Silent).expect("a run");
    let text = fs::read_to_string(run_dir.join("memory.jsonl")).expect("memory.jsonl");
    let lines = text.lines().map(serde_json::from_str);
    lines.map(|line| line.expect("JSON")).collect()
}

fn samples(lines: &[Value]) -> Vec<&Value> {
    let samples = lines
        .iter()
        .filter_map(|line| line["card_samples"].as_array());
    samples.flatten().collect()
}

#[test]
fn a_run_logs_what_the_card_says_between_reports() {
    let folder = TempDir::new().expect("a folder");
    let card = meter(&folder, busy()).sampling(Duration::from_millis(2));
    let lines = lines(&folder, &card);
    let samples = samples(&lines);
    assert!(samples.len() >= 2, "{lines:?}");
    for sample in &samples {
        assert_eq!(sample["index"], 1);
        assert_eq!(sample["memory"]["used"], 3 * GIB);
        assert_eq!(sample["utilization"]["gpu_percent"], 71);
        assert_eq!(sample["temperature_celsius"], 66);
        assert_eq!(sample["power_watts"], 287.5);
    }
    let seconds: Vec<_> = samples.iter().map(|one| one["seconds"].as_f64()).collect();
    assert!(seconds.is_sorted(), "{seconds:?}");
    for line in &lines {
        assert_eq!(line["card"]["live_bytes"], 3 * GIB, "{line}");
    }
}

#[test]
fn the_interval_decides_how_many_samples_there_are() {
    let folder = TempDir::new().expect("a folder");
    let card = meter(&folder, busy()).sampling(Duration::from_hours(1));
    assert_eq!(samples(&lines(&folder, &card)).len(), 1);

    let folder = TempDir::new().expect("a folder");
    let card = meter(&folder, busy());
    let lines = lines(&folder, &card);
    assert!(samples(&lines).is_empty());
    assert!(
        lines.iter().all(|line| line["card"].is_object()),
        "{lines:?}"
    );
}

#[test]
fn a_card_that_does_not_tell_its_memory_is_no_usage() {
    let folder = TempDir::new().expect("a folder");
    let lost = Card {
        lost_after: Some(0),
        ..busy()
    };
    assert_eq!(meter(&folder, lost).take(), None);
    let folder = TempDir::new().expect("a folder");
    let instance = MigInstance::new("one", "MIG-1", GIB);
    let split = Card {
        mig: Mig::Enabled(vec![instance]),
        ..busy()
    };
    let usage = Usage {
        live_bytes: 3 * GIB,
        peak_bytes: 3 * GIB,
        reserved_bytes: 3 * GIB,
    };
    assert_eq!(meter(&folder, split).take(), Some(usage));
    assert!(CardMeter::open(7, Some(&folder.path().join("libnvidia-ml.so.1"))).is_err());
}
