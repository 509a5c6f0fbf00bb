//! `aoa`: trains and uses a visual-question-answering model on whatever device there is.

mod advice;
mod args;
mod budget;
mod commands;
mod failure;
mod interrupt;
mod output;
mod progress;
mod restart;
mod settings;

use std::process::ExitCode;

use clap::Parser;

/// The model that this program trains. A fork names its own here; see ARCHITECTURE.md.
type ActiveModel = aoa_model::Vqa;

fn main() -> ExitCode {
    allocator::keep_freed_memory();
    let args = args::Args::parse();
    match commands::run(args.command) {
        Ok(_) if output::lost() => ExitCode::FAILURE,
        Ok(code) => code,
        Err(failure) => {
            output::failure(&failure);
            failure.exit_code()
        }
    }
}
