//! Answers to whole files of questions, in the forms that servers take, and what they are worth.
//!
//! `AOA_FORMATS` names a folder with further samples of the layouts and their results, which are predicted, too.
//!
//! One file because all tests predict with the trained runs that the helpers at its top make.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Outcome, Place};

/// Settings of a training of a second, behind `train`.
const TRAIN: &str = "--preset cpu --dataset folder --data-root ds --set training.epochs=1 --set evaluation.question_only_epochs=0 \
                     --set dataset.image_size=32 --set logging.run_dir=run";

fn copies() -> Vec<PathBuf> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data-import/tests/formats");
    let theirs = std::env::var_os("AOA_FORMATS").map(PathBuf::from);
    [ours].into_iter().chain(theirs).collect()
}

fn formats() -> PathBuf {
    copies().swap_remove(0)
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// A run on the sample of a layout, imported to `ds`.
fn trained_on(source: &Path, more: &str) -> Place {
    let place = Place::new();
    let source = source.to_str().expect("a path");
    place.ok(&["data", "import", source, "--to", "ds"]);
    place.ok(&words(&format!("train {TRAIN} {more}")));
    place
}

fn json_of(place: &Place, file: &str) -> Value {
    let text = fs::read_to_string(place.path().join(file)).expect("the file");
    serde_json::from_str(&text).expect("JSON")
}

fn lines_of(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn file(place: &Place, name: &str) -> String {
    fs::read_to_string(place.path().join(name)).expect("the file")
}

/// Compares a result with one of other answers: ids with their types, their order, all names; and answers are of the list.
#[track_caller]
fn same_questions(place: &Place, written: &str, expected: &Path, answer: &str) {
    let list = json_of(place, "run/answers.json");
    let list = list.as_array().expect("a list");
    let without_answers = |mut result: Value| {
        for entry in result.as_array_mut().expect("a list") {
            let removed = entry.as_object_mut().expect("an object").remove(answer);
            assert!(removed.is_some_and(|answer| answer.is_string() && answer != ""));
        }
        result
    };
    let result = json_of(place, written);
    for entry in result.as_array().expect("a list") {
        assert!(list.contains(&entry[answer]), "{entry}");
    }
    let expected = fs::read_to_string(expected).expect("the expected result");
    let expected = serde_json::from_str(&expected).expect("JSON");
    assert_eq!(without_answers(result), without_answers(expected));
}

#[test]
fn results_have_every_question_in_its_order_with_its_official_id() {
    for formats in copies() {
        for (layout, format, questions, result, answer) in [
            (
                "vqa2",
                "vqa",
                "v2_OpenEnded_mscoco_test2015_questions.json",
                "vqa2_test2015",
                "answer",
            ),
            (
                "gqa",
                "gqa",
                "test_balanced_questions.json",
                "gqa_test",
                "prediction",
            ),
            (
                "vizwiz",
                "vizwiz",
                "Annotations/test.json",
                "vizwiz_test",
                "answer",
            ),
        ] {
            let place = trained_on(&formats.join(layout), "");
            let expected = formats.join(format!("results/{result}_results.json"));
            place.ok(&words(&format!(
                "predict run --format {format} --to split.json"
            )));
            same_questions(&place, "split.json", &expected, answer);
            // The official file gives the very file, whether its images are named or lie beside it.
            let questions = formats.join(layout).join(questions);
            let questions = questions.to_str().expect("a path");
            let images = formats.join(layout);
            let images = images.to_str().expect("a path");
            let to = [
                "--format",
                format,
                "--to",
                "named.json",
                "--questions",
                questions,
                "--images",
                images,
            ];
            let told = place.ok(&[&["predict", "run"][..], &to].concat()).stderr;
            assert!(
                told.contains(&format!("are questions of {layout}")),
                "{told}"
            );
            assert_eq!(
                file(&place, "split.json"),
                file(&place, "named.json"),
                "{layout}"
            );
            assert!(!place.path().join("named.json.partial").exists());
        }
    }
}

/// The commands of the page, in either language, from the first to the last.
#[test]
fn vqa_v2_on_one_page() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let commands = |page: &str, heading: &str| -> Vec<String> {
        let page = fs::read_to_string(docs.join(page)).expect("the page");
        let section = page.split(heading).nth(1).expect("the section");
        let code = section.split("```").nth(1).expect("code");
        let lines = code.lines().skip(1).filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect()
    };
    let english = commands("real-data.md", "## VQA v2 on one page\n");
    assert_eq!(
        english,
        commands("real-data.zh-CN.md", "## VQA v2 完整流程\n")
    );
    let place = Place::new();
    copy(
        &formats().join("vqa2"),
        &place.path().join("downloads/vqa2"),
    );
    let mut outcomes: Vec<Outcome> = Vec::new();
    for command in &english {
        let arguments = words(
            command
                .strip_prefix("aoa ")
                .expect("a command of the program"),
        );
        outcomes.push(place.ok(&arguments));
    }
    let [.., evaluated, predicted] = &outcomes[..] else {
        panic!("{english:?}");
    };
    for part in [
        "validation accuracy",
        "answer_type:",
        "question_type:",
        "yes/no on 1 sample",
    ] {
        assert!(
            evaluated.stdout.contains(part),
            "{part}: {}",
            evaluated.stdout
        );
    }
    assert!(
        predicted.stderr.contains("answers to 3 questions"),
        "{}",
        predicted.stderr
    );
    fs::rename(place.path().join("runs/vqa2"), place.path().join("run")).expect("moved");
    let expected = formats().join("results/vqa2_test2015_results.json");
    same_questions(&place, "vqa_test2015_results.json", &expected, "answer");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry").path();
        let target = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            fs::copy(&entry, &target).expect("copied");
        }
    }
}

