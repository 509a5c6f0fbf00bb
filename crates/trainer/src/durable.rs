//! Files that are whole or absent.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

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
        .prefix(".partial-")
        .make_in(folder, |path| File::create_new(path))?;
    file.write_all(content)?;
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
            .prefix(".replaced-")
            .tempdir_in(parent)?;
        fs::rename(name, aside.path().join("old"))?;
        fs::rename(finished, name)?;
    } else {
        fs::rename(finished, name)?;
    }
    sync_folder(parent)
}

/// Brings a folder's entries to the disk, where the system has a way to ask for it.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}
