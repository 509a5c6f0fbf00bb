//! Starting the program anew after its device failed: a process cannot use such a device any more, the next one can.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::args::TrainArgs;

/// Goes on with a run from its newest checkpoint, in a new process. On Unix the new process
/// replaces this one, which frees the device; elsewhere this one waits for it.
///
/// # Errors
///
/// When the program cannot be started.
pub fn restart(args: &TrainArgs, run_dir: &Path, stop_after: Option<u64>) -> io::Result<ExitCode> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments(args, run_dir, stop_after));
    replace_by(&mut command)
}

/// Starts the program anew, with the same arguments and these variables, in the place of this process. Comes back only where
/// that failed, with the reason.
pub fn restart_with<'a>(variables: impl Iterator<Item = &'a (String, String)>) -> io::Error {
    let command = std::env::current_exe().map(|program| {
        let mut command = Command::new(program);
        command
            .args(std::env::args_os().skip(1))
            .envs(variables.map(|(name, value)| (name, value)));
        command
    });
    match command {
        #[cfg(unix)]
        Ok(mut command) => std::os::unix::process::CommandExt::exec(&mut command),
        #[cfg(not(unix))]
        Ok(_) => io::ErrorKind::Unsupported.into(),
        Err(error) => error,
    }
}

#[cfg(unix)]
fn replace_by(command: &mut Command) -> io::Result<ExitCode> {
    Err(std::os::unix::process::CommandExt::exec(command))
}

#[cfg(not(unix))]
fn replace_by(command: &mut Command) -> io::Result<ExitCode> {
    let status = command.status()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Arguments that resume the run as `args` began it. Preset and file are in the run directory.
fn arguments(args: &TrainArgs, run_dir: &Path, stop_after: Option<u64>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["train", "--restarted", "--resume"].map(Into::into).into();
    arguments.push(run_dir.into());
    for set in args.config.sets() {
        arguments.extend(["--set".into(), set.into()]);
    }
    if let Some(steps) = stop_after {
        arguments.extend(["--stop-after".into(), steps.to_string().into()]);
    }
    if args.json {
        arguments.push("--json".into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};

    /// What the program understands when it is started anew after `command`.
    fn resumed(command: &[&str]) -> TrainArgs {
        let train = |arguments: Vec<OsString>| {
            let arguments = std::iter::once("aoa".into()).chain(arguments);
            match Args::try_parse_from(arguments).map(|args| args.command) {
                Ok(Command::Train(args)) => args,
                other => panic!("{other:?}"),
            }
        };
        let first = train(command.iter().map(Into::into).collect());
        train(arguments(&first, Path::new("runs/one"), Some(3)))
    }

    #[test]
    fn the_run_is_resumed_once_as_it_was_begun() {
        let command = "train --preset 24gb --config my.toml --set training.lr=1e-3 --memory-budget 12GiB --json";
        let args = resumed(&command.split(' ').collect::<Vec<_>>());
        assert!(args.restarted);
        assert_eq!(args.resume.as_deref(), Some(Path::new("runs/one")));
        assert_eq!(
            args.config.set,
            ["hardware.memory_budget=\"12GiB\"", "training.lr=1e-3"]
        );
        assert_eq!((args.stop_after, args.json), (Some(3), true));
        assert!(!resumed(&["train"]).json);
    }
}
