//! What several subcommands do.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use config_schema::Config;
use data_pipeline::{Check, Depth, Faults, Inputs, ReadingFacts, Source, Split, check};
use trainer::{Dataset, changed_splits, write_whole};

use crate::failure::Failure;
use crate::output;
use crate::predict_error::PredictError;
use crate::progress::Files;

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

/// Says how files of questions were read, where there is something to say.
pub fn tell_reading<'a>(readings: impl IntoIterator<Item = &'a ReadingFacts>) {
    for reading in readings {
        for note in reading.notes() {
            output::note(note);
        }
        for warning in reading.warnings() {
            output::note(format!("warning: {warning}"));
        }
    }
}

/// Warns where a split is not the one that a run began with, and says whether it is another one.
pub fn warn_of_change(run_dir: &Path, dataset: &Dataset, split: Split) -> Result<bool, Failure> {
    let changed = changed_splits(run_dir, dataset)?.contains(&split);
    if changed {
        output::note(format!(
            "warning: the {} split is not the one that {} began with",
            split.name(),
            run_dir.display()
        ));
    }
    Ok(changed)
}

/// Looks at the files that questions need, before they are answered.
///
/// # Errors
///
/// When the questions lack an input, and with all files that cannot be used: no answer may be missing.
pub fn require_readable(
    config: &Config,
    source: &dyn Source,
    inputs: Inputs,
) -> Result<(), Failure> {
    inputs.check(source)?;
    let mut bar = Files::new();
    let checked = check(
        Check {
            splits: &[(source, Depth::Glance)],
            inputs,
            image_size: config.dataset.image_size,
            threads: config.memory_optimization.num_workers,
        },
        &mut |done, of| bar.show(done, of),
    )?;
    if checked.faults.is_empty() {
        return Ok(());
    }
    Err(PredictError::Files {
        faults: Faults(checked.faults),
        files: checked.files,
    }
    .into())
}

/// Says which checkpoints were passed over, and why.
pub fn warn_of(rejected: &[trainer::Rejected]) {
    for one in rejected {
        output::note(format!("warning: skipped the checkpoint {one}"));
    }
}

/// Most files that are looked at side by side: each may be a large image, decoded.
const MOST_THREADS: usize = 16;

/// Threads that look at files: one a core, up to a limit.
pub fn checking_threads() -> usize {
    available_parallelism().map_or(1, |cores| cores.get().min(MOST_THREADS))
}
