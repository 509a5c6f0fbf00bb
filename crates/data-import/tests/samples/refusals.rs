//! What cannot be imported is refused with file, place, reason and cure, and nothing is written.
//!
//! One file because every refusal is compared by the same few functions.

use std::fs::{self, File};

use data_import::{Format, ImportError, Request, import};

use crate::sample::Sample;

pub const TRAIN: &str = "vqa2/v2_OpenEnded_mscoco_train2014_questions.json";
pub const ANSWERS: &str = "vqa2/v2_mscoco_train2014_annotations.json";

#[test]
#[expect(clippy::too_many_lines, reason = "a table of faults")]
fn what_is_wrong_with_a_file_is_told_with_its_place() {
    let cut = |name: &str| {
        let sample = Sample::of(&["vqa2"]);
        let bytes = fs::read(sample.path(name)).expect("a file");
        sample.write(name, &bytes[..bytes.len() * 2 / 3])
    };
    let vqa = || Sample::of(&["vqa2"]);
    for (sample, words) in [
        (
            cut(TRAIN),
            vec![
                "train2014_questions.json",
                "line 1, column",
                "element 3",
                "EOF",
                "download it again",
            ],
        ),
        (
            cut(ANSWERS),
            vec!["train2014_annotations.json", "element", "EOF"],
        ),
        (
            vqa().write(TRAIN, b"\x1f\x8b\x08\0\0"),
            vec!["train2014_questions.json", "gzip", "gunzip"],
        ),
        (
            vqa().write(TRAIN, b"version https://git-lfs.github.com/spec/v1"),
            vec!["Git LFS pointer", "git lfs pull"],
        ),
        (
            vqa().write(TRAIN, b"<!DOCTYPE html><html>"),
            vec!["an HTML page", "download the file again"],
        ),
        (vqa().write(TRAIN, b""), vec!["an empty file"]),
        (
            vqa().write(TRAIN, b"{\"questions\": nothing}"),
            vec!["line 1, column 16"],
        ),
        (
            vqa().remove(TRAIN),
            vec!["annotations.json", "there are no questions of train2014"],
        ),
        (
            vqa().remove(ANSWERS),
            vec!["questions.json", "there are no annotations of train2014"],
        ),
        (
            vqa().change(TRAIN, "\"question_id\": 42001", "\"question_id\": 4200177"),
            vec!["question 4200177", "no annotation in", "of one version"],
        ),
        (
            vqa().change(
                TRAIN,
                "{\"image_id\": 42, \"question\": \"Is there a door?\", \"question_id\": 42001}, ",
                "",
            ),
            vec!["1 annotation has no question in", "annotations.json"],
        ),
        (
            vqa().change(TRAIN, "\"question_id\": 42001", "\"question_id\": 42000"),
            vec!["question 42000"],
        ),
        (
            vqa().change(ANSWERS, "\"question_id\": 42001", "\"question_id\": 42000"),
            vec!["question 42000", "an annotation already"],
        ),
        (
            vqa().change(
                TRAIN,
                "\"image_id\": 42, \"question\": \"Is",
                "\"image_id\": 43, \"question\": \"Is",
            ),
            vec![
                "question 42001",
                "is about image 43, in",
                "annotations.json",
            ],
        ),
        (
            vqa().change(
                TRAIN,
                "\"question\": \"Is there a door?\"",
                "\"question\": \" \"",
            ),
            vec!["question 42001", "blank"],
        ),
        (
            vqa().change(
                TRAIN,
                "\"question\": \"Is there a door?\"",
                "\"question\": null",
            ),
            vec!["element 1", "null"],
        ),
        (
            vqa().change(TRAIN, "\"question_id\": 42001", "\"question_id\": 42001.5"),
            vec!["element 1", "no id"],
        ),
        (
            vqa().change(
                TRAIN,
                "\"question_id\": 42001",
                "\"question_id\": 123456789012345678901234567890",
            ),
            vec!["element 1", "no id", "quotation marks"],
        ),
        (
            vqa().change(TRAIN, "\"question_id\": 42001", "\"id\": 42001"),
            vec!["element 1", "there is no `question_id`"],
        ),
        (
            vqa().change(
                TRAIN,
                "\"data_subtype\": \"train2014\"",
                "\"data_subtype\": \"val2014\"",
            ),
            vec!["`data_subtype` is `val2014`", "named after `train2014`"],
        ),
        (
            vqa().change(ANSWERS, "\"answers\": [", "\"answers\": 7, \"other\": ["),
            vec!["annotations.json", "7"],
        ),
    ] {
        sample.refused(&sample.request(&["vqa2"]), &words);
    }
}

#[test]
fn a_file_that_is_cut_before_it_says_what_it_is_does_not_vanish() {
    let sample = Sample::of(&["vqa2"]).write(
        "vqa2/cut.json",
        "[{\"question_id\": 1, \"question\": \"what?\", \"ans",
    );
    sample.refused(&sample.request(&["vqa2"]), &["cut.json", "ends too early"]);
}

