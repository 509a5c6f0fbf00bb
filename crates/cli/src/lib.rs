//! The command line `aoa`: trains and uses a visual-question-answering model on whatever device there is.
//!
//! A program names what it is put together from ([`Wiring`]) and calls [`run`].

mod advice;
mod args;
mod bar;
mod budget;
mod candidates;
mod commands;
mod completion;
mod environment;
mod exit_codes;
mod failure;
mod figures;
mod found;
mod interrupt;
mod official;
mod output;
mod predict_error;
mod printable;
mod progress;
mod restart;
mod run_folder;
mod settings;
mod source_files;
mod staging;
mod terminal;
mod threads;
mod wiring;

use std::process::ExitCode;

pub use wiring::Wiring;

use clap::Parser;

/// Runs the program: reads the arguments, does what they ask for, prints, and gives the exit code.
pub fn run<W: Wiring>() -> ExitCode {
    completion::answer();
    allocator::keep_freed_memory();
    interrupt::report_file_size_limit();
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(message) => return output::usage(&message),
    };
    match threads::guarded(|| commands::run::<W>(args.command)) {
        Ok(_) if output::lost() => ExitCode::FAILURE,
        Ok(code) => code,
        Err(failure) => {
            output::failure(&failure);
            failure.exit_code()
        }
    }
}
