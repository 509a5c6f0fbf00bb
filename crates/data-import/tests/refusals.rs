//! What cannot be imported is refused with file, place, reason and cure, and nothing is written.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use data_import::{Format, ImportError, Recipe, Report, Request, import};
use serde_json::Value;
use tempfile::TempDir;

/// A copy of samples that can be changed.
struct Sample {
    place: TempDir,
}

impl Sample {
    fn of(names: &[&str]) -> Self {
        let place = tempfile::tempdir().expect("a folder");
        for name in names {
            let from = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/formats")
                .join(name);
            copy(&from, &place.path().join(name));
        }
        Self { place }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Replaces a text that is in a file.
    fn change(self, file: &str, from: &str, to: &str) -> Self {
        let path = self.path(file);
        let text = fs::read_to_string(&path).expect("a file");
        assert!(text.contains(from), "{file} has {from}");
        fs::write(&path, text.replacen(from, to, 1)).expect("a file");
        self
    }

    fn write(self, file: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.path(file), content).expect("a file");
        self
    }

    fn remove(self, file: &str) -> Self {
        let path = self.path(file);
        if path.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        }
        .expect("a file");
        self
    }

    fn request(&self, sources: &[&str]) -> Request {
        Request {
            sources: sources.iter().map(|name| self.path(name)).collect(),
            to: self.path("imported"),
            ..Request::default()
        }
    }

    fn import(&self, sources: &[&str]) -> Result<Report, ImportError> {
        import(&self.request(sources), &|_| {})
    }

    /// The import of all is refused, with these words in message or hint, and leaves nothing.
    #[track_caller]
    fn refused(&self, request: &Request, words: &[&str]) {
        let error = import(request, &|_| {}).expect_err("a refusal");
        let hint = error.hint();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let text = format!(
            "{error} | {} | {}",
            hint.clone().unwrap_or_default(),
            source.unwrap_or_default()
        );
        for word in words {
            assert!(text.contains(word), "{word:?} is not in {text:?}");
        }
        assert!(hint.is_some(), "a cure for {error}");
        let left: Vec<_> = fs::read_dir(self.place.path())
            .expect("the folder")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .filter(|name| name.contains("import"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }

    fn lines(&self, split: &str) -> Vec<Value> {
        let text =
            fs::read_to_string(self.path(&format!("imported/{split}.jsonl"))).expect("a split");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry").path();
        let to = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            copy(&entry, &to);
        } else {
            fs::write(&to, fs::read(&entry).expect("a file")).expect("a file");
        }
    }
}

const TRAIN: &str = "vqa2/v2_OpenEnded_mscoco_train2014_questions.json";
const ANSWERS: &str = "vqa2/v2_mscoco_train2014_annotations.json";

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
            vec!["1 annotations have no question in", "annotations.json"],
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
        &["there is no part `training`", "train, val, nominival"],
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
    sample.refused(&request, &["butd needs the part train of visual-genome"]);
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
            "file 0 of this part is missing",
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
    refuse(out, "vizwiz", &["`../x.jpg` is no path of an image"]);

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
            .any(|note| note.contains("1 of 2 images are not in")),
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
        note.is_some_and(|note| note.contains("1 of 2 images have no words")),
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
    sample.refused(
        &sample.request(&["pipe.json"]),
        &["pipe.json", "it is a pipe"],
    );
}