#[test]
fn foreign_files_and_unknown_layouts_are_named() {
    let sample = Sample::of(&[]);
    fs::create_dir(sample.path("empty")).expect("a folder");
    sample.refused(
        &sample.request(&["empty"]),
        &["no file that ends with .json", "unpack the archives"],
    );
    let sample = sample.write("empty/a.json", "[{\"caption\": 1}]");
    sample.refused(
        &sample.request(&["empty"]),
        &["a.json", "a list of objects with `caption`"],
    );
    let pointing = "{\"boxes\": [{\"box_id\": 1}]}";
    let sample = sample.write("empty/dataset.json", pointing);
    sample.refused(
        &sample.request(&["empty"]),
        &["pointing", "dataset_v7w_telling.json"],
    );

    let wide: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain("[]".encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let sample = Sample::of(&["vizwiz"]).write("vizwiz/Annotations/val.json", wide);
    sample.refused(
        &sample.request(&["vizwiz"]),
        &["val.json", "UTF-16", "iconv"],
    );
    let sample = Sample::of(&["vizwiz"]).write("vizwiz/captions.json", "[{\"caption\": 1}]");
    let report = sample.import(&["vizwiz"]).expect("an import");
    let note = report
        .notes
        .iter()
        .find(|note| note.contains("captions.json"));
    assert!(
        note.is_some_and(|note| note.contains("no layout has")),
        "{:?}",
        report.notes
    );
    fs::remove_dir_all(sample.path("imported")).expect("the folder");
    let request = Request {
        formats: vec![Format::Gqa],
        ..sample.request(&["vizwiz"])
    };
    let error = import(&request, &|_| {})
        .expect_err("another layout")
        .to_string();
    assert!(error.contains("there are no files of gqa"), "{error}");
}

#[test]
fn two_layouts_in_a_folder_need_a_choice_and_two_folders_are_a_mix() {
    let sample = Sample::of(&["vqa2", "visual_genome"]);
    sample.refused(
        &sample.request(&["."]),
        &["several layouts: vqa2, visual-genome", "--format vqa2"],
    );
    let request = Request {
        formats: vec![Format::VisualGenome],
        ..sample.request(&["."])
    };
    let report = import(&request, &|_| {}).expect("one of both");
    assert_eq!(report.splits[0].questions, 6);
    fs::remove_dir_all(sample.path("imported")).expect("the folder");
    let report = sample.import(&["vqa2", "visual_genome"]).expect("a mix");
    let parts = |split: usize| report.splits[split].parts.clone();
    assert_eq!(
        parts(0),
        [
            ("vqa2:train".to_owned(), 6),
            ("visual-genome:train".to_owned(), 6)
        ]
    );
    assert_eq!(parts(1), [("vqa2:val".to_owned(), 3)]);
    let lines = sample.lines("train");
    assert_eq!(lines[0]["part"], "vqa2:train");
    assert_eq!(lines[6]["image"], "VG_100K/1.jpg");
}

#[test]
fn a_question_that_is_there_twice_is_refused_and_both_sets_of_gqa_are_not_mixed() {
    let sample = Sample::of(&["gqa"]);
    let both = ["train_balanced", "train_all"].map(str::to_owned).to_vec();
    let request = Request {
        train: both,
        ..sample.request(&["gqa"])
    };
    sample.refused(&request, &["question 07333408", "a second time"]);
    let sample = Sample::of(&["gqa"]).remove("gqa/train_all_questions/train_all_questions_0.json");
    let report = sample.import(&["gqa"]).expect("the balanced questions");
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("not read: train_all")),
        "{:?}",
        report.notes
    );
    fs::remove_dir_all(sample.path("imported")).expect("the folder");
    let request = Request {
        train: vec!["train_all".to_owned()],
        ..sample.request(&["gqa"])
    };
    sample.refused(
        &request,
        &[
            "train_all_questions_1.json",
            "file 0 of this split is missing",
        ],
    );
}

