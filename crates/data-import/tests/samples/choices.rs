//! What an import makes of parts, recipes, images, words and votes, beyond the layouts themselves.

use std::fs;

use data_import::{ImportError, Recipe, Request, import};
use serde_json::Value;

use crate::refusals::{ANSWERS, TRAIN};
use crate::sample::Sample;

#[test]
fn parts_are_mixed_by_name_and_no_question_is_trained_on_and_reported() {
    let sample = Sample::of(&["vqa2"]);
    let with = |train: &[&str], validation: &[&str]| Request {
        train: train.iter().map(|name| (*name).to_owned()).collect(),
        validation: validation.iter().map(|name| (*name).to_owned()).collect(),
        ..sample.request(&["vqa2"])
    };
    sample.refused(
        &with(&["train", "val"], &["val"]),
        &["questions in common", "for train", "for validation"],
    );
    sample.refused(
        &with(&["train", "nominival"], &["val"]),
        &["questions in common"],
    );
    sample.refused(
        &with(&["training"], &[]),
        &["there is no split `training`", "train, val, nominival"],
    );
    sample.refused(&with(&["test"], &[]), &["has no answers", "--test"]);
    let report = import(&with(&["train", "val"], &[]), &|_| {}).expect("a mix");
    assert_eq!(report.splits[0].questions, 9);
    assert_eq!(report.splits.len(), 2, "nothing is left to validate on");
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("validation_fraction")),
        "{:?}",
        report.notes
    );
}

#[test]
fn the_questions_of_val_are_held_out_by_image() {
    // Many images, so that some are held out.
    let entry = |image: usize| {
        let votes = "{\"answer\": \"yes\", \"answer_confidence\": \"yes\", \"answer_id\": 1}, {\"answer\": \"no\", \"answer_id\": 2}";
        [
            format!(
                "{{\"image_id\": {image}, \"question\": \"Is it?\", \"question_id\": {image}0}}"
            ),
            format!("{{\"image_id\": {image}, \"answers\": [{votes}], \"question_id\": {image}0}}"),
        ]
    };
    let entries: Vec<[String; 2]> = (1..=400).map(entry).collect();
    let list = |at: usize| {
        entries
            .iter()
            .map(|entry| entry[at].as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let sample = Sample::of(&["vqa2", "visual_genome"])
        .write(
            "vqa2/v2_OpenEnded_mscoco_val2014_questions.json",
            format!(
                "{{\"questions\": [{}], \"data_subtype\": \"val2014\"}}",
                list(0)
            ),
        )
        .write(
            "vqa2/v2_mscoco_val2014_annotations.json",
            format!(
                "{{\"annotations\": [{}], \"data_subtype\": \"val2014\"}}",
                list(1)
            ),
        );
    let request = Request {
        recipe: Some(Recipe::Butd),
        ..sample.request(&["vqa2", "visual_genome"])
    };
    let report = import(&request, &|_| {}).expect("the recipe");
    let parts = &report.splits[0].parts;
    assert_eq!(parts[0], ("vqa2:train".to_owned(), 6));
    assert_eq!(parts[2], ("visual-genome:train".to_owned(), 6));
    let (kept, held) = (parts[1].1, report.splits[1].questions);
    assert_eq!((parts[1].0.as_str(), kept + held), ("vqa2:nominival", 400));
    assert!((25..=80).contains(&held), "{held}");
    assert_eq!(report.splits[2].questions, 3);
    let error = import(
        &Request {
            recipe: Some(Recipe::Butd),
            ..sample.request(&["vqa2"])
        },
        &|_| {},
    );
    let error = error.expect_err("no Visual Genome");
    assert!(matches!(error, ImportError::Occupied { .. }), "{error}");
    fs::remove_dir_all(sample.path("imported")).expect("the folder");
    let request = Request {
        recipe: Some(Recipe::Butd),
        ..sample.request(&["vqa2"])
    };
    sample.refused(&request, &["butd needs the split train of visual-genome"]);
}

#[test]
fn the_recipe_of_xvlm_gives_answers_of_visual_genome_half_a_weight() {
    let sample = Sample::of(&["vqa2", "visual_genome"]);
    let request = Request {
        recipe: Some(Recipe::Xvlm),
        ..sample.request(&["vqa2", "visual_genome"])
    };
    let report = import(&request, &|_| {}).expect("the recipe");
    assert_eq!(report.splits[0].questions, 6 + 3 + 6);
    let lines = sample.lines("train");
    assert_eq!(lines[1]["weights"], serde_json::json!({"yes": 1.0}));
    assert_eq!(lines[9]["weights"], serde_json::json!({"Sailboats.": 0.5}));

    let sample = Sample::of(&["xvlm"]);
    let request = Request {
        recipe: Some(Recipe::Xvlm),
        ..sample.request(&["xvlm"])
    };
    let report = import(&request, &|_| {}).expect("the recipe");
    let parts: Vec<_> = report.splits[0]
        .parts
        .iter()
        .map(|(part, _)| part.as_str())
        .collect();
    assert_eq!(parts, ["vqa_train", "vqa_val", "vg_qa"]);
}

#[test]
fn an_answer_without_text_keeps_its_score_beside_the_others() {
    let sample = Sample::of(&["lxmert"]).change("lxmert/train.json", "\"light\": 0.3", "\"\": 0.3");
    sample.import(&["lxmert"]).expect("an import");
    let line = &sample.lines("train")[0];
    assert_eq!(line["answers"], serde_json::json!({"sun": 1.0}));
    assert_eq!(line["empty_answer_score"], 0.3);
    assert_eq!(line["as_written"], true);
}

#[test]
fn images_may_lie_elsewhere_and_missing_ones_are_counted() {
    let sample = Sample::of(&["vqa2"]);
    fs::create_dir_all(sample.path("elsewhere/coco")).expect("a folder");
    fs::rename(
        sample.path("vqa2/train2014"),
        sample.path("elsewhere/coco/train2014"),
    )
    .expect("moved");
    fs::rename(sample.path("vqa2/val2014"), sample.path("flat")).expect("moved");
    fs::remove_file(sample.path("vqa2/test2015/COCO_test2015_000000000001.jpg")).expect("removed");
    let request = Request {
        images: vec![
            (None, sample.path("elsewhere")),
            (Some("val2014".to_owned()), sample.path("flat")),
            (Some("test2015".to_owned()), sample.path("vqa2/test2015")),
        ],
        ..sample.request(&["vqa2"])
    };
    let report = import(&request, &|_| {}).expect("an import");
    let folders: Vec<_> = report
        .images
        .iter()
        .map(|one| (one.name.as_str(), one.path.clone(), one.missing))
        .collect();
    assert_eq!(
        folders,
        [
            ("test2015", sample.path("vqa2/test2015"), 1),
            ("train2014", sample.path("elsewhere/coco/train2014"), 0),
            ("val2014", sample.path("flat"), 0),
        ]
    );
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("missing in `")),
        "{:?}",
        report.notes
    );
}

