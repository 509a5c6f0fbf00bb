//! Bad input gets one clear error with a documented exit code.

use std::fs;

use crate::support::{Place, small_training};

#[test]
fn an_image_size_that_does_not_divide_is_refused_with_those_that_do() {
    let place = Place::new();
    let dry = |set: &'static str| small_training(&["--dry-run", "--set", set]);
    let check = |size: &'static str, words: &[&str]| place.fails(2, words, &dry(size));
    check(
        "dataset.image_size=17",
        &[
            "17 pixels",
            "`dataset.image_size=16` or `dataset.image_size=32`",
        ],
    );
    place.ok(&dry("dataset.image_size=32"));
    // Windows of the Swin encoder, whose stages halve the grid.
    let swin = |size: &str| {
        let set = format!("dataset.image_size={size}");
        place.run(&["plan", "--preset", "48gb", "--set", &set])
    };
    let refused = swin("500");
    assert_eq!(refused.code, Some(2));
    let flat = refused
        .stderr
        .split_whitespace()
        .filter(|word| *word != "|");
    let flat = flat.collect::<Vec<_>>().join(" ");
    assert!(
        flat.contains("`dataset.image_size=480` or `dataset.image_size=960`"),
        "{flat}"
    );
    assert_eq!(
        swin("960").code,
        Some(7),
        "such an encoder can be built, and takes more memory"
    );
}

#[test]
fn an_answer_list_without_common_answers_is_refused_with_the_most_common_count() {
    let place = Place::new();
    let set = "answers.min_count=1000";
    let words = [
        "answers.min_count",
        "1000 samples",
        "set `answers.min_count` to at most",
    ];
    place.fails(3, &words, &small_training(&["--dry-run", "--set", set]));
}

#[test]
fn configuration_errors_name_place_and_cure() {
    let place = Place::new();
    let cases: &[(&str, &[&str])] = &[
        (
            "[training]\nbach_size = 4\n",
            &["bach_size", "batch_size", "bad.toml:2:1"],
        ),
        ("[trainin]\nlr = 1e-3\n", &["trainin", "training"]),
        (
            "[training]\nbatch_size = \"four\"\n",
            &["batch_size", "integer"],
        ),
        ("[training]\nlr = -1.0\n", &["training.lr", "0"]),
        (
            "[memory_optimization]\nmax_memory_usage = 1.5\n",
            &["max_memory_usage", "1"],
        ),
        ("[schedule]\nfine = \"cosin\"\n", &["cosin", "cosine"]),
        ("[training]\nlr = \n", &["bad.toml:2"]),
        ("extends = \"23gb\"\n", &["23gb", "24gb"]),
        ("[model]\nnum_hid = 100\nheads = 8\n", &["num_hid", "heads"]),
        (
            "[training]\nupdate_freq = 2\n[memory_optimization]\ngradient_accumulation_steps = 3\n",
            &["update_freq", "gradient_accumulation_steps"],
        ),
    ];
    for (text, words) in cases {
        place.file("bad.toml", text);
        place.fails(2, words, &["train", "--dry-run", "--config", "bad.toml"]);
    }
    place.fails(2, &["22gb", "24gb"], &["train", "--preset", "22gb"]);
    place.fails(
        2,
        &["22gb", "did you mean \"24gb\"?"],
        &["presets", "show", "22gb"],
    );
    for preset in [
        &["train", "--preset", "nowhere.toml"][..],
        &["presets", "diff", "24gb", "nowhere.toml"],
    ] {
        place.fails(2, &["nowhere.toml", "No such file"], preset);
    }
    place.fails(
        2,
        &["training.leaning_rate"],
        &["train", "--set", "training.leaning_rate=1"],
    );
    place.fails(2, &["nowhere.toml"], &["train", "--config", "nowhere.toml"]);
    place.fails(2, &["--no-such-flag"], &["train", "--no-such-flag"]);
}

#[test]
fn a_cycle_of_presets_is_named() {
    let place = Place::new();
    place.file("a.toml", "extends = \"b.toml\"\n");
    place.file("b.toml", "extends = \"a.toml\"\n");
    place.fails(
        2,
        &["a.toml", "b.toml"],
        &["train", "--dry-run", "--preset", "a.toml"],
    );
}

