//! Files that are whole or absent.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use tempfile::TempDir;

/// How names of files and folders begin that are not whole yet. What they are to be called follows, and random letters.
const PARTIAL: &str = ".partial-";
/// How the name of a folder begins that makes room for a newer one. Its own name follows, and random letters.
const REPLACED: &str = ".replaced-";
/// Random letters and digits at the end of such a name.
const RANDOM: usize = 6;
/// Longest name that becomes a part of such a name: file systems bound the whole.
const LONGEST_NAME: usize = 64;

/// Writes a file so that after a crash it holds the old content or the new one, never a part.
///
/// # Errors
///
/// Whatever the file system reports.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != "" => folder,
        _ => Path::new("."),
    };
    // A file made this way has the usual permissions, which a temporary one has not.
    let mut file = tempfile::Builder::new()
        .prefix(&partial(path))
        .rand_bytes(RANDOM)
        .make_in(folder, |path| File::create_new(path))?;
    // The file itself, whose errors do not name the temporary path.
    file.as_file_mut().write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// Writes a file inside a folder that is not published yet, and brings it to the disk.
///
/// # Errors
///
/// Whatever the file system reports.
pub fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Makes a finished folder appear under its name, in place of an older one of that name.
///
/// # Errors
///
/// Whatever the file system reports.
pub fn publish_folder(finished: &Path, name: &Path) -> io::Result<()> {
    let parent = name.parent().unwrap_or(Path::new("."));
    if name.exists() {
        // A rename cannot replace a folder that has files; move the old one aside first.
        let aside = tempfile::Builder::new()
            .prefix(&temporary(REPLACED, name))
            .rand_bytes(RANDOM)
            .tempdir_in(parent)?;
        fs::rename(name, aside.path().join("old"))?;
        fs::rename(finished, name)?;
    } else {
        fs::rename(finished, name)?;
    }
    sync_folder(parent)
}

/// Makes a folder beside `path` that is to become it. It is removed when the value is dropped.
///
/// # Errors
///
/// Whatever the file system reports.
pub(crate) fn staging_folder(path: &Path) -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix(&partial(path))
        .rand_bytes(RANDOM)
        .tempdir_in(path.parent().unwrap_or(Path::new(".")))
}

/// The name of the file or folder that a process which was killed has left unfinished, or moved aside, under this path. None
/// where the name is not one that is made here.
pub(crate) fn leftover_of(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let named = [PARTIAL, REPLACED].into_iter();
    let (of, random) = named
        .filter_map(|prefix| name.strip_prefix(prefix))
        .find_map(|rest| rest.rsplit_once('-'))?;
    let is_random = random.len() == RANDOM && random.bytes().all(|b| b.is_ascii_alphanumeric());
    is_random.then_some(of)
}

fn partial(path: &Path) -> String {
    temporary(PARTIAL, path)
}

fn temporary(prefix: &str, path: &Path) -> String {
    let name = path.file_name().and_then(|name| name.to_str());
    match name.filter(|name| name.len() <= LONGEST_NAME) {
        Some(name) => format!("{prefix}{name}-"),
        None => prefix.to_owned(),
    }
}

/// Whether `path` still leads to an open file, and neither to another one nor nowhere.
///
/// # Errors
///
/// Whatever the file system reports, but that there is nothing.
pub(crate) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(there) => Ok(is_one(&there, &file.metadata()?)),
        Err(error) if is_absence(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether an error says that there is no such file.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(unix)]
fn is_one(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Elsewhere an open file cannot be replaced.
#[cfg(not(unix))]
fn is_one(_one: &fs::Metadata, _other: &fs::Metadata) -> bool {
    true
}

/// Brings a folder's entries to the disk, where the system has a way to ask for it.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_made_here_are_leftovers() {
        for (name, of) in [
            (".partial-model.json-a1B2c3", Some("model.json")),
            (".partial-step-00000012-a1B2c3", Some("step-00000012")),
            (".replaced-step-00000012-a1B2c3", Some("step-00000012")),
            (".partial-backup", None),
            (".partial-abc", None),
            (".partial-model.json", None),
            (".partial-model.json-a1B2c3d", None),
            (".partial-model.json-a1B2c.", None),
            ("partial-model.json-a1B2c3", None),
        ] {
            assert_eq!(leftover_of(Path::new(name)), of, "{name}");
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let staging = staging_folder(&folder.path().join("step-00000001")).expect("a folder");
        assert_eq!(leftover_of(staging.path()), Some("step-00000001"));
        let long = folder.path().join("x".repeat(250));
        write(&long, b"").expect("a long name leaves no room for another");
    }
}
