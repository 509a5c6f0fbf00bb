//! Configurations shown, explained and compared.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Place, small_training};

fn repository_file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    fs::read_to_string(path).expect("a file of the repository")
}

#[test]
fn origins_with_what_they_overrode() {
    let place = Place::new();
    place.file("base.toml", "training.epochs = 1\n");
    place.file(
        "over.toml",
        "extends = \"base.toml\"\ntraining.epochs = 2\n",
    );
    place.file("my.toml", "[training]\nepochs = 3\n");
    let show = [
        "config",
        "show",
        "--origin",
        "--preset",
        "over.toml",
        "--config",
        "my.toml",
        "--set",
        "training.epochs=5",
    ];
    let run = |more: &[&str]| {
        let output = place
            .command(&[&show[..], more].concat())
            .env("AOA_TRAINING__EPOCHS", "4")
            .output()
            .expect("it runs");
        assert!(output.status.success());
        String::from_utf8(output.stdout).expect("text")
    };
    let chain = "\
epochs = 5  # --set training.epochs=5
#   overrides 4 (environment variable AOA_TRAINING__EPOCHS)
#   overrides 3 (my.toml:2)
#   overrides 2 (preset over.toml:2)
#   overrides 1 (preset base.toml:1)
#   overrides 20 (default)
";
    let text = run(&[]);
    assert!(text.contains(chain), "{text}");
    let keys: Vec<Value> = serde_json::from_str(&run(&["--json"])).expect("JSON");
    let epochs = keys.iter().find(|one| one["key"] == "training.epochs");
    let epochs = epochs.expect("the key");
    assert_eq!(epochs["value"], 5);
    assert_eq!(
        epochs["origin"],
        json!({"layer": "flag", "text": "training.epochs=5"})
    );
    let below = |index: usize| &epochs["overrides"][index];
    assert_eq!(
        below(2),
        &json!({"value": 2, "origin":
            {"layer": "preset", "preset": "over.toml", "file": "over.toml", "line": 2}})
    );
    assert_eq!(
        below(4),
        &json!({"value": 20, "origin": {"layer": "default"}})
    );
    assert_eq!(below(5), &Value::Null);
}

#[test]
fn presets_side_by_side() {
    let place = Place::new();
    let two = place.ok(&["presets", "diff", "48gb", "24gb"]);
    let size = "\
training.batch_size
  48gb  16  preset 48gb, configs/48gb.toml:";
    assert!(two.stdout.contains(size), "{}", two.stdout);
    assert!(
        two.stdout.contains(" - takes less device memory\n"),
        "{}",
        two.stdout
    );
    assert!(!two.stdout.contains("training.seed"));
    assert!(two.stderr.contains("keys differ of"), "{}", two.stderr);

    place.file("mine.toml", "extends = \"24gb\"\ntraining.seed = 7\n");
    let args = [
        "presets",
        "diff",
        "24gb",
        "24gb-tight",
        "mine.toml",
        "--json",
    ];
    let read = |args: &[&str]| -> Vec<Value> {
        serde_json::from_str(&place.ok(args).stdout).expect("JSON")
    };
    let rows = read(&args);
    let keys: Vec<&str> = rows.iter().filter_map(|row| row["key"].as_str()).collect();
    assert!(
        keys.contains(&"training.seed") && keys.contains(&"training.batch_size"),
        "{keys:?}"
    );
    assert!(!keys.contains(&"training.epochs"));
    let seed = rows
        .iter()
        .find(|row| row["key"] == "training.seed")
        .expect("the key");
    let values = |index: usize| &seed["columns"][index]["value"];
    assert_eq!([values(0), values(1), values(2)], [1, 1, 7]);
    let all = read(&[&args[..], &["--all"]].concat());
    assert!(all.len() > rows.len());
    assert!(all.iter().any(|row| row["key"] == "training.epochs"));

    let same = place.ok(&["presets", "diff", "24gb", "24gb"]);
    assert_eq!(same.stdout, "");
    place.fails(2, &["2 values required"], &["presets", "diff", "24gb"]);
    place.fails(2, &["22gb", "24gb"], &["presets", "diff", "24gb", "22gb"]);
    place.file("bad.toml", "[training]\nbach_size = 1\n");
    place.fails(
        2,
        &["bad.toml:2:1", "batch_size"],
        &["presets", "diff", "24gb", "bad.toml"],
    );
}

#[test]
fn runs_side_by_side() {
    let place = Place::new();
    let stop = [
        "--stop-after",
        "1",
        "--set",
        "evaluation.question_only_epochs=0",
    ];
    place.ok(&small_training(&stop));
    place.ok(&small_training(
        &[
            &stop[..],
            &[
                "--set",
                "logging.run_dir=other",
                "--set",
                "training.lr=1e-3",
            ],
        ]
        .concat(),
    ));
    let text = place.ok(&["runs", "diff", "run", "other"]).stdout;
    assert!(
        text.contains("training.lr\n  run    0.0006  preset cpu, configs/cpu.toml:"),
        "{text}"
    );
    assert!(
        text.contains("\n  other  0.001   --set training.lr=1e-3; other/config.toml:"),
        "{text}"
    );
    let rows: Vec<Value> =
        serde_json::from_str(&place.ok(&["runs", "diff", "run", "other", "--json"]).stdout)
            .expect("JSON");
    let keys: Vec<&str> = rows.iter().filter_map(|row| row["key"].as_str()).collect();
    assert_eq!(keys, ["training.lr", "logging.run_dir"]);
    assert_eq!(
        rows[0]["columns"][1]["origin"]["noted"],
        "--set training.lr=1e-3"
    );
    place.fails(5, &["nowhere"], &["runs", "diff", "run", "nowhere"]);
}

#[test]
fn schema_and_guides_are_those_of_the_repository() {
    let place = Place::new();
    for (args, path) in [
        (&["config", "schema"][..], "configs/schema.json"),
        (&["presets", "guide"], "docs/guide.md"),
        (&["presets", "guide", "--lang", "en"], "docs/guide.md"),
        (&["presets", "guide", "--lang", "zh"], "docs/guide.zh-CN.md"),
    ] {
        assert_eq!(place.ok(args).stdout, repository_file(path), "{args:?}");
    }
    place.fails(
        2,
        &["klingon", "zh"],
        &["presets", "guide", "--lang", "klingon"],
    );
}
