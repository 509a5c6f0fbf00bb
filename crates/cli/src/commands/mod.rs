//! One module a subcommand.

mod ask;
mod comparison;
mod config;
mod data;
mod eval;
mod fit;
mod monitor;
mod plan;
mod presets;
mod probe;
mod runs;
mod train;
mod weights;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;

use crate::args::{Args, Command};
use crate::failure::Failure;
use crate::output;

/// Runs a subcommand.
pub fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Train(args) => return train::run(&args),
        Command::Plan(args) => return plan::run(&args),
        Command::Presets { command } => return presets::run(&command),
        Command::Fit(args) => return fit::run(&args),
        Command::Eval(args) => eval::run(&args)?,
        Command::Ask(args) => ask::run(&args)?,
        Command::Probe(args) => probe::run(&args)?,
        Command::Monitor(args) => monitor::run(&args)?,
        Command::Runs { command } => runs::run(&command)?,
        Command::Config { command } => config::run(&command)?,
        Command::Data { command } => data::run(&command)?,
        Command::Weights { command } => weights::run(&command)?,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "aoa", &mut script);
            output::text(String::from_utf8_lossy(&script));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The run directory that was named, or the newest one under `runs/`.
fn run_dir(named: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        return Ok(named.clone());
    }
    let newest = trainer::newest_run(Path::new("runs")).ok_or(Failure::NoRun)?;
    output::note(format!("using the newest run, {}", newest.display()));
    Ok(newest)
}

/// Refuses a file that is there, in front of the work, unless it was said that it may be replaced.
fn may_write(to: &Path, force: bool) -> Result<(), Failure> {
    if force || fs::symlink_metadata(to).is_err() {
        return Ok(());
    }
    Err(Failure::Exists {
        path: to.to_owned(),
    })
}

/// Says which checkpoints were passed over, and why.
fn warn_of(rejected: &[trainer::Rejected]) {
    for one in rejected {
        output::note(format!(
            "warning: passed over the checkpoint {}: {}",
            one.path.display(),
            one.reason
        ));
    }
}
