//! One module a subcommand.

mod ask;
mod comparison;
mod config;
mod data;
mod eval;
mod fit;
mod host;
mod import;
mod monitor;
mod plan;
mod presets;
mod probe;
mod runs;
mod train;
mod weights;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use trainer::{Dataset, write_whole};

use crate::args::Command;
use crate::completion;
use crate::failure::Failure;
use crate::output;
use crate::wiring::Wiring;

/// Runs a subcommand.
pub fn run<W: Wiring>(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Train(args) => return train::run::<W>(&args),
        Command::Plan(args) => return plan::run::<W>(&args),
        Command::Presets { command } => return presets::run::<W>(&command),
        Command::Fit(args) => return fit::run::<W>(&args),
        Command::Data { command } => return data::run::<W>(&command),
        Command::Eval(args) => eval::run::<W>(&args)?,
        Command::Ask(args) => ask::run::<W>(&args)?,
        Command::Probe(args) => probe::run::<W>(&args)?,
        Command::Monitor(args) => monitor::run::<W>(&args)?,
        Command::Runs { command } => runs::run(&command)?,
        Command::Config { command } => config::run::<W>(&command)?,
        Command::Weights { command } => weights::run::<W>(&command)?,
        Command::Completions { shell } => {
            let script = completion::script(shell);
            output::text(script.map_err(Failure::Completions)?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The run directory that was named, or the newest one under `runs/`.
fn run_dir(named: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        return Ok(named.clone());
    }
    let newest = trainer::newest_run(Path::new("runs"))?.ok_or(Failure::NoRun)?;
    output::note(format!("using the newest run, {}", newest.display()));
    Ok(newest)
}

/// Refuses, in front of the work, a file that cannot be written: one that is there, unless it was said that it may be
/// replaced; whatever is no regular file; and one in a folder that is not there.
fn may_write(to: &Path, force: bool) -> Result<(), Failure> {
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
fn write_text(to: &Path, text: &str) -> Result<(), Failure> {
    let place = fs::canonicalize(to).unwrap_or_else(|_| to.to_owned());
    write_whole(&place, text.as_bytes()).map_err(|source| Failure::Write {
        path: to.to_owned(),
        source,
    })?;
    output::note(format!("wrote {}", to.display()));
    Ok(())
}

/// Says how the files of a data set were read, where there is something to say.
fn tell_reading(dataset: &Dataset) {
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
fn warn_of(rejected: &[trainer::Rejected]) {
    for one in rejected {
        output::note(format!("warning: passed over the checkpoint {one}"));
    }
}
