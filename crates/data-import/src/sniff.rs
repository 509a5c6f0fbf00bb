//! What a file of a data set is, by the beginning of its content.

mod kind;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use file_kind::FileKind;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::error::{ImportError, Place};
use crate::json::{check_start, parse_error};

pub(crate) use kind::Kind;

/// Bytes of a file that are looked at.
const HEAD: u64 = 256 << 10;

/// How deep folders are searched for files.
const DEPTH: usize = 3;

/// Most files that are looked at.
const MOST_FILES: usize = 2000;

/// A file that was looked at.
#[derive(Debug, Clone)]
pub(crate) struct Sniffed {
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
    /// The beginning of the file, as far as it is JSON.
    pub(crate) head: Value,
    pub(crate) bytes: u64,
}

impl Sniffed {
    /// The file's name without its ending.
    pub(crate) fn stem(&self) -> String {
        let stem = self.path.file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    }

    /// What the file looks like, for messages.
    pub(crate) fn description(&self) -> String {
        let keys = |object: &Map<String, Value>| {
            let names: Vec<_> = object
                .keys()
                .take(6)
                .map(|key| format!("`{key}`"))
                .collect();
            names.join(", ")
        };
        match &self.head {
            Value::Array(list) => match list.first() {
                Some(Value::Object(first)) => format!("a list of objects with {}", keys(first)),
                Some(Value::String(_)) => "a list of texts".to_owned(),
                Some(_) => "a list".to_owned(),
                None => "an empty list".to_owned(),
            },
            Value::Object(object) if object.is_empty() => "an empty object".to_owned(),
            Value::Object(object) => format!("an object with {}", keys(object)),
            Value::Null => "no JSON".to_owned(),
            _ => "a single value".to_owned(),
        }
    }
}

/// Looks at files, and at those within folders whose names end with `.json` or `.pkl`.
pub(crate) fn all(sources: &[PathBuf]) -> Result<Vec<Sniffed>, ImportError> {
    let found = find(sources)?;
    found.files.into_iter().map(|path| file(&path)).collect()
}

/// What lies in folders.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Files that were named, and those within folders that may belong to a layout.
    pub(crate) files: Vec<PathBuf>,
    /// Folders within folders.
    pub(crate) folders: Vec<PathBuf>,
}

/// Finds the files that are looked at.
pub(crate) fn find(sources: &[PathBuf]) -> Result<Found, ImportError> {
    let mut found = Found::default();
    for source in sources {
        let metadata = fs::metadata(source).map_err(ImportError::io(source))?;
        if metadata.is_dir() {
            let before = found.files.len();
            search(source, DEPTH, &mut found)?;
            if found.files.len() - before > MOST_FILES {
                return Err(ImportError::choice(
                    format!(
                        "`{}` has more than {MOST_FILES} JSON files, more than any layout has",
                        source.display()
                    ),
                    "name the folder of one data set, or its files one by one",
                ));
            }
        } else {
            found.files.push(source.clone());
        }
    }
    found.files.dedup();
    Ok(found)
}

fn search(folder: &Path, depth: usize, found: &mut Found) -> Result<(), ImportError> {
    let failed = ImportError::io(folder);
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        let ending = name
            .rsplit_once('.')
            .map(|(_, ending)| ending.to_lowercase());
        let wanted = matches!(ending.as_deref(), Some("json" | "pkl"));
        let kind = entry.file_type().map_err(&failed)?;
        if kind.is_dir() || (kind.is_symlink() && entry.path().is_dir()) {
            folders.push(entry.path());
        } else if wanted {
            files.push(entry.path());
        }
    }
    files.sort();
    folders.sort();
    found.files.extend(files);
    found.folders.extend(folders.iter().cloned());
    if depth > 1 && found.files.len() <= MOST_FILES {
        for folder in folders {
            search(&folder, depth - 1, found)?;
        }
    }
    Ok(())
}

/// Looks at one file.
fn file(path: &Path) -> Result<Sniffed, ImportError> {
    let failed = ImportError::io(path);
    let bytes = fs::metadata(path).map_err(&failed)?;
    if let Some(kind) = file_kind::special(bytes.file_type()) {
        return Err(ImportError::content(
            path,
            Place::File,
            format!("it is {kind}, and a file is read more than once"),
            "write its content to a file, and name that",
        ));
    }
    let mut start = Vec::new();
    let file = File::open(path).map_err(&failed)?;
    file.take(HEAD).read_to_end(&mut start).map_err(&failed)?;
    let pickle = FileKind::of(&start) == FileKind::Pickle
        || path.extension().is_some_and(|ending| ending == "pkl");
    let head = if pickle {
        None
    } else {
        check_start(path, &start)?;
        let head = head(&start);
        // A file that was cut before it says what it is. Of others, whoever reads them says where they are cut.
        if head
            .as_ref()
            .is_some_and(|head| Kind::of(head) == Kind::Other)
            && start.len() as u64 == bytes.len()
            && let Err(error) = serde_json::from_slice::<IgnoredAny>(&start)
            && error.is_eof()
        {
            return Err(parse_error(path, None, &error));
        }
        if head.is_none() {
            // A file that is no JSON may be the rest of one that was meant.
            return Err(no_json(path, &start));
        }
        head
    };
    let kind = match &head {
        _ if pickle => Kind::Pickle,
        Some(value) => Kind::of(value),
        None => Kind::Other,
    };
    Ok(Sniffed {
        path: path.to_owned(),
        kind,
        head: head.unwrap_or_default(),
        bytes: bytes.len(),
    })
}

