//! How lines of questions are read: their answers, encodings and further fields.
//!
//! One file because all tests write a few lines and open them with the helpers at its top.

use std::fs;
use std::path::Path;

use data_pipeline::{
    AnswerNormalisation, DataError, Folder, HoldOut, ReadingFacts, Source, Split, fingerprint,
    folder,
};
use tempfile::TempDir;

const HOLD_OUT: HoldOut = HoldOut {
    fraction: 0.5,
    seed: 1,
};

/// A data set with two images whose training file has this content; validation and test have one right answer each.
fn data_set(train: impl AsRef<[u8]>) -> TempDir {
    let root = TempDir::new().expect("a folder");
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/rgb.png");
    fs::create_dir(root.path().join("images")).expect("a folder");
    for name in ["a.png", "b.png"] {
        fs::copy(&image, root.path().join("images").join(name)).expect("an image");
    }
    for file in ["validation.jsonl", "test.jsonl"] {
        fs::write(root.path().join(file), line(r#""answers": ["red"]"#)).expect("a file");
    }
    fs::write(root.path().join("train.jsonl"), train).expect("a file");
    root
}

fn line(rest: &str) -> String {
    format!("{{\"image\": \"a.png\", \"question\": \"what color?\", {rest}}}\n")
}

/// Lines with these `answers`.
fn lines(answers: &[&str]) -> String {
    answers
        .iter()
        .map(|answers| line(&format!("\"answers\": {answers}")))
        .collect()
}

fn open(root: &TempDir) -> Folder {
    Folder::open(root.path(), Split::Train, HOLD_OUT).expect("a whole data set")
}

fn facts(source: &Folder) -> &ReadingFacts {
    source.reading().expect("it was read from a file")
}

/// The answers of each line as text and score in thousandths.
#[track_caller]
fn check(
    normalisation: AnswerNormalisation,
    answers: &[&str],
    expected: &[&[(&str, i32)]],
) -> ReadingFacts {
    let root = data_set(lines(answers));
    let reading = Folder::reading_of(root.path(), normalisation);
    let source =
        Folder::open_with(root.path(), Split::Train, HOLD_OUT, &reading).expect("a whole data set");
    for (sample, expected) in source.samples().iter().zip(expected) {
        let read: Vec<_> = sample
            .answers
            .iter()
            .map(|answer| (answer.text.as_str(), (answer.score * 1000.0).round() as i32))
            .collect();
        assert_eq!(read, *expected);
        let weights: f32 = sample.answers.iter().map(|answer| answer.weight).sum();
        assert!((weights - 1.0).abs() < 1e-6, "{weights}");
    }
    assert_eq!(source.samples().len(), expected.len());
    facts(&source).clone()
}

const VQA: AnswerNormalisation = AnswerNormalisation::Vqa;

#[test]
fn a_list_with_repeats_is_votes_and_one_without_is_right_answers() {
    let nine = r#"["yes","yes","yes","yes","no","no","no","maybe","maybe"]"#;
    let eleven = r#"["yes","yes","yes","yes","no","no","no","maybe","maybe","red","blue"]"#;
    check(
        VQA,
        &[nine],
        &[&[("yes", 1000), ("no", 889), ("maybe", 593)]],
    );
    check(
        VQA,
        &[eleven],
        &[&[
            ("yes", 1000),
            ("no", 909),
            ("maybe", 606),
            ("red", 303),
            ("blue", 303),
        ]],
    );
    let facts = check(
        VQA,
        &[
            r#"["red", "dark red"]"#,
            r#"["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]"#,
        ],
        &[
            &[("red", 1000), ("dark red", 1000)],
            &["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"].map(|text| (text, 1000)),
        ],
    );
    assert_eq!((facts.right_lists, facts.votes()), (2, 0));
    assert!(
        facts.warnings().is_empty() && facts.notes().is_empty(),
        "{facts:?}"
    );
}

/// Annotators who all disagree are told from right answers by the other lists of the data set, of any split.
#[test]
fn a_list_as_long_as_one_with_repeats_is_votes() {
    let distinct = r#"["a1", "a2", "a3", "a4", "a5"]"#;
    let repeats = r#"["a1", "a1", "a1", "a1", "a2"]"#;
    let single = [("red", 1000)];
    // Each of five is left out once: 4 of 5 times 1 / 3.
    let each = ["a1", "a2", "a3", "a4", "a5"].map(|text| (text, 267));
    let facts = check(
        VQA,
        &[distinct, repeats, "[\"red\"]"],
        &[&each, &[("a1", 1000), ("a2", 267)], &single],
    );
    assert_eq!(facts.vote_lists.get(&5), Some(&2));
    assert_eq!((facts.votes_without_repeats, facts.right_lists), (1, 1));
    let warnings = facts.warnings();
    let expected = "train.jsonl`: of the answer lists, 2 are read as votes, because an answer repeats in them or in lists of \
        equal length, and 1 as alternatives that are each correct";
    assert!(warnings[0].ends_with(expected), "{warnings:?}");

    let root = data_set(lines(&[distinct]));
    fs::write(root.path().join("test.jsonl"), lines(&[repeats])).expect("a file");
    assert!((open(&root).samples()[0].answers[0].score - 4.0 / 15.0).abs() < 1e-6);
}

#[test]
fn votes_of_few_annotators_are_warned_of() {
    let facts = check(VQA, &[r#"["red", "red"]"#], &[&[("red", 333)]]);
    let warnings = facts.warnings();
    assert!(
        warnings[0].contains("the votes of only 2 annotators, so a unanimous answer scores 0.33"),
        "{warnings:?}"
    );
}

#[test]
fn spellings_of_one_answer_are_one_answer() {
    let written = [
        "[\"Yes\"]",
        "[\"yes.\"]",
        "[\"YES\"]",
        "[\" yes\"]",
        "[\"yes\"]",
        "[\"two\"]",
        "[2]",
        "[\"Two.\"]",
    ];
    let yes: &[(&str, i32)] = &[("yes", 1000)];
    let two: &[(&str, i32)] = &[("2", 1000)];
    let facts = check(VQA, &written, &[yes, yes, yes, yes, yes, two, two, two]);
    assert_eq!(facts.spellings.len(), 2);
    let note = facts.notes().join("\n");
    assert!(
        note.contains("5 spellings count in normalised form (`dataset.answer_normalisation`): `Two.`, `two` as `2`; ")
            && note.contains("`YES`, `Yes`, `yes.` as `yes`"),
        "{note}"
    );
    let facts = check(
        AnswerNormalisation::None,
        &written[..3],
        &[&[("Yes", 1000)], &[("yes.", 1000)], &[("YES", 1000)]],
    );
    assert!(facts.spellings.is_empty());
    // In lists and objects, too; and what nothing would be left of stays.
    check(
        VQA,
        &[
            r#"["Red", "red."]"#,
            r#"{"红色。": 0.6, "红色": 0.3, "": 1}"#,
            r#"["A", "the"]"#,
        ],
        &[
            &[("red", 1000)],
            &[("红色", 600)],
            &[("A", 1000), ("the", 1000)],
        ],
    );
}

/// The scorer normalises nothing where all agree.
#[test]
fn votes_that_all_agree_stay_as_they_are_written() {
    let all = format!("[{}]", ["\"T-Ball\""; 10].join(","));
    let most = format!("[{}, \"ball\"]", ["\"T-Ball\""; 9].join(","));
    check(
        VQA,
        &[&all, &most],
        &[&[("T-Ball", 1000)], &[("t ball", 1000), ("ball", 300)]],
    );
}

#[test]
fn blank_votes_count_and_are_counted() {
    let read = check(
        VQA,
        &[r#"["red", "red", "red", "", " ", "a"]"#, "[\"blue\", \"\"]"],
        &[&[("red", 833)], &[("blue", 1000)]],
    );
    assert_eq!((read.blank_answers, read.none_right), (4, 0));
    let note = read.notes().join("\n");
    assert!(note.contains("4 answers are blank"), "{note}");
}

/// Answers of which none is right, however that is written.
const NONE_RIGHT: [&str; 6] = [
    "[\"\", \" \"]",
    "\"\"",
    r#"["a", "the", "a"]"#,
    r#"{"red": 0, "blue": 0.0}"#,
    r#"{"": 1}"#,
    r#"["", "", "", "", "", "", "", "", "", ""]"#,
];

#[test]
fn questions_without_a_right_answer_are_counted_and_no_part_of_training() {
    for none in NONE_RIGHT {
        let root = data_set(lines(&[none, "[\"red\"]", none]).replacen("a.png", "b.png", 1));
        let train = open(&root);
        assert_eq!(
            (train.samples().len(), train.image_count()),
            (1, 1),
            "{none}"
        );
        assert!(
            train.image_name(0).ends_with("a.png") && train.sample_place(0).ends_with("line 2")
        );
        let warnings = facts(&train).warnings().join("\n");
        let expected = "train.jsonl`: 2 questions have no right answer, because every answer is blank or has the score 0; \
            training leaves 2 out";
        assert!(warnings.ends_with(expected), "{none}: {warnings}");

        // It is trained as if the lines were not there.
        let edited = data_set(lines(&["[\"red\"]"]));
        assert_eq!(fingerprint(&train), fingerprint(&open(&edited)));

        // Elsewhere the questions stay, and no answer to them is right.
        for split in [Split::Validation, Split::Test] {
            let path = root.path().join(format!("{}.jsonl", split.name()));
            fs::write(path, lines(&[none, "[\"red\"]"])).expect("a file");
            let source = Folder::open(root.path(), split, HOLD_OUT).expect("questions");
            assert_eq!(source.samples().len(), 2);
            assert_eq!((facts(&source).none_right, facts(&source).left_out), (1, 0));
            assert!(source.samples()[0].answers.is_empty() && source.has_answers());
            let warnings = facts(&source).warnings().join("\n");
            assert!(warnings.ends_with(
                "1 question has no right answer, because every answer is blank or has the score 0"
            ));
        }
    }
    let root = data_set(lines(&NONE_RIGHT));
    let error = Folder::open(root.path(), Split::Train, HOLD_OUT).expect_err("nothing to learn");
    assert_eq!(error.to_string(), "6 training samples hold no right answer");
}

/// A held-out part keeps them, as a validation split of its own does.
#[test]
fn held_out_questions_without_a_right_answer_stay() {
    let each = lines(&["[\"red\"]", "[\"\"]"]);
    let root = data_set(format!("{each}{}", each.replace("a.png", "b.png")));
    fs::remove_file(root.path().join("validation.jsonl")).expect("a file");
    let validation = Folder::open(root.path(), Split::Validation, HOLD_OUT).expect("a part");
    assert_eq!(
        (open(&root).samples().len(), validation.samples().len()),
        (1, 2)
    );
    assert_eq!(
        (facts(&open(&root)).none_right, facts(&open(&root)).left_out),
        (2, 1)
    );
}

#[test]
fn an_answer_is_a_word_or_a_number_in_a_list_or_alone() {
    check(
        VQA,
        &["\"red\"", "2", "[2, -3, 2.5, \"2\"]", "\"\\u7ea2\""],
        &[
            &[("red", 1000)],
            &[("2", 1000)],
            // A list with repeats, once numbers are words.
            &[("2", 500), ("3", 250), ("2.5", 250)],
            &[("红", 1000)],
        ],
    );
}

#[test]
fn blank_lines_are_skipped_and_places_stay_right() {
    let text = format!(
        "\n{}\r\n \t\r\n{}\n\n",
        lines(&["[\"red\"]"]).trim_end(),
        lines(&["[\"blue\"]"]).trim_end()
    );
    let root = data_set(text);
    let source = open(&root);
    assert_eq!((source.samples().len(), facts(&source).blank_lines), (2, 3));
    assert!(
        source.sample_place(1).ends_with("line 4"),
        "{}",
        source.sample_place(1)
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of layouts")]
fn what_is_no_object_a_line_is_said_to_be_so() {
    let object = lines(&["[\"red\"]"]);
    let object = object.trim_end();
    let spread = object.replace(", ", ",\n");
    for (text, line, found, cure) in [
        (
            format!("[{object},\n{object}]"),
            1,
            "the start of a JSON array",
            "jq -c '.[]'",
        ),
        (
            format!("[\n{object},\n{object}]"),
            1,
            "the start of a JSON array",
            "jq -c '.[]'",
        ),
        (
            spread.clone(),
            1,
            "the start of an object that goes on",
            "jq -c . ",
        ),
        (
            spread.repeat(2),
            1,
            "the start of an object that goes on",
            "jq -c . ",
        ),
        // Files of other layouts, as editors and Python spread them over lines.
        (
            format!("{{\n\"version\": 1,\n\"data\": [\n{object},\n{object}]}}"),
            1,
            "the start of an object that goes on",
            "jq -c '.data[]' ",
        ),
        (
            format!("{{\n\"images\": [{{\"id\": 1}}],\n\"my set\": {{\"qas\": [{object}]}}}}"),
            1,
            "the start of an object that goes on",
            "jq -c '.[\"my set\"].qas[]' ",
        ),
        (
            format!("{{\n\"1\": {object},\n\"2\": {object}}}"),
            1,
            "the start of an object that goes on",
            "jq -c '.[]' ",
        ),
        (
            spread.replace('}', "},").repeat(2),
            1,
            "the start of an object that goes on",
            "without commas between objects",
        ),
        (
            format!("{object},"),
            1,
            "a comma behind an object",
            "sed 's/,[[:space:]]*$//' ",
        ),
        (
            format!("{object}\n{object} // the last"),
            2,
            "something behind an object",
            "remove what stands behind the object",
        ),
        (
            object.replace('"', "'"),
            1,
            "a Python dictionary, which is not JSON",
            "ast.literal_eval",
        ),
        (
            object.replace("[\"red\"]", "None"),
            1,
            "a Python dictionary, which is not JSON",
            "ast.literal_eval",
        ),
        (
            format!("{object}\na.png,what is it?,red"),
            2,
            "a row of a table (CSV)",
            "csv.DictReader",
        ),
        (
            format!("{object}\n\"a.png\",\"what, and where?\",\"red\""),
            2,
            "a row of a table (CSV)",
            "chr(44)",
        ),
        (
            format!("{object}\n7\ta.png\twhat, and where?\tred"),
            2,
            "a row of a table (TSV)",
            "chr(9)",
        ),
        (
            format!("{object}\n1;a.png;what is it?"),
            2,
            "a row of a table with semicolons",
            "chr(59)",
        ),
        (
            format!("{object}\n{}\n\n", &object[..object.len() / 2]),
            2,
            "the start of an object, and the end of the file",
            "copy or download it again",
        ),
        (
            format!("{object}\n{object} {object}"),
            2,
            "something behind an object",
            "jq -c .",
        ),
        (
            format!("{object}\r{object}"),
            1,
            "something behind an object",
            "jq -c .",
        ),
    ] {
        let root = data_set(text);
        let path = root.path().join("train.jsonl");
        let error = Folder::open(root.path(), Split::Train, HOLD_OUT).expect_err(found);
        let expected = format!(
            "`{}`, line {line}: expected one JSON object a line, found {found}",
            path.display()
        );
        assert_eq!(error.to_string(), expected);
        assert!(
            error.hint().is_some_and(|hint| hint.contains(cure)),
            "{error:?}"
        );
    }
}

#[test]
fn what_took_the_place_of_a_file_is_named_with_the_cure() {
    let pointer = &b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"[..];
    for (content, what, cure) in [
        (pointer, "a Git LFS pointer", "git lfs pull"),
        (b"<!DOCTYPE html>\n<html>", "an HTML page", "download"),
        (&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], "gzip", "gunzip"),
        (&[0; 512], "a file of zeros", "copy or download"),
    ] {
        let root = data_set(content);
        let error = Folder::open(root.path(), Split::Train, HOLD_OUT).expect_err(what);
        assert!(error.to_string().contains(what), "{error}");
        assert!(
            error.hint().is_some_and(|hint| hint.contains(cure)),
            "{error:?}"
        );
    }
    let root = data_set([lines(&["[\"red\"]"]).as_bytes(), &[0; 8]].concat());
    let error = Folder::open(root.path(), Split::Train, HOLD_OUT).expect_err("zeros at the end");
    assert!(
        matches!(&error, DataError::ZeroBytes { line: 2, .. }),
        "{error:?}"
    );
}

#[test]
fn other_encodings_are_named_with_the_cure() {
    let text = lines(&["[\"红色\"]"]);
    let wide = |units: &dyn Fn(u16) -> [u8; 2]| -> Vec<u8> {
        text.encode_utf16().flat_map(units).collect()
    };
    let [little, big] = [wide(&u16::to_le_bytes), wide(&u16::to_be_bytes)];
    let widest: Vec<u8> = text
        .chars()
        .flat_map(|c| u32::from(c).to_le_bytes())
        .collect();
    for (mark, content, encoding) in [
        (&[0xff, 0xfe][..], &little, "UTF-16"),
        (&[0xfe, 0xff], &big, "UTF-16"),
        (&[], &little, "UTF-16LE"),
        (&[], &big, "UTF-16BE"),
        (&[0xff, 0xfe, 0, 0], &widest, "UTF-32"),
        (&[], &widest, "UTF-32LE"),
    ] {
        let root = data_set([mark, content].concat());
        let path = root.path().join("train.jsonl");
        let error = Folder::open(root.path(), Split::Train, HOLD_OUT).expect_err(encoding);
        let expected = format!("`{}` is {encoding} and must be UTF-8", path.display());
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().is_some_and(|hint| hint.contains("iconv")));
    }
    // 红 in GBK, on the second line.
    let gbk = [
        text.as_bytes(),
        b"{\"image\": \"a.png\", \"question\": \"\xba\xec\"}",
    ]
    .concat();
    let root = data_set(gbk);
    let error = Folder::open(root.path(), Split::Train, HOLD_OUT).expect_err("GBK");
    assert!(
        matches!(&error, DataError::NotUtf8 { line: 2, .. }),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .ends_with("line 2: not UTF-8, which text files must be"),
        "{error}"
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("GB18030")));
    // What no text has is no Chinese either.
    let binary = [text.as_bytes(), b"{\"image\": \"\xba\xec\x00\x01\"}"].concat();
    let root = data_set(binary);
    let error = Folder::open(root.path(), Split::Train, HOLD_OUT).expect_err("no text");
    let hint = error.hint().expect("a cure");
    assert!(
        !hint.contains("iconv") && hint.contains("no text file"),
        "{hint}"
    );
    // Two files with byte-order marks that were put together.
    let marked = format!("\u{feff}{text}");
    assert_eq!(open(&data_set(marked.repeat(2))).samples().len(), 2);
}

#[test]
fn further_fields_are_kept_named_once_and_given_back() {
    let with = line(r#""question_id": 7, "answers": ["red"], "source": {"of": ["own"]}"#);
    let root = data_set(format!("{with}{}", with.replace('7', "8")));
    let source = open(&root);
    for (sample, id) in source.samples().iter().zip([7, 8]) {
        assert_eq!(sample.fields["question_id"], id);
        assert_eq!(sample.fields["source"]["of"][0], "own");
    }
    let notes = facts(&source).notes();
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0].ends_with("kept for predictions and evaluation: `question_id`, `source`"),
        "{notes:?}"
    );
    // They are no part of what is learned.
    let plain = data_set(lines(&["[\"red\"]", "[\"red\"]"]));
    assert_eq!(fingerprint(&source), fingerprint(&open(&plain)));

    let to = TempDir::new().expect("a folder");
    folder::write(to.path(), &[(Split::Train, &source as &dyn Source)], 1).expect("written");
    let again = Folder::open(
        to.path(),
        Split::Train,
        HoldOut {
            fraction: 0.0,
            seed: 1,
        },
    )
    .expect("as written");
    assert_eq!(again.samples(), source.samples());
}

#[test]
fn only_a_test_split_may_be_without_answers() {
    let without = line(r#""question_id": 1"#);
    for absent in [without.clone(), lines(&["[]"]), lines(&["null"])] {
        let root = data_set(lines(&["[\"red\"]"]));
        fs::write(root.path().join("test.jsonl"), &absent).expect("a file");
        let test = Folder::open(root.path(), Split::Test, HOLD_OUT).expect("questions");
        assert!(!test.has_answers() && open(&root).has_answers());
        assert_eq!(facts(&test).unanswered, 1);
        assert!(
            facts(&test)
                .notes()
                .join("\n")
                .contains("1 question has no answers")
        );
        let written = TempDir::new().expect("a folder");
        folder::write(written.path(), &[(Split::Test, &test as &dyn Source)], 1).expect("written");
        let again = Folder::open(written.path(), Split::Test, HOLD_OUT).expect("as written");
        assert_eq!(again.samples(), test.samples());

        for (split, file) in [(Split::Train, "train"), (Split::Validation, "validation")] {
            let path = root.path().join(format!("{file}.jsonl"));
            let whole = fs::read(&path).expect("a file");
            fs::write(&path, &absent).expect("a file");
            let error = Folder::open(root.path(), split, HOLD_OUT).expect_err("no answers");
            let expected = "line 1: expected `answers`, which only `test.jsonl` may lack";
            assert!(error.to_string().contains(expected), "{error}");
            fs::write(&path, whole).expect("a file");
        }
        fs::write(
            root.path().join("test.jsonl"),
            format!("{absent}{}", lines(&["[\"red\"]"])),
        )
        .expect("a file");
        let error = Folder::open(root.path(), Split::Test, HOLD_OUT).expect_err("some answers");
        assert!(
            error
                .to_string()
                .contains("line 2: expected `answers` on all lines or on none"),
            "{error}"
        );
    }
    // A misspelt name is no absence.
    for name in ["answer", "Answers", "anwsers"] {
        let root = data_set(lines(&["[\"red\"]"]));
        fs::write(
            root.path().join("test.jsonl"),
            line(&format!("\"{name}\": [\"red\"]")),
        )
        .expect("a file");
        let error = Folder::open(root.path(), Split::Test, HOLD_OUT).expect_err(name);
        assert!(
            error
                .to_string()
                .contains("missing field `answers`, did you mean it by"),
            "{error}"
        );
    }
}

/// What is written is read back as it was, whatever the form of its answers.
#[test]
fn answers_survive_an_export() {
    let all = format!("[{}]", ["\"T-Ball\""; 10].join(","));
    let root = data_set(lines(&[
        &all,
        r#"["red", "red", "Blue", "2", "two"]"#,
        r#"["A"]"#,
        r#"["x", "y"]"#,
    ]));
    let source = open(&root);
    let to = TempDir::new().expect("a folder");
    folder::write(to.path(), &[(Split::Train, &source as &dyn Source)], 1).expect("written");
    let again = Folder::open(
        to.path(),
        Split::Train,
        HoldOut {
            fraction: 0.0,
            seed: 1,
        },
    )
    .expect("as written");
    for (a, b) in again.samples().iter().zip(source.samples()) {
        let pairs = |sample: &data_pipeline::Sample| -> Vec<_> {
            sample
                .answers
                .iter()
                .map(|answer| (answer.text.clone(), answer.score.to_bits()))
                .collect()
        };
        assert_eq!(pairs(a), pairs(b));
    }
}

#[test]
fn spellings_that_are_not_shown_are_counted() {
    let spelled = ["[\"A cat.\"]", "[\"Dog!\"]", "[\"The cow\"]"];
    for (more, end) in [
        (&[][..], "as `dog`"),
        (&["[\"Two\"]", "[\"Two.\"]"], "; and 1 more"),
    ] {
        let root = data_set(lines(&[&spelled[..], more].concat()));
        let notes = facts(&open(&root)).notes().join("\n");
        assert!(notes.ends_with(end), "{notes}");
    }
}

/// `jq` is not everywhere, and Python is: the commands for files that Python wrote are run where there is one.
#[test]
#[cfg(unix)]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn the_python_commands_of_cures_write_what_is_read() {
    let object = lines(&["[\"red's\"]"]);
    let printed =
        "{'image': 'a.png', 'question': 'what is it?', 'answers': [\"red's\"], 'n': None}\n";
    for (content, question) in [
        (printed.repeat(2), "what is it?"),
        (
            "image,question,answers\na.png,\"what, then?\",red\n".to_owned(),
            "what, then?",
        ),
        (
            "image\tquestion\tanswers\na.png\tso, what?\tred\n".to_owned(),
            "so, what?",
        ),
    ] {
        let root = data_set(content);
        let error = Folder::open(root.path(), Split::Train, HOLD_OUT).expect_err("another layout");
        let hint = error.hint().expect("a cure");
        let from = hint.find("`python3").expect("a command") + 1;
        let command = hint[from..].split('`').next().expect("a command");
        let written = TempDir::new().expect("a folder");
        let target = written.path().join("train.jsonl");
        let command = command.replace("NEW_FILE", &target.display().to_string());
        let run = std::process::Command::new("sh")
            .args(["-c", &command])
            .output();
        if !run.is_ok_and(|run| run.status.success()) {
            eprintln!("skipped: no python3");
            return;
        }
        fs::create_dir(written.path().join("images")).expect("a folder");
        fs::write(written.path().join("validation.jsonl"), &object).expect("a file");
        let read = Folder::open(written.path(), Split::Train, HOLD_OUT).expect("as written");
        assert_eq!(read.samples()[0].question, question);
    }
}
