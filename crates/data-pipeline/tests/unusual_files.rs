//! Files that do not end, lines that do not, and what is no file at all.

#![cfg(unix)]

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use data_pipeline::{
    DataError, EasyVqa, Folder, HoldOut, ImageHeader, Source, Split, WordPiece, WordPieceForm,
};
use tempfile::TempDir;

const HOLD_OUT: HoldOut = HoldOut {
    fraction: 0.5,
    seed: 1,
};

fn vocabulary(path: &Path) -> DataError {
    WordPiece::read(path, WordPieceForm::Xvlm).expect_err("it is refused")
}

fn folder(root: &Path) -> DataError {
    Folder::open(root, Split::Train, HOLD_OUT).expect_err("it is refused")
}

/// A data set but for its questions.
fn without_questions() -> TempDir {
    let root = TempDir::new().expect("a folder");
    fs::create_dir(root.path().join("images")).expect("a folder");
    fs::write(root.path().join("images/a.png"), "").expect("a file");
    root
}

/// A file of that many bytes that takes no room.
fn sparse(path: &Path, bytes: u64) {
    let file = File::create(path).expect("a file");
    file.set_len(bytes).expect("a length");
}

#[test]
fn devices_and_pipes_are_not_read() {
    let message = vocabulary(Path::new("/dev/zero")).to_string();
    assert_eq!(message, "`/dev/zero` is not a regular file");

    let root = without_questions();
    let pipe = root.path().join("train.jsonl");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()));
    let expected = format!("`{}` is not a regular file", pipe.display());
    assert_eq!(folder(root.path()).to_string(), expected);
    assert_eq!(vocabulary(&pipe).to_string(), expected);
}

/// Puts a pipe, a socket, or a link to a device in the place of a file.
fn replace(path: &Path, kind: &str) {
    let _ = fs::remove_file(path);
    match kind {
        "pipe" => {
            let made = Command::new("mkfifo").arg(path).status();
            assert!(made.is_ok_and(|status| status.success()));
        }
        "socket" => drop(UnixListener::bind(path).expect("a socket")),
        _ => symlink("/dev/zero", path).expect("a link"),
    }
}

/// Wherever a file of a data set is opened: reading does not hang, and says which file it is.
#[test]
fn no_part_of_a_data_set_is_a_pipe_a_socket_or_a_device() {
    let line = r#"{"image": "a.png", "question": "q", "answers": ["yes"]}"#;
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/rgb.png");
    for kind in ["pipe", "socket", "device"] {
        for (part, split) in [
            ("train.jsonl", Split::Train),
            ("validation.jsonl", Split::Validation),
            // A look at all splits tells how lists are read.
            ("test.jsonl", Split::Test),
            ("statistical_words.json", Split::Train),
            ("images/a.png", Split::Train),
            ("features/a.png.safetensors", Split::Train),
        ] {
            let root = TempDir::new().expect("a folder");
            for folder in ["images", "features"] {
                fs::create_dir(root.path().join(folder)).expect("a folder");
            }
            if !part.starts_with("features") {
                fs::remove_dir(root.path().join("features")).expect("a folder");
            }
            for file in ["train.jsonl", "validation.jsonl", "test.jsonl"] {
                fs::write(root.path().join(file), line).expect("a file");
            }
            fs::copy(&image, root.path().join("images/a.png")).expect("an image");
            let path = root.path().join(part);
            replace(&path, kind);
            let message = match Folder::open(root.path(), split, HOLD_OUT) {
                Err(error) => error.to_string(),
                // Images are opened when they are read.
                Ok(source) => {
                    let read = source.encoded_image(0).expect_err("it is none");
                    let glance = source.glance(0).expect_err("it is none");
                    let header = ImageHeader::of_file(&path).expect_err("it is none");
                    assert_eq!(read.to_string(), glance.to_string());
                    assert_eq!(read.to_string(), header.to_string());
                    read.to_string()
                }
            };
            let name = format!("`{}`", path.display());
            assert!(
                message.contains(&name) && message.contains("not a regular file"),
                "{kind}, {part}: {message}"
            );
        }
        for part in ["answers.txt", "train/questions.json"] {
            let root = TempDir::new().expect("a folder");
            for folder in ["train/images", "test/images"] {
                fs::create_dir_all(root.path().join(folder)).expect("a folder");
            }
            for file in ["answers.txt", "train/questions.json", "test/questions.json"] {
                fs::write(root.path().join(file), "[]").expect("a file");
            }
            let path = root.path().join(part);
            replace(&path, kind);
            let error = EasyVqa::open(root.path(), Split::Train, HOLD_OUT).expect_err("it is none");
            let expected = format!("`{}` is not a regular file", path.display());
            assert_eq!(error.to_string(), expected);
        }
    }
}

