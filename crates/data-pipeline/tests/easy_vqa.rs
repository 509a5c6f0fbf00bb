//! The `easy-vqa` data set: reading a small one, everything that can be wrong with it, and fetching.

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use data_pipeline::{
    Answer, DataError, EasyVqa, Encoder, HoldOut, Loader, LoaderConfig, Order, Preload, Source,
    Split,
};
use tempfile::TempDir;

const ANSWERS: &str = "circle\nred\nrectangle\nyes\nno\n";

/// Twenty training and five test images, three questions each.
fn data_set() -> TempDir {
    let root = TempDir::new().expect("a folder");
    let png = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/rgb.png");
    for (part, images) in [("train", 20), ("test", 5)] {
        let folder = root.path().join(part);
        fs::create_dir_all(folder.join("images")).expect("a folder");
        let mut rows = Vec::new();
        for image in 0..images {
            fs::copy(&png, folder.join(format!("images/{image}.png"))).expect("an image");
            for (question, answer) in [
                ("what shape is it?", "circle"),
                ("what color is it?", "red"),
                ("is it red?", "yes"),
            ] {
                rows.push(serde_json::json!([question, answer, image]));
            }
        }
        let text = serde_json::Value::from(rows).to_string();
        fs::write(folder.join("questions.json"), text).expect("a file");
    }
    fs::write(root.path().join("answers.txt"), ANSWERS).expect("a file");
    root
}

fn hold_out(fraction: f64, seed: u64) -> HoldOut {
    HoldOut { fraction, seed }
}

fn open(root: &TempDir, split: Split) -> EasyVqa {
    EasyVqa::open(root.path(), split, hold_out(0.25, 1)).expect("a whole data set")
}

fn names(source: &EasyVqa) -> HashSet<String> {
    (0..source.image_count())
        .map(|image| source.image_name(image))
        .collect()
}

#[test]
fn validation_is_whole_images_taken_from_training() {
    let root = data_set();
    let [train, validation, test] =
        [Split::Train, Split::Validation, Split::Test].map(|split| open(&root, split));
    assert_eq!([train.image_count(), train.samples().len()], [15, 45]);
    assert_eq!(
        [validation.image_count(), validation.samples().len()],
        [5, 15]
    );
    assert_eq!([test.image_count(), test.samples().len()], [5, 15]);
    assert!(names(&train).is_disjoint(&names(&validation)));
    assert!(names(&train).iter().all(|name| name.contains("train")));
    assert!(names(&test).iter().all(|name| name.contains("test")));
    for source in [&train, &validation, &test] {
        let used: HashSet<_> = source.samples().iter().map(|s| s.image).collect();
        assert_eq!(
            used.len(),
            source.image_count(),
            "every image has questions"
        );
    }
    for image in 0..test.image_count() {
        let [file] = test.files(image).try_into().expect("one file an image");
        assert_eq!(file.display().to_string(), test.image_name(image));
    }
    let first = &train.samples()[0];
    assert_eq!(first.question, "what shape is it?");
    assert_eq!(first.answers, [Answer::only("circle")]);
    let bytes = train.encoded_image(3).expect("an image");
    assert_eq!(bytes, fs::read(train.image_name(3)).expect("its file"));
}

#[test]
fn which_images_are_held_out_depends_on_the_seed() {
    let root = data_set();
    let held_out = |seed| {
        let source = EasyVqa::open(root.path(), Split::Validation, hold_out(0.25, seed));
        names(&source.expect("a whole data set"))
    };
    assert_eq!(held_out(1), held_out(1));
    let distinct: Vec<_> = (0..5).map(held_out).collect();
    assert!(distinct.iter().any(|names| *names != distinct[0]));

    let none = EasyVqa::open(root.path(), Split::Validation, hold_out(0.0, 1)).expect("whole");
    assert_eq!(none.image_count(), 0);
    for fraction in [-0.1, 1.0, f64::NAN] {
        let refused = EasyVqa::open(root.path(), Split::Train, hold_out(fraction, 1));
        assert!(
            matches!(refused, Err(DataError::Setting { .. })),
            "{fraction}"
        );
    }
}

