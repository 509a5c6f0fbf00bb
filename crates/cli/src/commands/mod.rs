//! One module a subcommand.

mod ask;
mod common;
mod comparison;
mod config;
mod data;
mod eval;
mod fit;
mod host;
mod import;
mod import_features;
mod monitor;
mod plan;
mod predict;
mod presets;
mod probe;
mod runs;
mod train;
mod weights;

use std::process::ExitCode;

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
        Command::Predict(args) => predict::run::<W>(&args)?,
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