#[test]
fn jsonl_has_all_fields_ranked_answers_and_those_of_each_branch() {
    let place = Place::new();
    let source = formats().join("vqa2");
    place.ok(&[
        "data",
        "import",
        source.to_str().expect("a path"),
        "--to",
        "ds",
    ]);
    let train = TRAIN.replace("--preset cpu ", "--preset cpu-both ");
    place.ok(&words(&format!("train {train}")));
    place.ok(&words(
        "predict run --split validation --to answers.jsonl --top-k 3",
    ));
    let questions = lines_of(&file(&place, "ds/validation.jsonl"));
    let answers = lines_of(&file(&place, "answers.jsonl"));
    assert_eq!(questions.len(), answers.len());
    let list = json_of(&place, "run/answers.json");
    for (question, answered) in questions.iter().zip(&answers) {
        for field in [
            "question_id",
            "image",
            "question",
            "answer_type",
            "question_type",
            "image_id",
        ] {
            assert_eq!(question[field], answered[field], "{field}");
        }
        assert!(answered["question_id"].is_u64(), "{answered}");
        let ranked = answered["answers"].as_array().expect("a list");
        assert_eq!(ranked.len(), 3);
        assert_eq!(ranked[0]["answer"], answered["answer"]);
        let probabilities: Vec<_> = ranked
            .iter()
            .map(|one| one["probability"].as_f64().expect("a number"))
            .collect();
        assert!(
            probabilities.is_sorted_by(|a, b| a >= b) && probabilities[0] <= 1.0,
            "{answered}"
        );
        for branch in ["fine", "coarse"] {
            assert!(
                list.as_array()
                    .expect("a list")
                    .contains(&answered["branches"][branch]),
                "{answered}"
            );
        }
    }
    // The form decides on nothing but how answers are written.
    place.ok(&words(
        "predict run --split validation --format vqa --to result.json",
    ));
    let result = json_of(&place, "result.json");
    for (entry, answered) in result.as_array().expect("a list").iter().zip(&answers) {
        assert_eq!(entry["answer"], answered["answer"]);
        assert_eq!(entry["question_id"], answered["question_id"]);
    }
    // What is there is kept, unless it may be replaced.
    place.fails(
        2,
        &["result.json exists already", "--force"],
        &words("predict run --format vqa --to result.json"),
    );
    place.ok(&words("predict run --format vqa --to result.json --force"));
    assert_eq!(
        json_of(&place, "result.json")[2]["question_id"],
        524_286_000
    );
}

