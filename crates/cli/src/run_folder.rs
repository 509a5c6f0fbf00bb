//! Where a run writes to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use config_schema::Config;
use trainer::{RunDir, TrainError};

/// The folder of runs that nobody named one for.
const RUNS: &str = "runs";

/// A run directory: one that was named, or `runs/<data set>-<number>` with the first free number, which no other process
/// gets. Such a folder goes where its run did not come to its start.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    claimed: bool,
}

impl RunFolder {
    /// A folder that somebody named.
    pub fn named(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            claimed: false,
        }
    }

    /// A folder for a new run: `logging.run_dir`, or one with a number of its own.
    ///
    /// # Errors
    ///
    /// When none can be made.
    pub fn claim(config: &Config) -> Result<Self, TrainError> {
        if !config.logging.run_dir.is_empty() {
            return Ok(Self::named(Path::new(&config.logging.run_dir)));
        }
        for number in 1.. {
            let path = numbered(config, number);
            match make(&path) {
                Ok(()) => {
                    return Ok(Self {
                        path,
                        claimed: true,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(TrainError::Write { path, source }),
            }
        }
        unreachable!("some number is free")
    }

    /// The folder that [`claim`](Self::claim) would claim if nobody else did.
    pub fn next(config: &Config) -> PathBuf {
        if !config.logging.run_dir.is_empty() {
            return PathBuf::from(&config.logging.run_dir);
        }
        let mut numbers = 1..;
        let free = numbers.find(|number| numbered(config, *number).symlink_metadata().is_err());
        numbered(config, free.unwrap_or_default())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if self.claimed {
            // Of a run that did not come to its start nothing is worth a number.
            let _ = RunDir::discard_unbegun(&self.path);
            // Only empty folders go.
            let _ = fs::remove_dir(&self.path);
            let _ = fs::remove_dir(RUNS);
        }
    }
}

fn numbered(config: &Config, number: u32) -> PathBuf {
    Path::new(RUNS).join(format!("{}-{number:03}", config.dataset.name))
}

/// Makes a folder, which must not be there, and the one around it, which another process may make or remove meanwhile.
fn make(path: &Path) -> io::Result<()> {
    loop {
        // Of a file or of a link to nothing it says that there is one already, as of a run's folder below.
        fs::create_dir_all(RUNS).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => io::Error::other(format!("`{RUNS}` is not a folder")),
            _ => error,
        })?;
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            made => return made,
        }
    }
}