#[test]
fn what_cannot_be_read_is_not_taken_for_absent() {
    let line = r#"{"image": "a.png", "question": "q", "answers": ["yes"]}"#;
    let questions = |root: &TempDir| {
        fs::write(root.path().join("train.jsonl"), line).expect("a file");
    };
    for name in ["features", "images"] {
        let root = without_questions();
        questions(&root);
        fs::remove_dir_all(root.path().join("images")).expect("a folder");
        let path = root.path().join(name);
        fs::write(&path, "").expect("a file");
        let expected = format!("`{}` is not a folder", path.display());
        assert_eq!(folder(root.path()).to_string(), expected);
    }
    // A link to nothing, and a link to itself.
    for target in ["nowhere", "validation.jsonl"] {
        let root = without_questions();
        questions(&root);
        let path = root.path().join("validation.jsonl");
        symlink(target, &path).expect("a link");
        let expected = format!("cannot access `{}`", path.display());
        assert_eq!(folder(root.path()).to_string(), expected, "{target}");
    }
    // A folder of a name that no folder can have is not missing, it cannot be looked for.
    let unreadable = "x".repeat(5000);
    let expected = format!("cannot access `{unreadable}/validation.jsonl`");
    assert_eq!(folder(Path::new(&unreadable)).to_string(), expected);
    let vqa = EasyVqa::open(Path::new(&unreadable), Split::Test, HOLD_OUT).expect_err("no name");
    assert!(matches!(vqa, DataError::Io { .. }), "{vqa}");
}

#[test]
fn files_have_a_largest_size() {
    let root = without_questions();
    let list = root.path().join("vocab.txt");
    sparse(&list, (64 << 20) + 1);
    let expected = format!("`{}` holds more than 67108864 bytes", list.display());
    assert_eq!(vocabulary(&list).to_string(), expected);
}

#[test]
fn lines_have_a_greatest_length() {
    let root = without_questions();
    let path = root.path().join("train.jsonl");
    let line = |question: usize| {
        let question = "q".repeat(question);
        format!(r#"{{"image": "a.png", "question": "{question}", "answers": ["yes"]}}"#)
    };
    let fits = (1 << 20) - line(0).len();
    fs::write(&path, format!("{}\r\n", line(fits - 1))).expect("a file");
    let hold_out = HoldOut {
        fraction: 0.0,
        seed: 1,
    };
    Folder::open(root.path(), Split::Train, hold_out).expect("the longest line");
    fs::write(&path, format!("{}\n{}\n", line(fits), line(fits + 1))).expect("a file");
    let expected = format!("`{}`, line 2: more than 1048576 bytes", path.display());
    assert_eq!(folder(root.path()).to_string(), expected);
    fs::write(&path, "q".repeat(5 << 20)).expect("a file");
    let expected = format!("`{}`, line 1: more than 1048576 bytes", path.display());
    assert_eq!(folder(root.path()).to_string(), expected);
}

#[test]
fn a_message_repeats_the_beginning_of_a_long_line() {
    let root = without_questions();
    let question = " ".repeat(100_000);
    let line = format!(r#"{{"image": "a.png", "question": "{question}", "answers": ["yes"]}}"#);
    fs::write(root.path().join("train.jsonl"), line).expect("a file");
    let message = folder(root.path()).to_string();
    assert!(
        message.contains("not blank") && message.len() < 1000,
        "{message}"
    );
}
