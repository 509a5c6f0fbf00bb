//! What several subcommands do.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use trainer::{Dataset, write_whole};

use crate::failure::Failure;
use crate::output;

/// The run directory that was named, or the newest one under `runs/`.
pub fn run_dir(named: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        return Ok(named.clone());
    }
    let newest = trainer::newest_run(Path::new("runs"))?.ok_or(Failure::NoRun)?;
    output::note(format!("using the newest run, {}", newest.display()));
    Ok(newest)
}

/// Refuses, in front of the work, a file that cannot be written: one that is there, unless it was said that it may be
/// replaced; whatever is no regular file; and one in a folder that is not there.
pub fn may_write(to: &Path, force: bool) -> Result<(), Failure> {
    let path = to.to_owned();
    match fs::metadata(to) {
        Ok(there) if !there.is_file() => Err(Failure::NotAFile { path }),
        Ok(_) if !force => Err(Failure::Exists { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !to.is_symlink() => {
            let folder = to.parent().filter(|folder| *folder != "");
            let folder = fs::metadata(folder.unwrap_or(Path::new(".")));
            folder.map_err(|source| Failure::Write { path, source })?;
            Ok(())
        }
        Err(source) => Err(Failure::Write { path, source }),
        Ok(_) => Ok(()),
    }
}

/// Writes a text that [`may_write`] has let pass, and says so. A symbolic link stays, and what it points to is replaced.
pub fn write_text(to: &Path, text: &str) -> Result<(), Failure> {
    let place = fs::canonicalize(to).unwrap_or_else(|_| to.to_owned());
    write_whole(&place, text.as_bytes()).map_err(|source| Failure::Write {
        path: to.to_owned(),
        source,
    })?;
    output::note(format!("wrote {}", to.display()));
    Ok(())
}

/// Says how the files of a data set were read, where there is something to say.
pub fn tell_reading(dataset: &Dataset) {
    for reading in dataset.readings() {
        for note in reading.notes() {
            output::note(note);
        }
        for warning in reading.warnings() {
            output::note(format!("warning: {warning}"));
        }
    }
}

/// Says which checkpoints were passed over, and why.
pub fn warn_of(rejected: &[trainer::Rejected]) {
    for one in rejected {
        output::note(format!("warning: passed over the checkpoint {one}"));
    }
}