/// What is wrong with a file that does not begin as JSON does.
fn no_json(path: &Path, start: &[u8]) -> ImportError {
    match serde_json::from_slice::<IgnoredAny>(start) {
        Err(error) => parse_error(path, None, &error),
        Ok(_) => ImportError::content(path, Place::File, "no JSON", "download the file again"),
    }
}

/// The beginning of a file of JSON: what is whole of it, closed where it was cut.
fn head(start: &[u8]) -> Option<Value> {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    if let Ok(value) = serde_json::from_slice(start) {
        return Some(value);
    }
    let (mut open, mut in_text, mut escaped) = (Vec::new(), false, false);
    // Where the last whole value ends, and what is open there.
    let mut whole: Option<(usize, Vec<u8>)> = None;
    for (at, &byte) in start.iter().enumerate() {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            b'}' | b']' => {
                open.pop();
            }
            b',' => whole = Some((at, open.clone())),
            _ => {}
        }
    }
    let (end, open) = whole?;
    let mut text = start[..end].to_vec();
    text.extend(open.iter().rev());
    serde_json::from_slice(&text).ok()
}

/// Parts of data sets that files are named after, a longer name before one that it begins with.
const PARTS: [&str; 14] = [
    "nominival",
    "minival",
    "trainval",
    "testdev",
    "test_dev",
    "test-dev",
    "train",
    "validation",
    "valid",
    "val",
    "challenge",
    "submission",
    "test",
    "dev",
];

/// The part that a file is named after: `train`, `val`, `test`, `testdev` and such.
pub(crate) fn part_of(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let mut found: Vec<(usize, &'static str)> = PARTS
        .into_iter()
        .filter_map(|part| {
            let at = name.find(part)?;
            let begins = !name[..at].ends_with(|c: char| c.is_ascii_alphabetic());
            let ends = !name[at + part.len()..].starts_with(|c: char| c.is_ascii_alphabetic());
            (begins && ends).then_some((at, part))
        })
        .collect();
    // `test-dev` also has `test`: the first, and of these the longest.
    found.sort_by_key(|(at, part)| (*at, usize::MAX - part.len()));
    let (_, part) = *found.first()?;
    Some(match part {
        "test_dev" | "test-dev" => "testdev",
        "validation" | "valid" => "val",
        part => part,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(text: &str) -> Kind {
        Kind::of(&head(text.as_bytes()).expect("a beginning"))
    }

    #[test]
    fn a_beginning_is_enough() {
        let whole = r#"{"info": {"a": 1}, "questions": [{"image_id": 1, "question": "a, [b", "question_id": 2}, {"image"#;
        assert_eq!(kind_of(whole), Kind::VqaQuestions);
        assert_eq!(
            kind_of(r#"{"07": {"imageId": "n1", "question": "w", "isBal"#),
            Kind::Gqa
        );
        assert_eq!(
            kind_of(r#"[{"image": "a.jpg", "question": "?", "answ"#),
            Kind::VizWiz
        );
        assert_eq!(
            kind_of(r#"[{"question_id": 1, "question": "?", "image": "a.jpg", "x"#),
            Kind::Xvlm
        );
        assert_eq!(kind_of(r#"["a", "b"#), Kind::Texts);
        assert_eq!(kind_of("[]"), Kind::Ids);
        assert!(head(b"no JSON").is_none());
    }

    #[test]
    fn files_are_named_after_parts() {
        for (name, part) in [
            ("v2_OpenEnded_mscoco_train2014_questions", Some("train")),
            (
                "v2_OpenEnded_mscoco_test-dev2015_questions",
                Some("testdev"),
            ),
            ("nominival", Some("nominival")),
            ("testdev_balanced_questions", Some("testdev")),
            ("TextVQA_0.5.1_val", Some("val")),
            ("TextVQA_Rosetta_OCR_v0.2_test", Some("test")),
            ("gqa_train_questions_entities", Some("train")),
            ("training_notes", None),
            ("attestation", None),
        ] {
            assert_eq!(part_of(name), part, "{name}");
        }
    }
}