#[test]
fn other_layouts_refuse_what_does_not_fit_together() {
    let refuse = |sample: Sample, name: &str, words: &[&str]| {
        sample.refused(&sample.request(&[name]), words);
    };
    let vizwiz = || Sample::of(&["vizwiz"]);
    let twice = vizwiz().change("vizwiz/Annotations/test.json", "00000011", "00000003");
    refuse(
        twice,
        "vizwiz",
        &["VizWiz_test_00000003.jpg", "a second time"],
    );
    let without = vizwiz().change("vizwiz/Annotations/val.json", "\"answers\"", "\"replies\"");
    refuse(
        without,
        "vizwiz",
        &["val.json", "VizWiz_val_00000002.jpg", "no answers"],
    );
    let out = vizwiz().change(
        "vizwiz/Annotations/val.json",
        "VizWiz_val_00000002.jpg",
        "../x.jpg",
    );
    refuse(out, "vizwiz", &["`../x.jpg` is not the path of an image"]);

    let words = "textvqa/TextVQA_Rosetta_OCR_v0.2_val.json";
    let sample = Sample::of(&["textvqa"]).change(words, "003a8ae2ef43b901", "ffff");
    refuse(
        sample,
        "textvqa",
        &[words, "image 003a8ae2ef43b901", "no words"],
    );

    let sample = Sample::of(&["visual_genome"])
        .remove("visual_genome/VG_100K_2")
        .remove("visual_genome/image_data.json");
    refuse(
        sample,
        "visual_genome",
        &[
            "image 4 is neither in `VG_100K` nor in `VG_100K_2`",
            "--images",
        ],
    );

    let sample = Sample::of(&["visual7w"]).change("visual7w/dataset.json", "\"Blue.\"", "\"Red.\"");
    refuse(
        sample,
        "visual7w",
        &["question 40001", "`Red.` is among the wrong choices"],
    );

    let sample = Sample::of(&["xvlm"]).change(
        "xvlm/vg_qa.json",
        "\"dataset\": \"vg\"",
        "\"dataset\": \"coco\"",
    );
    refuse(sample, "xvlm", &["question 986800", "`dataset` is `coco`"]);

    let sample =
        Sample::of(&["lxmert"]).change("lxmert/train.json", "\"light\": 0.3", "\"light\": 3");
    refuse(
        sample,
        "lxmert",
        &[
            "lxmert/train.json",
            "element 0",
            "the score of `light` is 3",
        ],
    );

    let cfr = || Sample::of(&["cfr"]);
    refuse(
        cfr().remove("cfr/cache/val_target.pkl"),
        "cfr",
        &["no `val_target.pkl`"],
    );
    refuse(
        cfr().remove("cfr/cache/trainval_label2ans.pkl"),
        "cfr",
        &["trainval_label2ans.pkl"],
    );
    let calls = b"\x80\x02c__builtin__\nprint\nq\x00X\x02\x00\x00\x00hiq\x01\x85q\x02Rq\x03.";
    refuse(
        cfr().write("cfr/cache/train_target.pkl", calls),
        "cfr",
        &["__builtin__.print", "nothing was run"],
    );
    let label = b"\x80\x02]}(X\x0b\x00\x00\x00question_idX\x08\x00\x00\x0002930001X\x06\x00\x00\x00labels]K\x63aX\x06\x00\x00\x00scores]K\x01aua.";
    refuse(
        cfr().write("cfr/cache/train_target.pkl", label),
        "cfr",
        &["label 99 is no place", "5 answers"],
    );
}

#[test]
fn what_a_killed_import_left_is_in_nobody_s_way_and_a_running_one_is() {
    let sample = Sample::of(&["vizwiz"]);
    fs::create_dir(sample.path(".imported.importing")).expect("a folder");
    fs::write(sample.path(".imported.importing/train.jsonl"), "{\"half").expect("a file");
    let lock = File::create(sample.path(".imported.importing.lock")).expect("a file");
    lock.lock().expect("a lock");
    let error = sample.import(&["vizwiz"]).expect_err("another import");
    assert!(matches!(error, ImportError::Busy { .. }), "{error}");
    assert!(sample.path(".imported.importing/train.jsonl").exists());
    drop(lock);
    sample.import(&["vizwiz"]).expect("an import");
    assert_eq!(sample.lines("train").len(), 2);
    for left in [".imported.importing", ".imported.importing.lock"] {
        assert!(!sample.path(left).exists(), "{left}");
    }
    let error = sample
        .import(&["vizwiz"])
        .expect_err("a folder that is there");
    assert!(matches!(error, ImportError::Occupied { .. }), "{error}");
}

#[test]
fn a_line_that_would_not_be_read_is_not_written() {
    let long = format!("\"{}\"", "x".repeat(1 << 20));
    let sample = Sample::of(&["visual7w"]).change("visual7w/dataset.json", "\"Red.\"", &long);
    let request = sample.request(&["visual7w"]);
    sample.refused(&request, &["question 40001", "at most 1048576", "shorten"]);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_named() {
    let sample = Sample::of(&["vqa2"]);
    let pipe = sample.path("pipe.json");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|made| made.success()), "mkfifo");
    let request = sample.request(&["pipe.json"]);
    sample.refused(&request, &["pipe.json", "it is a pipe"]);
}

/// The annotation, or the target, of the question is there: it was taken by the first of both.
#[test]
fn a_question_that_its_file_has_twice_is_told_so() {
    for (layout, file) in [
        ("vqa2", TRAIN),
        ("cfr", "cfr/gqa_train_questions_entities.json"),
    ] {
        let sample = Sample::of(&[layout]);
        let text = fs::read_to_string(sample.path(file)).expect("a file");
        let mut whole: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let questions = whole["questions"].as_array_mut().expect("a list");
        let first = questions[0].clone();
        let id = first["question_id"].clone();
        questions.insert(1, first);
        let sample = sample.write(file, whole.to_string());
        let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        let place = format!("question {id}: the question is there a second time");
        sample.refused(&sample.request(&[layout]), &[&place, "remove it"]);
    }
}