/// A run on questions of one's own about one image; the test split has the given lines.
fn own_data(test: &[Value]) -> Place {
    let place = Place::new();
    let png = fs::read(formats().join("vizwiz/test/VizWiz_test_00000003.jpg")).expect("an image");
    for image in ["a.jpg", "b.jpg", "c.jpg"] {
        place.file(&format!("ds/images/{image}"), &png);
    }
    let train = ["a.jpg", "b.jpg", "c.jpg"].map(|image| {
        json!({"image": image, "question": "what color is it?", "answers": [image], "question_id": image})
    });
    place.file("ds/train.jsonl", json_lines(&train));
    place.file("ds/test.jsonl", json_lines(test));
    place.ok(&words(&format!("train {TRAIN}")));
    place
}

fn json_lines(values: &[Value]) -> String {
    let lines: Vec<_> = values.iter().map(Value::to_string).collect();
    lines.join("\n") + "\n"
}

fn asked(image: &str, id: impl Into<Value>) -> Value {
    let id = id.into();
    json!({"image": image, "question": "what color is it?", "question_id": id, "source": {"of": ["own", 1]}})
}

#[test]
fn a_test_split_without_answers_is_predicted_and_not_evaluated() {
    let place = own_data(&[asked("b.jpg", 2000), asked("a.jpg", "0190")]);
    place.ok(&words("predict run --to answers.jsonl"));
    let answers = lines_of(&file(&place, "answers.jsonl"));
    assert_eq!(answers[0]["question_id"], 2000);
    assert_eq!(answers[1]["question_id"], "0190");
    assert_eq!(answers[1]["source"], json!({"of": ["own", 1]}));
    place.fails(3, &["has no answers"], &words("eval run"));
    place.ok(&words("predict run --format gqa --to gqa.json"));
    // The file by itself, with its images beside it.
    place.ok(&words(
        "predict run --questions ds/test.jsonl --to file.jsonl",
    ));
    assert_eq!(file(&place, "file.jsonl"), file(&place, "answers.jsonl"));
    let result = json_of(&place, "gqa.json");
    assert_eq!(
        [&result[0]["questionId"], &result[1]["questionId"]],
        ["2000", "0190"]
    );
    place.fails(
        3,
        &[
            "test.jsonl`, line 2",
            "\"0190\"",
            "a whole number",
            "--format jsonl",
        ],
        &words("predict run --format vqa --to vqa.json"),
    );
    assert!(!place.path().join("vqa.json").exists());
    assert!(!place.path().join("vqa.json.partial").exists());
}

#[test]
fn questions_may_have_answers_of_any_form() {
    let place = own_data(&[asked("b.jpg", 1)]);
    let predict = "predict run --images ds/images --questions";
    place.file(
        "given.jsonl",
        json_lines(&[
            json!({"image": "a.jpg", "question": "what color is it?", "answer": "red"}),
            json!({"image": "b.jpg", "question": "what color is it?", "answers": [{"answer": "red", "probability": 0.5}]}),
            json!({"image": "c.jpg", "question": "what color is it?", "answers": 7, "anwers": {}}),
        ]),
    );
    place.ok(&words(&format!("{predict} given.jsonl --to once.jsonl")));
    // What the program writes is a file of questions, too, and no field is lost however often it goes round.
    place.ok(&words(&format!("{predict} once.jsonl --to twice.jsonl")));
    place.ok(&words(&format!("{predict} twice.jsonl --to thrice.jsonl")));
    let [once, twice, thrice] =
        ["once", "twice", "thrice"].map(|name| lines_of(&file(&place, &format!("{name}.jsonl"))));
    assert_eq!(once[0]["source_answer"], "red");
    assert_eq!(twice[0]["source_source_answer"], once[0]["answer"]);
    assert_eq!(twice[0]["source_answer"], "red");
    for (first, last) in once.iter().zip(&thrice) {
        assert_eq!(first["answer"], last["answer"]);
        assert_eq!(first["answers"], last["answers"]);
    }
    let asked = file(&place, "once.jsonl").replace("\"image\":\"", "\"image\":\"ds/images/");
    place.file("batch.jsonl", asked);
    place.ok(&words("ask --run run --batch batch.jsonl"));
}

