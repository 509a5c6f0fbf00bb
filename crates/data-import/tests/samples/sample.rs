//! Samples of every layout, to be changed before they are imported.

use std::fs;
use std::path::{Path, PathBuf};

use data_import::{ImportError, Report, Request, import};
use serde_json::Value;
use tempfile::TempDir;

/// A copy of samples that can be changed.
pub struct Sample {
    pub place: TempDir,
}

impl Sample {
    pub fn of(names: &[&str]) -> Self {
        let place = tempfile::tempdir().expect("a folder");
        for name in names {
            let from = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/formats")
                .join(name);
            copy(&from, &place.path().join(name));
        }
        Self { place }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Replaces a text that is in a file.
    pub fn change(self, file: &str, from: &str, to: &str) -> Self {
        let path = self.path(file);
        let text = fs::read_to_string(&path).expect("a file");
        assert!(text.contains(from), "{file} has {from}");
        fs::write(&path, text.replacen(from, to, 1)).expect("a file");
        self
    }

    pub fn write(self, file: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.path(file), content).expect("a file");
        self
    }

    pub fn remove(self, file: &str) -> Self {
        let path = self.path(file);
        if path.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        }
        .expect("a file");
        self
    }

    pub fn request(&self, sources: &[&str]) -> Request {
        Request {
            sources: sources.iter().map(|name| self.path(name)).collect(),
            to: self.path("imported"),
            ..Request::default()
        }
    }

    pub fn import(&self, sources: &[&str]) -> Result<Report, ImportError> {
        import(&self.request(sources), &|_| {})
    }

    /// The import of all is refused, with these words in message or hint, and leaves nothing.
    #[track_caller]
    pub fn refused(&self, request: &Request, words: &[&str]) {
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

    pub fn lines(&self, split: &str) -> Vec<Value> {
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