#[test]
fn every_field_is_kept_but_for_those_left_out() {
    let sample = Sample::of(&["gqa"]);
    let request = Request {
        leave_out: vec!["semantic".to_owned(), "annotations".to_owned()],
        ..sample.request(&["gqa"])
    };
    import(&request, &|_| {}).expect("an import");
    let line = &sample.lines("train")[1];
    assert_eq!(line["question_id"], "02930152");
    assert_eq!(line["types"]["detailed"], "verifyRel");
    assert_eq!(line["groups"]["local"], "01-tree");
    assert_eq!(line["isBalanced"], true);
    assert!(line.get("semantic").is_none() && line.get("annotations").is_none());
}

#[test]
fn text_may_begin_with_a_mark_and_lists_may_stand_before_what_names_them() {
    let sample = Sample::of(&["vqa2"]);
    let path = sample.path(TRAIN);
    let text = fs::read_to_string(&path)
        .expect("a file")
        .replace("\"data_subtype\": \"train2014\", ", "");
    let text = text.trim_end().trim_end_matches('}').to_owned();
    let text =
        format!("\u{feff}{text}, \"data_subtype\": \"train2014\"}}").replace("}, {", "},\r\n{");
    let sample = sample.write(TRAIN, text);
    let report = sample.import(&["vqa2"]).expect("an import");
    assert_eq!(report.splits[0].questions, 6);
    // Files by themselves, named as nothing in particular.
    fs::remove_dir_all(sample.path("imported")).expect("the folder");
    fs::rename(sample.path(TRAIN), sample.path("q.json")).expect("renamed");
    fs::rename(sample.path(ANSWERS), sample.path("a.json")).expect("renamed");
    let report = sample.import(&["q.json", "a.json"]).expect("an import");
    assert_eq!(report.splits[0].questions, 6);
}

#[test]
fn ten_votes_are_votes_where_no_two_agree() {
    use data_pipeline::{Folder, HoldOut, Source, Split};

    let words =
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"].map(|word| format!("{word} word"));
    let answers: Vec<_> = words
        .iter()
        .map(|word| serde_json::json!({"answer": word}))
        .collect();
    let list = serde_json::json!([{"image": "a.jpg", "question": "?what", "answers": answers}]);
    let sample = Sample::of(&[]);
    fs::create_dir(sample.path("vw")).expect("a folder");
    let sample = sample
        .write("vw/train.json", list.to_string())
        .write("vw/a.jpg", b"");
    sample.import(&["vw"]).expect("an import");
    let folder = Folder::open(
        &sample.path("imported"),
        Split::Train,
        HoldOut {
            fraction: 0.0,
            seed: 0,
        },
    );
    let folder = folder.expect("a data set");
    let score = folder.samples()[0].answers[1].score;
    assert!((score - 0.3).abs() < 1e-6, "{score}");
}