#[test]
fn ids_that_no_server_takes_are_named_before_work_begins() {
    let place = own_data(&[asked("b.jpg", 1)]);
    let check = |format: &str, lines: &[Value], words: &[&str]| {
        place.file("asked.jsonl", json_lines(lines));
        let arguments = [
            "predict",
            "run",
            "--questions",
            "asked.jsonl",
            "--images",
            "ds/images",
            "--to",
            "out",
            "--format",
            format,
        ];
        place.fails(3, words, &arguments);
        assert!(!place.path().join("out").exists());
    };
    let a = || asked("a.jpg", 1);
    let without = json!({"image": "a.jpg", "question": "what?"});
    check(
        "vqa",
        &[a(), without.clone()],
        &["asked.jsonl`, line 2", "no question_id", "--format jsonl"],
    );
    check(
        "gqa",
        &[without.clone(), without],
        &["line 1", "no question_id", "1 more question"],
    );
    check(
        "vqa",
        &[a(), asked("b.jpg", "1")],
        &["line 2", "question_id` 1 is already used by", "line 1"],
    );
    check(
        "gqa",
        &[a(), asked("b.jpg", "1")],
        &["line 2", "is already used by"],
    );
    check(
        "vizwiz",
        &[a(), asked("a.jpg", 2)],
        &["line 2", "a.jpg", "line 1"],
    );
    for id in [
        json!(1.5),
        json!(true),
        json!([1]),
        json!("one"),
        json!(""),
        json!("007"),
        json!("1 "),
    ] {
        check("vqa", &[asked("a.jpg", id)], &["line 1", "a whole number"]);
    }
    check(
        "gqa",
        &[asked("a.jpg", json!(null))],
        &["line 1", "no question_id"],
    );
    check("gqa", &[asked("a.jpg", json!({}))], &["line 1", "a text"]);
    // What no form needs an id for is answered.
    let arguments = "predict run --questions asked.jsonl --images ds/images --to out";
    place.ok(&words(arguments));
    place.file("asked.jsonl", format!("{}\n", asked("gone.jpg", 1)));
    place.fails(
        3,
        &["gone.jpg", "1 of 1 file", "asked.jsonl`, line 1"],
        &words(&format!("{arguments} --force")),
    );
    place.file(
        "asked.jsonl",
        "{\"image\": \"a.jpg\"}\n{\"image\": \"../a.jpg\", \"question\": \"q\"}\n",
    );
    place.fails(
        3,
        &["line 1", "missing field question", "line 2", "../a.jpg"],
        &words(&format!("{arguments} --force")),
    );
    place.file("asked.json", "{\"questions\": 1}");
    place.fails(
        3,
        &["asked.json"],
        &words("predict run --questions asked.json --to new"),
    );
}

