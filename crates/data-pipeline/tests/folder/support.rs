//! A data set of the user's own, to be spoiled.

use std::fs;
use std::path::Path;

use data_pipeline::{Answer, Folder, HoldOut, Split};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize};
use tempfile::TempDir;

pub(crate) const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

pub(crate) const HOLD_OUT: HoldOut = HoldOut {
    fraction: 0.5,
    seed: 1,
};

pub(crate) const LINES: &str = r#"{"image": "a.png", "question": "what is it?", "answers": ["cat"], "entities": ["it"]}
{"image": "sub/b.jpg", "question": "is it red?", "answers": {"yes": 0.6, "no": 0.2}, "entities": []}
{"image": "a.png", "question": "red?", "answers": ["no", "yes", "no", "no", "no", "no", "no", "no", "no", "no"], "entities": ["red thing"]}
"#;

pub(crate) fn safetensors(tensors: &[(&str, &[usize], &[f32])]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(.., numbers)| numbers.iter().flat_map(|n| n.to_le_bytes()).collect())
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        (
            *name,
            TensorView::new(Dtype::F32, shape.to_vec(), bytes).expect("a tensor"),
        )
    });
    serialize(views, None).expect("a file")
}

/// Two images, their features and words, and three questions a split.
pub(crate) fn data_set() -> TempDir {
    let root = TempDir::new().expect("a folder");
    let formats = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    for (folder, names) in [
        ("images", ["a.png", "sub/b.jpg"]),
        ("features", ["a.png", "sub/b.jpg"]),
    ] {
        fs::create_dir_all(root.path().join(folder).join("sub")).expect("a folder");
        for (name, format) in names.iter().zip(["rgb.png", "rgb_444.jpg"]) {
            let path = root.path().join(folder).join(name);
            if folder == "images" {
                fs::copy(formats.join(format), path).expect("an image");
            } else {
                let level = if *name == "a.png" { 0.25 } else { 0.75 };
                let content = safetensors(&[
                    ("regions", &[2, 3], &[level; 6]),
                    ("boxes", &[2, 6], &[level; 12]),
                ]);
                fs::write(format!("{}.safetensors", path.display()), content).expect("a file");
            }
        }
    }
    for split in SPLITS {
        let path = root.path().join(format!("{}.jsonl", split.name()));
        fs::write(path, LINES).expect("a file");
    }
    let words = r#"{"a.png": ["tabby cat"], "sub/b.jpg": [], "unused.png": ["x"]}"#;
    fs::write(root.path().join("statistical_words.json"), words).expect("a file");
    root
}

pub(crate) fn open(root: &TempDir, split: Split) -> Folder {
    Folder::open(root.path(), split, HOLD_OUT).expect("a whole data set")
}

pub(crate) fn answer(text: &str, score: f32, weight: f32) -> Answer {
    Answer {
        text: text.to_owned(),
        score,
        weight,
    }
}

/// Spoils a data set and compares the message; `{}` in it stands for the folder.
pub(crate) fn check(spoil: impl Fn(&Path), message: &str) {
    let root = data_set();
    spoil(root.path());
    let error = Folder::open(root.path(), Split::Test, HOLD_OUT).expect_err(message);
    let folder = root.path().display().to_string();
    assert_eq!(error.to_string(), message.replace("{}", &folder));
}