/// Spoils a data set and compares message and hint; `{}` in them stands for its folder.
fn check(split: Split, spoil: impl Fn(&Path), message: &str, hint: Option<&str>) {
    let root = data_set();
    spoil(root.path());
    let folder = root.path().display().to_string();
    let error = EasyVqa::open(root.path(), split, hold_out(0.25, 1)).expect_err(message);
    assert_eq!(error.to_string(), message.replace("{}", &folder));
    let hint = hint.map(|hint| hint.replace("{}", &folder));
    assert_eq!(error.hint(), hint);
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).expect("a file");
    assert!(text.contains(from), "{from}");
    fs::write(file, text.replacen(from, to, 1)).expect("a file");
}

#[test]
fn missing_parts_are_named() {
    let hint = Some("get it with `aoa data fetch easy-vqa`");
    for part in [
        "answers.txt",
        "train/questions.json",
        "train/images",
        "test/questions.json",
        "test/images",
    ] {
        check(
            Split::Train,
            |root| fs::rename(root.join(part), root.join("gone")).expect("moved"),
            &format!("no easy-vqa data set in `{{}}`: `{{}}/{part}` is missing"),
            hint,
        );
    }
    let error = EasyVqa::open(Path::new("no/such/folder"), Split::Test, hold_out(0.1, 1));
    assert_eq!(
        error.expect_err("no folder").to_string(),
        "no easy-vqa data set in `no/such/folder`: `no/such/folder` is missing"
    );
}

#[test]
fn broken_files_are_named_with_the_place() {
    let questions = |root: &Path| root.join("test/questions.json");
    let image_3 = "[\"what shape is it?\",\"circle\",3]";
    check(
        Split::Test,
        |root| {
            let text = "[[\"a\", \"yes\", 0],\n[\"b\" \"no\", 1]]";
            fs::write(questions(root), text).expect("a file");
        },
        "`{}/test/questions.json`, line 2, column 6: expected `,` or `]`",
        None,
    );
    for (row, found) in [
        ("[\"what?\",\"circle\"]", "[\"what?\",\"circle\"]"),
        ("[\"what?\",\"circle\",-3]", "[\"what?\",\"circle\",-3]"),
        ("[\"what?\",\"circle\",3,4]", "[\"what?\",\"circle\",3,4]"),
        ("{\"question\": 1}", "{\"question\":1}"),
    ] {
        check(
            Split::Test,
            |root| replace(&questions(root), image_3, row),
            &format!(
                "`{{}}/test/questions.json`, entry 9: expected [question, answer, image number], found `{found}`"
            ),
            None,
        );
    }
    check(
        Split::Train,
        |root| fs::write(root.join("answers.txt"), "yes\nno\nyes\n").expect("a file"),
        "`{}/answers.txt`, line 3: `yes` is already on an earlier line",
        None,
    );
    check(
        Split::Train,
        |root| fs::write(root.join("answers.txt"), "").expect("a file"),
        "`{}/answers.txt`: the list is empty",
        None,
    );
}

#[test]
fn an_answer_outside_the_list_is_named_with_a_suggestion() {
    let questions = |root: &Path| root.join("test/questions.json");
    let image_3 = "[\"what shape is it?\",\"circle\",3]";
    for (answer, hint) in [
        ("rectangel", Some("did you mean `rectangle`?")),
        ("Circle", Some("did you mean `circle`?")),
        ("dodecahedron", None),
    ] {
        check(
            Split::Test,
            |root| {
                let row = format!("[\"what shape is it?\",\"{answer}\",3]");
                replace(&questions(root), image_3, &row);
            },
            &format!(
                "`{{}}/test/questions.json`, entry 9: answer `{answer}` is not in `{{}}/answers.txt`"
            ),
            hint,
        );
    }
}

#[test]
fn a_truncated_image_is_named_when_it_is_read() {
    let root = data_set();
    let path = root.path().join("test/images/2.png");
    let bytes = fs::read(&path).expect("an image");
    fs::write(&path, &bytes[..bytes.len() / 2]).expect("an image");
    let source = Arc::new(open(&root, Split::Test));
    let encoder = Encoder::build(source.as_ref(), 8, 16).expect("words and answers");
    let config = LoaderConfig {
        effective_batch: 3,
        chunk: 3,
        num_workers: 2,
        prefetch_factor: 2,
        preload: Preload::Nothing,
        use_compression: false,
        shuffle: Order::Sequential,
        augmentation: None,
    };
    let loader = Loader::new(source, Arc::new(encoder), config).expect("a loader");
    let mut epoch = loader.epoch(0, 2).expect("threads");
    let error = epoch.next().expect("a batch").expect_err("truncated");
    let questions = root.path().join("test/questions.json");
    assert_eq!(
        error.to_string(),
        format!("`{}`, entries 6, 7 and 8", questions.display())
    );
    let error = error.source().expect("a cause");
    assert_eq!(
        error.to_string(),
        format!("cannot use image `{}`", path.display())
    );
    let cause = error.source().expect("a cause").to_string();
    let expected = format!("the PNG is truncated ({} bytes): ", bytes.len() / 2);
    assert!(cause.starts_with(&expected), "{cause}");
}