#[test]
fn many_questions_are_asked_at_once() {
    let place = own_data(&[asked("b.jpg", 1)]);
    place.file(
        "asked.jsonl",
        "{\"image\": \"ds/images/a.jpg\", \"question\": \"what color is it?\", \"question_id\": 7}\n\n\
         {\"image\": \"ds/images/c.jpg\", \"question\": \"what color is it?\"}\n",
    );
    let outcome = place.ok(&words("ask --run run --batch asked.jsonl --top 2"));
    let answers = lines_of(&outcome.stdout);
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0]["question_id"], 7);
    assert_eq!(answers[1]["image"], "ds/images/c.jpg");
    for answered in &answers {
        assert_eq!(answered["answers"].as_array().map(Vec::len), Some(2));
        let image = answered["image"].as_str().expect("a path");
        let one = place.ok(&[
            "ask",
            "what color is it?",
            "--image",
            image,
            "--run",
            "run",
            "--top",
            "2",
            "--json",
        ]);
        let one: Value = serde_json::from_str(&one.stdout).expect("JSON");
        assert_eq!(one[0]["answer"], answered["answer"]);
    }
    place.fails(
        2,
        &["--batch"],
        &["ask", "--run", "run", "--batch", "asked.jsonl", "what?"],
    );
    place.fails(2, &["--image"], &["ask", "what?"]);
}

/// A run on generated shapes with many test questions.
#[cfg(unix)]
fn many_questions() -> Place {
    let place = Place::new();
    place.ok(&words(
        "train --preset cpu --set dataset.shapes_train_images=24 --set dataset.shapes_validation_images=8 \
         --set dataset.shapes_test_images=1500 --set dataset.image_size=32 --set model.num_hid=16 --set model.word_dim=8 \
         --set model.image_width=8 --set training.batch_size=8 --set training.epochs=2 --set logging.run_dir=run \
         --set evaluation.question_only_epochs=0 --stop-after 4",
    ));
    place
}

