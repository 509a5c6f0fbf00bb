//! What a folder is to a run that would begin there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use file_kind::read_regular;
use serde_json::Value;

use crate::error::TrainError;
use crate::run_dir::durable;
use crate::run_dir::names::{
    ADVICE, ALL, CHECKPOINTS, CONFIG, LOCK, METRICS, SEAL, STEP, SUMMARY, UNDONE,
};

/// Content of `.lock`, by which a folder that a run began to write to is told from a folder of somebody else.
const MARK: &str = "An aoa run writes to this folder.\n";

/// What is told of a `.lock` that is a link, a pipe or a folder.
pub(crate) const ODD_LOCK: &str = "its .lock is not a regular file";
/// What a folder is to a run that would begin there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has no file of a name that a run writes.
    Vacant,
    /// A run began to write there and ended before its first step, so that nothing is lost with it.
    Stepless,
    /// It holds a run.
    Run,
    /// It has files of such names that no run wrote.
    Foreign(Vec<String>),
}

impl Standing {
    /// Looks at a folder. One that is not there is vacant.
    ///
    /// # Errors
    ///
    /// When the folder, or a log in it, cannot be read.
    pub(crate) fn of(folder: &Path) -> Result<Self, TrainError> {
        let failed = |source| TrainError::Read {
            path: folder.to_owned(),
            source,
        };
        let entries = match fs::read_dir(folder) {
            Err(error) if durable::is_absence(&error) => return Ok(Self::Vacant),
            entries => entries.map_err(failed)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_string_lossy().into_owned();
            if is_written(&name) {
                names.push(name);
            }
        }
        if names.iter().any(|name| name == LOCK) && !is_file(folder, LOCK) {
            return Err(TrainError::Write {
                path: folder.to_owned(),
                source: io::Error::other(ODD_LOCK),
            });
        }
        let lock = read_regular(&folder.join(LOCK)).unwrap_or_default();
        // A process that was killed at once leaves an empty one.
        if lock.is_empty() && names.iter().all(|name| name == LOCK) {
            return Ok(Self::Vacant);
        }
        if lock == MARK.as_bytes() && !took_steps(folder)? {
            return Ok(Self::Stepless);
        }
        if lock == MARK.as_bytes() || names.iter().any(|name| name == SEAL) {
            return Ok(Self::Run);
        }
        names.sort();
        Ok(Self::Foreign(names))
    }
}

/// Marks the folder of an open `.lock` as one that a run writes to.
///
/// # Errors
///
/// Whatever the file system reports.
pub(crate) fn mark(lock: &mut fs::File) -> io::Result<()> {
    use std::io::{Seek, Write};

    lock.rewind()?;
    lock.write_all(MARK.as_bytes())
}

/// Removes what a run wrote to a [stepless](Standing::Stepless) folder, but for its lock and its configuration, with which it
/// can be begun again.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn clear(folder: &Path) -> Result<(), TrainError> {
    // The seal first: without it the folder is one of a run that has not begun, wherever this is interrupted.
    let rest = ALL
        .iter()
        .filter(|name| ![SEAL, LOCK, CONFIG, CHECKPOINTS].contains(name));
    for name in [SEAL].iter().chain(rest) {
        remove(folder.join(name))?;
    }
    // There is no checkpoint in it; what somebody else put there stays.
    match fs::remove_dir(folder.join(CHECKPOINTS)) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        removed => or_absent(removed, folder.join(CHECKPOINTS)),
    }
}

/// Removes a file; that there is none is no error.
pub(crate) fn remove(path: PathBuf) -> Result<(), TrainError> {
    or_absent(fs::remove_file(&path), path)
}

fn or_absent(removed: io::Result<()>, path: PathBuf) -> Result<(), TrainError> {
    match removed {
        Err(source) if !durable::is_absence(&source) => Err(TrainError::Write { path, source }),
        _ => Ok(()),
    }
}

/// Whether a run would write a file of this name. File systems that ignore case take names for equal that differ in case alone.
fn is_written(name: &str) -> bool {
    ALL.iter().any(|own| own.eq_ignore_ascii_case(name)) || is_leftover(Path::new(name))
}

/// Whether a process that was killed left this in the folder of its run: a file of the run that is not whole.
pub(crate) fn is_leftover(path: &Path) -> bool {
    durable::leftover_of(path).is_some_and(|of| ALL.contains(&of))
}