#[test]
fn images_without_words_have_an_empty_list_and_are_counted() {
    let sample = Sample::of(&["cfr"])
        .change(
            "cfr/train_6_stats_words.json",
            "\"2331964\": \"house,green roof,door,grass,blue sky\", ",
            "",
        )
        .write("cfr/val_6_stats_skip_imgid.json", "[\"2331999\"]");
    // The test questions are about the image, too, and their file has its words.
    let request = Request {
        train: vec!["train".to_owned()],
        validation: vec!["val".to_owned()],
        ..sample.request(&["cfr"])
    };
    let report = import(&request, &|_| {}).expect("an import");
    assert_eq!(report.splits.len(), 3);
    let sample = sample
        .change("cfr/test_6_stats_words.json", "2331964", "2331000")
        .change("cfr/val_6_stats_words.json", "2331964", "2331001");
    fs::remove_dir_all(sample.path("imported")).expect("the folder");
    let report = import(&request, &|_| {}).expect("an import");
    let note = report
        .notes
        .iter()
        .find(|note| note.contains("statistical_words.json"));
    assert!(
        note.is_some_and(|note| note.contains("1 of 2 images are without words")),
        "{:?}",
        report.notes
    );
    let text = fs::read_to_string(sample.path("imported/statistical_words.json")).expect("words");
    let words: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(words["gqa/2331964.jpg"], serde_json::json!([]));
}

#[test]
fn a_published_list_of_answers_is_kept_in_its_order() {
    let xvlm = [
        "yes", "no", "2", "yellow", "red", "fall", "autumn", "white", "1", "several", "summer",
    ];
    let cfr = ["yes", "no", "yellow", "green", "house"];
    for (name, expected) in [("xvlm", &xvlm[..]), ("cfr", &cfr)] {
        let sample = Sample::of(&[name]);
        let report = sample.import(&[name]).expect("an import");
        let text = fs::read_to_string(sample.path("imported/answers.json")).expect("answers");
        let answers: Vec<String> = serde_json::from_str(&text).expect("JSON");
        assert_eq!(answers, expected);
        assert!(
            report
                .notes
                .iter()
                .any(|note| note.contains("answers.file=")),
            "{:?}",
            report.notes
        );
    }
    let sample =
        Sample::of(&["lxmert"]).change("lxmert/trainval_label2ans.json", "\"light\"", "\"sun\"");
    sample.refused(
        &sample.request(&["lxmert"]),
        &["element 1", "`sun` is in the list already"],
    );
    let sample = Sample::of(&["lxmert", "xvlm"]);
    let report = sample.import(&["lxmert", "xvlm"]).expect("a mix");
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("several lists")),
        "{:?}",
        report.notes
    );
    assert!(!sample.path("imported/answers.json").exists());
}

/// A text of a file replaced by one of as many bytes.
fn replace(sample: Sample, file: &str, from: &[u8], to: &[u8]) -> Sample {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(sample.path(file)).expect("a file");
    let at = bytes.windows(from.len()).position(|part| part == from);
    let at = at.expect("it is there");
    bytes[at..at + to.len()].copy_from_slice(to);
    sample.write(file, bytes)
}

#[test]
fn a_list_of_answers_must_agree_with_their_numbers() {
    let lxmert = || Sample::of(&["lxmert"]);
    let cfr = || Sample::of(&["cfr"]);
    let json = "lxmert/trainval_ans2label.json";
    let pickle = "cfr/cache/trainval_ans2label.pkl";
    let words = "trainval_label2ans";
    for (name, sample, says) in [
        ("lxmert", lxmert().write(json, r#"{"sun": 1, "light": 0, "no": 2, "blue": 3, "navy": 4, "gray": 5, "yes": 6, "1": 7}"#), "has number"),
        ("lxmert", lxmert().write(json, "{\"net\": 0}"), "lacks answer"),
        ("cfr", replace(cfr(), pickle, b"yellow", b"yelloW"), "lacks answer"),
    ] {
        sample.refused(&sample.request(&[name]), &["ans2label", words, says, "one version"]);
    }
    for name in ["lxmert", "cfr"] {
        let sample = Sample::of(&[name]);
        sample.import(&[name]).expect("they agree");
    }
}
