//! Programs that are put together from other parts: the examples of this crate.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::{Place, small_training};

/// The program of an example, which Cargo builds beside the program itself.
fn example(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_aoa"));
    let folder = program.parent().expect("a folder");
    folder
        .join("examples")
        .join(name)
        .with_extension(std::env::consts::EXE_EXTENSION)
}

fn run(place: &Place, name: &str, args: &[&str]) -> Output {
    let command = place.command(&[]);
    let mut own = std::process::Command::new(example(name));
    own.args(args).current_dir(place.path());
    own.envs(
        command
            .get_envs()
            .filter_map(|(key, value)| Some((key, value?))),
    );
    own.output()
        .expect("`cargo test --workspace` builds the examples; `cargo build --workspace --examples` does so alone")
}

#[track_caller]
fn stdout(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn another_model_is_planned_trained_and_asked() {
    let place = Place::new();
    stdout(&run(&place, "own_model", &small_training(&[])));
    let evaluated = stdout(&run(&place, "own_model", &["eval", "run"]));
    assert!(evaluated.contains("accuracy"), "{evaluated}");
    let refused = run(
        &place,
        "own_model",
        &["weights", "export", "run", "--to", "w.safetensors"],
    );
    assert!(!refused.status.success(), "it has no published form");
}

#[test]
fn another_data_set_is_learned() {
    let place = Place::new();
    let sets = [
        "train",
        "--preset",
        "cpu",
        "--set",
        "dataset.image_size=16",
        "--set",
        "training.epochs=12",
        "--set",
        "training.batch_size=16",
        "--set",
        "training.update_freq=1",
        "--set",
        "model.num_hid=32",
        "--set",
        "evaluation.question_only_epochs=1",
    ];
    stdout(&run(&place, "own_data", &sets));
    let runs = place.path().join("runs");
    let run_dir = std::fs::read_dir(runs)
        .expect("runs")
        .next()
        .expect("a run");
    let summary = run_dir.expect("a run").path().join("summary.json");
    let summary = std::fs::read(summary).expect("summary.json");
    let summary: serde_json::Value = serde_json::from_slice(&summary).expect("JSON");
    let figure = |name: &str| summary[name].as_f64().expect("it is measured");
    assert!(figure("test_accuracy") > 0.9, "{summary}");
    assert!(figure("question_only_accuracy") < 0.5, "{summary}");
}

#[test]
fn another_probe_finds_what_presets_are_chosen_for() {
    let place = Place::new();
    let found = stdout(&run(&place, "own_probe", &["probe"]));
    assert!(found.contains("Imagined Accelerator"), "{found}");
    let planned = run(&place, "own_probe", &["config", "show"]);
    let text = stdout(&planned) + &String::from_utf8_lossy(&planned.stderr);
    assert!(text.contains("24gb"), "{text}");
}
