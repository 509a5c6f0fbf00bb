//! `aoa`: trains and uses a visual-question-answering model on whatever device there is.

mod advice;
mod args;
mod bar;
mod budget;
mod commands;
mod completion;
mod exit_codes;
mod failure;
mod found;
mod interrupt;
mod output;
mod printable;
mod progress;
mod restart;
mod run_folder;
mod settings;
mod staging;
mod threads;

use std::process::ExitCode;

use clap::Parser;

/// The model that this program trains. A fork names its own here; see ARCHITECTURE.md.
type ActiveModel = aoa_model::Vqa;

fn main() -> ExitCode {
    completion::answer();
    allocator::keep_freed_memory();
    interrupt::report_file_size_limit();
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(message) => return output::usage(&message),
    };
    match threads::guarded(|| commands::run(args.command)) {
        Ok(_) if output::lost() => ExitCode::FAILURE,
        Ok(code) => code,
        Err(failure) => {
            output::failure(&failure);
            failure.exit_code()
        }
    }
}
