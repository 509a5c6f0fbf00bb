//! Files that are whole or absent.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// How names of files and folders begin that are not whole yet.
pub(crate) const PARTIAL: &str = ".partial-";
/// How the name of a folder begins that makes room for a newer one.
const REPLACED: &str = ".replaced-";

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
        .prefix(PARTIAL)
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
            .prefix(REPLACED)
            .tempdir_in(parent)?;
        fs::rename(name, aside.path().join("old"))?;
        fs::rename(finished, name)?;
    } else {
        fs::rename(finished, name)?;
    }
    sync_folder(parent)
}

/// Whether a process that was killed left this behind.
pub(crate) fn is_leftover(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(PARTIAL) || name.starts_with(REPLACED))
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