/// An easy-vqa folder with one image and one question a split.
fn easy_vqa(place: &Place, questions: &str) {
    let png = png(place);
    for split in ["train", "test"] {
        place.file(&format!("data/easy-vqa/{split}/questions.json"), questions);
        place.file(&format!("data/easy-vqa/{split}/images/0.png"), &png);
        place.file(&format!("data/easy-vqa/{split}/images/1.png"), &png);
    }
    place.file("data/easy-vqa/answers.txt", "red\nblue\n");
}

fn png(place: &Place) -> Vec<u8> {
    let path = place.path().join("one/0.png");
    if !path.exists() {
        place.ok(&[
            "data", "export", "--preset", "cpu", "--count", "1", "--to", "one",
        ]);
    }
    fs::read(path).expect("an exported image")
}

const QUESTIONS: &str = r#"[["what color is it?", "red", 0], ["what color is it?", "blue", 1]]"#;

#[test]
fn data_errors_name_file_and_cure() {
    let place = Place::new();
    let train = || {
        small_training(&[
            "--dataset",
            "easy-vqa",
            "--set",
            "dataset.validation_fraction=0.5",
            "--set",
            "training.epochs=1",
        ])
    };
    place.fails(3, &["easy-vqa", "aoa data fetch easy-vqa"], &train());

    easy_vqa(&place, "[[\"what color is it?\", \"red\", 0],\n oops]");
    place.fails(3, &["train/questions.json", "line 2"], &train());

    easy_vqa(&place, r#"[["what color is it?", "rad", 0]]"#);
    place.fails(3, &["questions.json", "rad", "red"], &train());

    easy_vqa(&place, &QUESTIONS.replace(", 1]", ", 7]"));
    place.fails(
        3,
        &["7.png", "is missing", "train/questions.json", "entry 1"],
        &train(),
    );

    // The coarse branch has 512 positions.
    let long = vec!["red"; 600].join(" ");
    easy_vqa(
        &place,
        &QUESTIONS.replace("\"red\"", &format!("\"{long}\"")),
    );
    place.file("data/easy-vqa/answers.txt", format!("{long}\nblue\n"));
    let words = ["the answer red red red", "602 word pieces", "up to 512"];
    let sets = ["--set", "model.branches=coarse", "--set", "xvlm.dropout=0"];
    let coarse = [&train()[..], &sets].concat();
    place.fails(3, &words, &coarse);
    place.fails(3, &words, &[&coarse[..], &["--dry-run"]].concat());
    assert!(!place.path().join("run").exists());

    easy_vqa(&place, QUESTIONS);
    for image in ["train/images/0.png", "train/images/1.png"] {
        let image = place.path().join("data/easy-vqa").join(image);
        let whole = fs::read(&image).expect("the image");
        fs::write(&image, &whole[..whole.len() / 2]).expect("write");
    }
    place.fails(3, &["images/", ".png"], &train());
}

#[test]
fn files_that_arguments_name() {
    let place = Place::new();
    place.ok(&small_training(&[]));
    place.file("text.png", "not a picture");
    place.fails(
        3,
        &["nowhere.png"],
        &["ask", "what?", "--image", "nowhere.png", "--run", "run"],
    );
    place.fails(
        3,
        &["text.png"],
        &["ask", "what?", "--image", "text.png", "--run", "run"],
    );
    place.fails(5, &["text.png", "config.toml"], &["eval", "text.png"]);
    place.fails(5, &["nowhere"], &["train", "--resume", "nowhere"]);
    place.fails(
        5,
        &["already holds a run", "--resume"],
        &small_training(&[]),
    );
    place.fails(
        5,
        &["text.png/run"],
        &small_training(&["--set", "logging.run_dir=text.png/run"]),
    );
    // Without any whole checkpoint.
    for entry in fs::read_dir(place.path().join("run/checkpoints"))
        .expect("checkpoints")
        .flatten()
    {
        let weights = entry.path().join("model.bpk");
        if weights.exists() {
            fs::write(weights, "damaged").expect("write");
        }
    }
    place.fails(5, &["no usable checkpoint", "model.bpk"], &["eval", "run"]);
    place.fails(5, &["no usable checkpoint"], &["train", "--resume", "run"]);
}

#[test]
fn a_run_whose_files_were_changed() {
    let place = Place::new();
    place.ok(&small_training(&[]));
    place.file("shapes.png", png(&place));
    let ask = ["ask", "what?", "--image", "shapes.png", "--run", "run"];
    place.ok(&ask);
    for file in [
        "config.toml",
        "vocabulary.json",
        "answers.json",
        "model.json",
    ] {
        let path = place.path().join("run").join(file);
        let whole = fs::read(&path).expect("a file of the run");
        for damaged in [&b"[\"a\"]"[..], b"", &whole[..whole.len() - 1]] {
            fs::write(&path, damaged).expect("write");
            let words = [file, "changed since the run began"];
            place.fails(5, &words, &ask);
            place.fails(5, &words, &["eval", "run"]);
            place.fails(5, &words, &["train", "--resume", "run"]);
        }
        fs::write(&path, whole).expect("write");
    }
    place.ok(&ask);
}

#[test]
fn a_resumed_run_is_not_made_another() {
    let place = Place::new();
    place.ok(&small_training(&["--stop-after", "1"]));
    for (set, key) in [
        ("training.lr=0.1", "training.lr"),
        ("dataset.image_size=128", "dataset.image_size"),
        ("training.batch_size=1", "training.batch_size"),
        ("dataset.name=easy-vqa", "dataset.name"),
    ] {
        place.fails(
            2,
            &[key, "keeps"],
            &["train", "--resume", "run", "--set", set],
        );
    }
    place.fails(
        2,
        &["dataset.name"],
        &["train", "--resume", "run", "--dataset", "easy-vqa"],
    );
    place.ok(&[
        "train",
        "--resume",
        "run",
        "--set",
        "logging.every_steps=3",
        "--stop-after",
        "1",
    ]);
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_is_lost_and_input_without_end() {
    let place = Place::new();
    let full = fs::File::create("/dev/full").expect("/dev/full");
    let status = place
        .command(&["presets", "list"])
        .stdout(full)
        .status()
        .expect("it runs");
    assert_eq!(status.code(), Some(1));
    place.fails(
        2,
        &["/dev/zero", "it is not a regular file"],
        &["train", "--dry-run", "--config", "/dev/zero"],
    );
    place.fails(
        2,
        &["/dev/zero", "it is not a regular file"],
        &["train", "--dry-run", "--preset", "/dev/zero"],
    );
    place.ok(&small_training(&[]));
    place.fails(
        3,
        &["/dev/zero", "it is not a regular file"],
        &["ask", "what?", "--image", "/dev/zero", "--run", "run"],
    );
}

#[test]
fn no_run_yet() {
    Place::new().fails(5, &["no run under runs/", "aoa train"], &["eval"]);
}

/// A terminal would obey these: a colour, an erased screen, an end of the text, a text that runs backwards.
const OBEYED: [&str; 5] = ["\x1b[31m", "\u{9b}2J", "\x07", "\u{202e}", "\r"];

#[test]
fn foreign_text_cannot_command_a_terminal() {
    let place = Place::new();
    let config = format!("[training]\nbatch_size = '{}'\n", OBEYED.concat());
    place.file("odd.toml", &config);
    let odd = OBEYED.concat() + ".toml";
    place.file(&odd, "[training]\nbatch_size = 'many'\n");
    let name = OBEYED.concat();
    for args in [
        &["plan", "--config", "odd.toml"][..],
        &["plan", "--config", &odd],
        &["plan", "--preset", &name],
        &["plan", &name],
        &["ask", &name, "--image", &name],
        &["presets", "show", &name],
        &["presets", "import", &odd],
        &["eval", &name],
        &["weights", "inspect", &name],
        &[
            "config",
            "show",
            "--preset",
            "cpu",
            "--set",
            "dataset.root=\"a\\u001b\\u202e\"",
        ],
        &[
            "config",
            "show",
            "--json",
            "--preset",
            "cpu",
            "--set",
            "dataset.root=\"a\\u009b\\u202e\"",
        ],
    ] {
        let outcome = place.run(args);
        // A file's own text is for programs.
        let shown = match args[..2] {
            ["config", _] if !args.contains(&"--json") => outcome.stderr.clone(),
            _ => outcome.stdout.clone() + &outcome.stderr,
        };
        for obeyed in OBEYED {
            assert!(!shown.contains(obeyed), "{args:?} {obeyed:?}: {shown:?}");
        }
    }
}
