//! `cargo xtask`: trains, tests and checks the workspace.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "it prints what it runs and what it measures"
)]

mod bench;
mod docs;
mod steps;
mod timed;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::steps::{Outcome, aoa, cargo};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Trains, tests and checks the workspace")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build `aoa` for the device of this machine and run `aoa train` with the arguments that follow
    #[command(disable_help_flag = true)]
    Train {
        /// Passed on to `aoa train`; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run all tests, whichever fail; arguments are passed on to `cargo test`
    Test {
        /// Passed on to `cargo test`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run `aoa presets check` with the arguments that follow
    #[command(disable_help_flag = true)]
    Presets {
        /// Passed on to `aoa presets check`; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Write the schema, the pages of options and rules, and the guides anew
    Docs,
    /// Run the tests of a software GPU, where Mesa's llvmpipe is installed; they have a build of their own
    SoftwareGpu,
    /// Measure speed and memory, beside PyTorch where there is one
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Everything that must pass before a change lands
    Ci,
}

fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::Train { args } => train(args),
        Command::Test { args } => test(args),
        Command::Presets { args } => presets(args),
        Command::Docs => docs::write(),
        Command::SoftwareGpu => steps::software_gpu(),
        Command::Bench(bench) => bench::run(bench),
        Command::Ci => ci(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(step) = failure.step {
                eprintln!("failed: {step}");
            }
            ExitCode::from(failure.code)
        }
    }
}

/// The exit code is that of `aoa train`.
fn train(args: Vec<OsString>) -> Outcome {
    let feature = steps::feature_for_this_machine();
    // A data set that is not there is downloaded: a newcomer's first command should train.
    let arguments = ["train".into(), "--fetch".into()].into_iter().chain(args);
    aoa(feature, arguments)
}

fn test(args: Vec<OsString>) -> Outcome {
    cargo(
        "tests",
        // What one test binary finds must not hide what the others would.
        ["test", "--workspace", "--no-fail-fast"]
            .map(OsString::from)
            .into_iter()
            .chain(args),
    )
}

fn presets(args: Vec<OsString>) -> Outcome {
    let arguments = ["presets".into(), "check".into()].into_iter().chain(args);
    aoa("flex", arguments)
}

fn ci() -> Outcome {
    let lints = || {
        let deny = ["--", "--deny", "warnings"];
        cargo(
            "lints",
            ["clippy", "--workspace", "--all-targets"]
                .into_iter()
                .chain(deny),
        )
    };
    // Built apart from being run, so that the time of each is known.
    let build = || test(vec!["--no-run".into()]);
    timed::in_turn(&[
        ("formatting", &|| {
            cargo("formatting", ["fmt", "--all", "--check"])
        }),
        ("dependencies", &steps::check_dependencies),
        ("lints", &lints),
        ("building tests", &build),
        ("tests", &|| test(Vec::new())),
        ("presets", &|| presets(Vec::new())),
        ("type-check for CUDA", &steps::check_cuda),
        ("software GPU", &steps::software_gpu),
        ("short training run", &steps::short_training_run),
    ])
}