#[cfg(unix)]
#[test]
fn a_killed_prediction_goes_on_and_ends_as_an_undisturbed_one() {
    use crate::support::signal;
    use std::process::Stdio;
    use std::time::Duration;

    let place = many_questions();
    place.ok(&words("predict run --to whole.jsonl"));
    let whole = file(&place, "whole.jsonl");
    let partial = place.path().join("out.jsonl.partial");
    let mut child = place
        .command(&words("predict run --to out.jsonl"))
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    // Some answers are there, and others are not.
    let begun = || fs::read_to_string(&partial).is_ok_and(|text| text.lines().count() > 300);
    while !begun() {
        assert_eq!(
            child.try_wait().expect("a status"),
            None,
            "it ended before it could be killed"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    signal(&child, "-KILL");
    child.wait().expect("it ends");
    assert!(!place.path().join("out.jsonl").exists());
    // A line that was cut off counts for nothing.
    let mut text = fs::read_to_string(&partial).expect("begun answers");
    text.truncate(text.len() - 7);
    fs::write(&partial, &text).expect("written");

    // Answers of another kind are not mixed with these.
    let stale = |words: &[&str], arguments: &str| {
        place.fails(2, words, &arguments.split_whitespace().collect::<Vec<_>>());
        assert_eq!(fs::read_to_string(&partial).expect("begun answers"), text);
    };
    stale(
        &["out.jsonl.partial", "--top-k", "--force"],
        "predict run --to out.jsonl --top-k 2",
    );
    stale(
        &["other questions"],
        "predict run --split validation --to out.jsonl",
    );

    let told = place.ok(&words("predict run --to out.jsonl")).stderr;
    assert!(told.contains("going on after"), "{told}");
    assert!(!told.contains("damaged"), "{told}");
    assert!(file(&place, "out.jsonl") == whole, "the answers differ");
    assert!(!partial.exists());

    // Good answers in front of damage are kept, and what is behind it is computed again.
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let edited = lines[100].replacen("\"answer\":\"", "\"answer\":\"un", 1);
    let with = |line: &str| [&lines[..100], &[line], &lines[101..]].concat().concat();
    for (damage, kept) in [
        (with(&edited), 99),
        (with("garbage\n"), 99),
        (with(""), 99),
        (with(lines[101]), 99),
        (lines[..101].concat() + "garbage\n\u{0}\n", 100),
    ] {
        assert_ne!(damage, text);
        fs::write(&partial, &damage).expect("written");
        let told = place
            .ok(&words("predict run --to out.jsonl --force"))
            .stderr;
        assert!(
            told.contains(&format!("damaged after {kept} answers")),
            "{told}"
        );
        assert!(
            told.contains(&format!("going on after {kept} of")),
            "{told}"
        );
        assert!(file(&place, "out.jsonl") == whole, "the answers differ");
    }

    // With force other answers are begun anew, and say so. A file of somebody else stays.
    fs::write(&partial, &text).expect("written");
    let told = place
        .ok(&words("predict run --to out.jsonl --top-k 2 --force"))
        .stderr;
    assert!(
        told.contains("starting over") && !told.contains("going on"),
        "{told}"
    );
    fs::write(&partial, "my notes\n").expect("written");
    place.fails(
        2,
        &["does not hold partial answers"],
        &words("predict run --to out.jsonl --force"),
    );
    assert_eq!(fs::read_to_string(&partial).expect("notes"), "my notes\n");
}

#[cfg(unix)]
#[test]
fn predictions_are_equal_whatever_the_size_of_the_batch() {
    let place = many_questions();
    place.ok(&words("predict run --split validation --to large.jsonl"));
    let place = place.with("AOA_HARDWARE__MEMORY_BUDGET", "20MiB");
    let told = place
        .ok(&words("predict run --split validation --to small.jsonl"))
        .stderr;
    assert!(told.contains("samples instead of"), "{told}");
    assert_eq!(file(&place, "large.jsonl"), file(&place, "small.jsonl"));
}

#[test]
fn the_metric_is_that_of_the_data_set() {
    let place = trained_on(&formats().join("gqa"), "");
    let eval = |place: &Place, arguments: &str| -> Value {
        let outcome = place.ok(&words(&format!("eval run --json {arguments}")));
        serde_json::from_str(&outcome.stdout).expect("JSON")
    };
    let gqa = eval(&place, "--split validation");
    assert_eq!(gqa["metric"], "gqa");
    let [binary, open] = ["binary", "open"].map(|name| gqa[name]["samples"].as_u64().unwrap_or(0));
    assert_eq!(Some(binary + open), gqa["samples"].as_u64(), "{gqa}");
    assert!(gqa["by"]["types.structural"].is_object(), "{gqa}");
    assert!(gqa["by"]["types.semantic"].is_object(), "{gqa}");
    assert_eq!(
        eval(&place, "--split validation --metric vqa")["metric"],
        "vqa"
    );
    let by = eval(&place, "--split train --by answer_type --by types.detailed");
    assert_eq!(
        by["by"].as_object().map(serde_json::Map::len),
        Some(2),
        "{by}"
    );
    let samples = by["by"]["answer_type"].as_object().expect("types").values();
    assert_eq!(
        samples
            .filter_map(|mean| mean["samples"].as_u64())
            .sum::<u64>(),
        3
    );
    place.fails(
        2,
        &["no question of the train split", "kind", "answer_type"],
        &words("eval run --split train --by kind"),
    );
    place.fails(
        3,
        &["choices", "--metric"],
        &words("eval run --split train --metric visual7w"),
    );
    place.fails(
        2,
        &["vqa, gqa, vizwiz, visual7w"],
        &words("eval run --metric bleu"),
    );

    let place = trained_on(
        &formats().join("vizwiz"),
        "--set dataset.exif_orientation=ignore",
    );
    let vizwiz = eval(&place, "--split train");
    assert_eq!(vizwiz["metric"], "vizwiz");
    assert_eq!(vizwiz["answerability"]["samples"], 2, "{vizwiz}");
    assert_eq!(vizwiz["answerability"]["unanswerable"], 1, "{vizwiz}");

    let place = trained_on(&formats().join("visual7w"), "");
    let choices = eval(&place, "--split test");
    assert_eq!(choices["metric"], "visual7w");
    assert_eq!(
        choices["by"]["answer_type"]["why"]["samples"], 1,
        "{choices}"
    );
}