fn is_file(folder: &Path, name: &str) -> bool {
    let there = folder.join(name).symlink_metadata();
    there.is_ok_and(|there| there.is_file())
}

/// Whether a run took a step that anything tells of.
fn took_steps(folder: &Path) -> Result<bool, TrainError> {
    if [SUMMARY, ADVICE, UNDONE]
        .iter()
        .any(|name| folder.join(name).exists())
    {
        return Ok(true);
    }
    let checkpoints = folder.join(CHECKPOINTS);
    match fs::read_dir(&checkpoints) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => {
            return Err(TrainError::Read {
                path: checkpoints,
                source,
            });
        }
        Ok(entries) => {
            let mut names = entries.flatten().map(|entry| entry.file_name());
            if names.any(|name| name.to_string_lossy().starts_with(STEP)) {
                return Ok(true);
            }
        }
    }
    let log = folder.join(METRICS);
    let lines = match read_regular(&log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(TrainError::Read { path: log, source }),
        Ok(lines) => lines,
    };
    let mut whole = lines.split_inclusive(|&byte| byte == b'\n');
    Ok(whole.any(tells_of_a_step))
}

/// A line that is not whole was written by a process that was killed; one that cannot be read may tell of anything.
fn tells_of_a_step(line: &[u8]) -> bool {
    if !line.ends_with(b"\n") {
        return false;
    }
    match serde_json::from_slice::<Value>(line) {
        Ok(event) => event["step"].as_u64().is_some_and(|step| step > 0),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::names::ANSWERS;

    /// Looks at a folder with these files.
    fn standing(files: &[(&str, &str)]) -> Standing {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
            fs::write(path, content).expect("a file");
        }
        Standing::of(folder.path()).expect("it can be read")
    }

    #[test]
    fn a_name_that_a_run_writes_makes_a_folder_foreign() {
        let partial = ".partial-model.json-a1B2c3";
        for name in ALL.iter().copied().chain([partial, "Answers.json"]) {
            assert_eq!(
                standing(&[(name, "mine"), ("notes.txt", "")]),
                match name {
                    SEAL => Standing::Run,
                    _ => Standing::Foreign(vec![name.to_owned()]),
                }
            );
        }
        assert_eq!(
            standing(&[("notes.txt", ""), ("log", ""), (".partial-notes", "")]),
            Standing::Vacant
        );
        assert_eq!(standing(&[(LOCK, "")]), Standing::Vacant);
        assert_eq!(
            Standing::of(Path::new("/nowhere/run")).ok(),
            Some(Standing::Vacant)
        );
    }

    #[test]
    fn a_run_has_steps_or_is_begun_again() {
        let own = |more: &[(&'static str, &'static str)]| {
            let files = [(LOCK, MARK), (CONFIG, ""), (ANSWERS, "[]"), (SEAL, "{}")];
            standing(&[&files[..], more].concat())
        };
        assert_eq!(own(&[]), Standing::Stepless);
        for (log, standing) in [
            ("", Standing::Stepless),
            ("{\"event\":\"start\",\"step\":0}\n", Standing::Stepless),
            (
                "{\"event\":\"start\",\"step\":0}\n{\"event\":\"st",
                Standing::Stepless,
            ),
            ("{\"event\":\"step\",\"step\":1}\n", Standing::Run),
            ("nothing that is known\n", Standing::Run),
        ] {
            assert_eq!(own(&[(METRICS, log)]), standing, "{log}");
        }
        assert_eq!(
            own(&[("checkpoints/step-00000001/model.bpk", "")]),
            Standing::Run
        );
        assert_eq!(own(&[("checkpoints/mine", "")]), Standing::Stepless);
        assert_eq!(own(&[(SUMMARY, "{}")]), Standing::Run);
    }

    #[test]
    fn clearing_leaves_what_is_not_a_runs() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in [LOCK, CONFIG, SEAL, ANSWERS, METRICS, "notes.txt"] {
            fs::write(folder.path().join(name), "").expect("a file");
        }
        fs::create_dir(folder.path().join(CHECKPOINTS)).expect("a folder");
        clear(folder.path()).expect("it is cleared");
        let left = fs::read_dir(folder.path()).expect("the folder");
        let mut left: Vec<_> = left
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        left.sort();
        assert_eq!(left, [LOCK, CONFIG, "notes.txt"]);
    }
}
