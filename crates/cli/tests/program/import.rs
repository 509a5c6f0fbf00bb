//! Presets out of YAML.

use std::fs;

use serde_json::Value;

use crate::support::Place;

const YAML: &str = "\
AOA_layers: 4  # 减少模型复杂度
lr: 2.5e-4
memory_optimization:
  num_workers: 8
  pin_memory: true
";

#[test]
fn a_preset_out_of_yaml() {
    let place = Place::new();
    place.file("theirs.yaml", YAML);
    let out = place.ok(&["presets", "import", "theirs.yaml"]);
    assert!(
        out.stdout.contains("aoa_layers = 4  # 减少模型复杂度\n"),
        "{}",
        out.stdout
    );
    for line in [
        "theirs.yaml:1: `AOA_layers` taken as `model.aoa_layers`",
        "theirs.yaml:4: `memory_optimization.num_workers` taken",
        "theirs.yaml:5: `memory_optimization.pin_memory` left out, it is not known",
    ] {
        assert!(out.stderr.contains(line), "{}", out.stderr);
    }
    let to = ["presets", "import", "theirs.yaml", "--to", "mine.toml"];
    let report = place.ok(&to);
    assert_eq!(report.stdout.lines().count(), 4, "{}", report.stdout);
    let written = fs::read_to_string(place.path().join("mine.toml")).expect("the preset");
    assert_eq!(written, out.stdout);
    let device = |preset: &str| {
        let shown = place.ok(&["config", "show", "--preset", preset]);
        shown.stdout.contains("min_device_memory = \"\"")
    };
    assert!(device("./mine.toml"), "for machines without GPU");
    assert!(out.stderr.contains("--vram 24GiB"), "{}", out.stderr);
    let card = [
        "presets",
        "import",
        "theirs.yaml",
        "--vram",
        "24GiB",
        "--to",
        "card.toml",
    ];
    let imported = place.ok(&card);
    assert!(!imported.stderr.contains("--vram"), "{}", imported.stderr);
    assert!(!device("./card.toml"), "for a GPU");
    let written = fs::read_to_string(place.path().join("card.toml")).expect("the preset");
    assert!(
        written.contains("min_device_memory = \"24GiB\""),
        "{written}"
    );

    place.fails(2, &["mine.toml exists", "--force"], &to);
    let again = place.ok(&[&to[..], &["--force", "--json"]].concat());
    let report: Vec<Value> = serde_json::from_str(&again.stdout).expect("JSON");
    let became: Vec<_> = report.iter().map(|key| key["became"].as_str()).collect();
    assert_eq!(became, ["renamed", "renamed", "taken", "unknown"].map(Some));
    assert_eq!(
        (&report[0]["to"], &report[3]["line"]),
        (&"model.aoa_layers".into(), &5.into())
    );
}

#[test]
fn a_file_that_cannot_be_imported_leaves_none() {
    let place = Place::new();
    let import = ["presets", "import", "theirs.yaml", "--to", "mine.toml"];
    place.file("theirs.yaml", "num_workers: 0\nlr: fast\nzebra: 1\n");
    let words = [
        "theirs.yaml:1",
        "num_workers",
        "out of range",
        "theirs.yaml:2",
        "training.lr",
    ];
    place.fails(2, &words, &import);
    let report = place.run(&import).stdout;
    assert!(
        report.contains("theirs.yaml:3: `zebra` left out"),
        "{report}"
    );
    place.file("theirs.yaml", "[".repeat(10_000));
    place.fails(2, &["nested more than"], &import);
    place.file("theirs.yaml", "#".repeat(10_000_000));
    place.fails(2, &["theirs.yaml", "more than"], &import);
    place.file("theirs.yaml", b"lr: \xff\n");
    place.fails(2, &["theirs.yaml"], &import);
    place.fails(2, &["nowhere.yaml"], &["presets", "import", "nowhere.yaml"]);
    place.fails(
        2,
        &["--to"],
        &["presets", "import", "theirs.yaml", "--force"],
    );
    assert!(!place.path().join("mine.toml").exists());
}

#[cfg(unix)]
#[test]
fn only_a_regular_file_is_replaced() {
    use std::os::unix::fs::{FileTypeExt, symlink};

    let place = Place::new();
    place.file("theirs.yaml", YAML);
    let pipe = place.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()));
    place.file("folder/kept.toml", "");
    symlink("nowhere", place.path().join("dangling")).expect("a link");
    let import: &[&str] = &["presets", "import", "theirs.yaml", "--to"];
    let derive: &[&str] = &["presets", "derive", "--vram", "16GiB", "--to"];
    for command in [import, derive] {
        for force in [&[][..], &["--force"]] {
            let to = |name| [command, &[name], force].concat();
            for name in ["pipe", "folder"] {
                let message = format!("{name} is not a regular file");
                place.fails(2, &[&message], &to(name));
                let said = place.run(&to(name)).stderr;
                assert!(!said.contains("--force"), "{said}");
            }
            place.fails(1, &["cannot write dangling"], &to("dangling"));
            place.fails(
                1,
                &["cannot write nodir/x.toml: No such file"],
                &to("nodir/x.toml"),
            );
            let said = place.run(&to("nodir/x.toml")).stderr;
            assert!(!said.contains(".partial"), "{said}");
        }
    }
    let kind = fs::symlink_metadata(&pipe)
        .expect("it is there")
        .file_type();
    assert!(kind.is_fifo());

    // A link stays, and what it leads to is replaced.
    symlink("folder/kept.toml", place.path().join("link")).expect("a link");
    place.fails(
        2,
        &["link exists already", "--force"],
        &[import, &["link"]].concat(),
    );
    place.ok(&[import, &["link", "--force"]].concat());
    assert!(place.path().join("link").is_symlink());
    let kept = fs::read_to_string(place.path().join("folder/kept.toml")).expect("the preset");
    assert!(kept.contains("aoa_layers = 4"), "{kept}");
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_not_waited_for() {
    let place = Place::new();
    let pipe = place.path().join("pipe.toml");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()));
    let words = ["pipe.toml: it is not a regular file"];
    place.fails(2, &words, &["presets", "import", "pipe.toml"]);
    for option in ["--config", "--preset"] {
        place.fails(2, &words, &["config", "show", option, "pipe.toml"]);
    }
    // What may be read without an end is not read at all.
    let words = ["/dev/zero: it is not a regular file"];
    place.fails(2, &words, &["config", "show", "--preset", "/dev/zero"]);
}
