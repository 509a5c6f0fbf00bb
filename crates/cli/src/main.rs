//! `aoa`: trains and uses a visual-question-answering model on whatever device there is.

mod args;
mod commands;
mod failure;
mod output;
mod progress;
mod settings;

use std::process::ExitCode;

use clap::Parser;

/// The model that this program trains. A fork names its own here; see ARCHITECTURE.md.
type ActiveModel = aoa_model::Vqa;

/// Keeps freed tensor buffers mapped: with the system's allocator every large temporary of the CPU backend is a
/// fresh mapping, and page faults take more time than the arithmetic.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
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
