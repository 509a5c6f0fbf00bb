//! What in the folder of checkpoints the trainer wrote: nothing else is removed or replaced.

use std::fs::{self, DirEntry};
use std::path::Path;

use super::files::{AVERAGED, MANIFEST, MODEL, STATE};
use crate::run_dir::durable;
use crate::run_dir::names::STEP;

/// Begins the name of the file that says how a step was measured.
pub(super) const MEASURED: &str = "measured-";
/// Begins the name of the file of a group's optimizer, which ends with [`RECORD`].
pub(super) const OPTIMIZER: &str = "optimizer-";
pub(super) const RECORD: &str = ".bpk";

/// Whether a folder holds files of a checkpoint, whole or damaged, and nothing else.
pub(super) fn is_checkpoint(folder: &Path) -> bool {
    let is_part = |entry: &DirEntry| {
        let name = entry.file_name();
        let part = name.to_str().is_some_and(|name| {
            let optimizer = name.starts_with(OPTIMIZER) && name.ends_with(RECORD);
            optimizer || [MODEL, AVERAGED, STATE, MANIFEST].contains(&name)
        });
        part && entry.file_type().is_ok_and(|kind| kind.is_file())
    };
    entries(folder).is_some_and(|parts| !parts.is_empty() && parts.iter().all(is_part))
}

/// Whether a process that was killed left this while it wrote a checkpoint.
pub(super) fn is_leftover(path: &Path) -> bool {
    let Some(of) = durable::leftover_of(path) else {
        return false;
    };
    if of.starts_with(MEASURED) {
        return path.symlink_metadata().is_ok_and(|file| file.is_file());
    }
    // The checkpoint lies within, unless the process had no time for it.
    let within = |entry: &DirEntry| {
        let files = entries(&entry.path());
        files.is_some_and(|files| files.is_empty()) || is_checkpoint(&entry.path())
    };
    of.starts_with(STEP) && entries(path).is_some_and(|inner| inner.iter().all(within))
}

/// What is in a folder; nothing if it is none, or a link to one, or cannot be read.
fn entries(folder: &Path) -> Option<Vec<DirEntry>> {
    let is_folder = folder.symlink_metadata().is_ok_and(|there| there.is_dir());
    let entries = fs::read_dir(folder).ok().filter(|_| is_folder)?;
    entries.collect::<Result<_, _>>().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files.
    fn folder(name: &str, files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(root.path().join(name)).expect("a folder");
        for file in files {
            let path = root.path().join(name).join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
            fs::write(path, "").expect("a file");
        }
        root
    }

    #[test]
    fn a_checkpoint_has_files_of_its_own_alone() {
        let own = [
            "model.bpk",
            "averaged.bpk",
            "optimizer-main.bpk",
            "state.json",
            "manifest.json",
        ];
        for (files, expected) in [
            (&own[..], true),
            (&own[..1], true),
            (&[], false),
            (&["notes.txt"], false),
            (&["model.bpk", "notes.txt"], false),
            (&["state.json", "deep/model.bpk"], false),
        ] {
            let root = folder("step-00000001", files);
            let found = is_checkpoint(&root.path().join("step-00000001"));
            assert_eq!(found, expected, "{files:?}");
        }
    }

    #[test]
    fn a_leftover_holds_a_checkpoint_or_nothing() {
        let left = ".partial-step-00000001-a1B2c3";
        for (name, files, expected) in [
            (left, &[][..], true),
            (left, &["whole/model.bpk"], true),
            (".replaced-step-00000001-a1B2c3", &["old/state.json"], true),
            (left, &["whole/notes.txt"], false),
            (left, &["notes.txt"], false),
            (".partial-step-00000001", &[], false),
            (".partial-mine", &[], false),
        ] {
            let root = folder(name, files);
            assert_eq!(
                is_leftover(&root.path().join(name)),
                expected,
                "{name} {files:?}"
            );
        }
    }
}