#[cfg(unix)]
mod fetching {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use data_pipeline::DataError;
    use data_pipeline::easy_vqa::{Fetched, fetch};
    use tempfile::TempDir;

    /// A program in the place of Python that runs a shell script.
    fn python(folder: &Path, script: &str) -> String {
        let path = folder.join("python");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a script");
        path.display().to_string()
    }

    /// Installs a data set of the published size, with so many test images.
    fn install(test_images: usize) -> String {
        format!(
            r#"
for last; do package="$last"; done
test "$package" = easy-vqa==1.0 || exit 9
while test "$1" != --target; do shift; done
data="$2/easy_vqa/data"
part() {{
    mkdir -p "$data/$1/images"
    (cd "$data/$1/images" && seq -f '%g.png' 0 "$2" | xargs touch)
    seq 0 "$3" | awk -v n="$4" 'BEGIN {{ printf "[" }} {{ printf "%s[\"q?\", \"a1\", %d]", (NR > 1 ? "," : ""), $1 % n }} END {{ printf "]" }}' > "$data/$1/questions.json"
}}
part train 3999 38574 4000
part test {} 9672 1000
seq -f 'a%g' 1 13 > "$data/answers.txt"
"#,
            test_images - 1
        )
    }

    fn entries(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        entries
            .map(|entry| name(entry).to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn a_data_set_is_fetched_once() {
        let tools = TempDir::new().expect("a folder");
        let root = tools.path().join("new/root");
        let program = python(tools.path(), &install(1000));
        let mut expected = Fetched {
            folder: root.join("easy-vqa"),
            already_there: false,
        };
        assert_eq!(fetch(&root, &program).expect("fetched"), expected);
        assert_eq!(entries(&root), ["easy-vqa"], "nothing else is left behind");
        expected.already_there = true;
        assert_eq!(fetch(&root, "no python needed").expect("there"), expected);
    }

    #[test]
    fn a_part_of_a_data_set_is_not_moved_into_place() {
        let tools = TempDir::new().expect("a folder");
        let root = tools.path().join("root");
        let error = fetch(&root, &python(tools.path(), &install(999))).expect_err("999 images");
        let text = error.to_string();
        assert!(
            text.ends_with("is not whole: 999 test images, expected 1000"),
            "{text}"
        );
        assert!(entries(&root).is_empty());
    }

    #[test]
    fn what_is_there_and_not_whole_is_left_alone() {
        let root = super::data_set();
        let folder = root.path().join("easy-vqa");
        fs::create_dir(&folder).expect("a folder");
        for part in ["train", "test", "answers.txt"] {
            fs::rename(root.path().join(part), folder.join(part)).expect("moved");
        }
        let error = fetch(root.path(), "no python needed").expect_err("too small");
        assert!(
            matches!(
                error,
                DataError::IncompleteDataSet {
                    expected: 13,
                    found: 5,
                    ..
                }
            ),
            "{error}"
        );
        let hint = error.hint().expect("a hint");
        assert!(hint.starts_with("remove `") && hint.ends_with("`aoa data fetch easy-vqa`"));
        assert!(folder.join("answers.txt").exists());
    }

    #[test]
    fn failures_of_python_and_pip_are_told() {
        let tools = TempDir::new().expect("a folder");
        let root = tools.path().join("root");
        let error = fetch(&root, "/no/such/python").expect_err("no python");
        assert_eq!(error.to_string(), "cannot run `/no/such/python`");
        assert!(error.hint().is_some_and(|hint| hint.contains("pip")));

        let script = "echo first >&2\necho 'ERROR: no network' >&2\necho >&2\nexit 3";
        let program = python(tools.path(), script);
        let error = fetch(&root, &program).expect_err("pip fails");
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("`{program} -m pip install ")),
            "{text}"
        );
        assert!(
            text.ends_with("failed (exit status: 3): ERROR: no network"),
            "{text}"
        );
        assert!(entries(&root).is_empty());
    }
}
