//! The process that measures: this program, started by itself.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::process::{self, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;

use config_schema::{Config, Device};
use serde::{Deserialize, Serialize};
use trainer::fit::{Measured, batch_bytes, measure as take_steps, with_micro_batch};
use trainer::host::Data;
use trainer::memory::DeviceFailure as Cause;
use trainer::plan::WorstCase;
use trainer::{TrainError, device, training_loader, validation_loader};

use crate::args::FitArgs;
use crate::commands::host;
use crate::failure::{DOES_NOT_FIT, Failure};
use crate::output;
use crate::settings::Settings;
use crate::wiring::Wiring;

/// The exit code of a Rust program that panicked.
const PANICKED: i32 = 101;

/// Exit codes below this one say that something is wrong with arguments, data or device, not with memory.
const MEMORY_CODES: i32 = 7;

/// What the process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Report {
    /// The steps were taken.
    Measured(Measured),
    /// They were not, for want of memory.
    OutOfMemory(String),
}

/// Measures one size and prints what came of it. For the process that was started to do so.
pub fn measure<W: Wiring>(
    settings: &Settings,
    data: Data,
    worst: &WorstCase,
    micro_batch: usize,
) -> Result<(), Failure> {
    end_with_parent();
    be_killed_first();
    let config = with_micro_batch(&settings.resolved.config, micro_batch);
    // On the CPU what the loaders keep is memory of the device.
    let loaders = match settings.device {
        Device::Cpu => {
            let host = host::checked::<W::Model>(settings, &config, &data)?;
            let (dataset, encoder) = (&data.dataset, Arc::new(data.encoder));
            let (train, validation) = (dataset.train.clone(), dataset.validation.clone());
            Some((
                training_loader(&config, train, encoder.clone(), host.training_limit)?,
                validation_loader(&config, validation, encoder, host.validation_limit)?,
            ))
        }
        _ => None,
    };
    let batch_bytes = match &loaders {
        Some((training, evaluation)) => {
            let chunk = config.training.batch_size;
            let whole = config.effective_batch();
            let evaluated = config.evaluation_batch_size();
            let learned = batch_bytes(&config, training, whole, chunk)?;
            learned.max(batch_bytes(&config, evaluation, evaluated, evaluated)?)
        }
        None => 0,
    };
    let device = device::open(&settings.device)?;
    let taken = take_steps::<W::Model>(&config, worst, &device, settings.device_memory);
    drop(loaders);
    output::json(&match taken {
        Ok(steps) => Report::Measured(Measured {
            batch_bytes,
            ..steps
        }),
        Err(TrainError::DoesNotFit { cause }) => Report::OutOfMemory(cause.to_string()),
        Err(error) => return Err(error.into()),
    });
    Ok(())
}

/// Ends this process when the one that waits for its answer is gone, since it would hold the device for nobody. That one
/// keeps the other end of standard input, which nothing is written to.
#[expect(
    clippy::exit,
    reason = "the steps run on another thread and cannot be interrupted"
)]
fn end_with_parent() {
    thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        process::exit(1);
    });
}

/// Tells the kernel to take this process where the machine runs out of memory, and not another that did nothing for it.
/// Where that cannot be told, it chooses for itself.
fn be_killed_first() {
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
}

/// Starts a process that measures one size and gives what it measured, or why it could not for want of memory: what it
/// said, or how it died.
///
/// # Errors
///
/// When it cannot be started or used, for another reason than memory.
pub fn started(
    args: &FitArgs,
    config: &Config,
    micro_batch: usize,
) -> Result<Result<Measured, String>, Failure> {
    let program = std::env::current_exe().map_err(Failure::Restart)?;
    let mut child = Command::new(program)
        .args(arguments(args, config, micro_batch))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Failure::Restart)?;
    let held = child.stdin.take();
    let output = child.wait_with_output().map_err(Failure::Restart)?;
    drop(held);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let Some(cause) = Cause::of_process(output.status, &stderr) else {
        let report = serde_json::from_slice(&output.stdout);
        return match report {
            Ok(Report::Measured(measured)) => Ok(Ok(measured)),
            Ok(Report::OutOfMemory(seen)) => Ok(Err(seen)),
            Err(error) => Err(Failure::Measurement {
                message: format!("the process that measures gave no report ({error})"),
                code: 1,
            }),
        };
    };
    let failed = |code| Failure::Measurement {
        message: stderr.trim().to_owned(),
        code,
    };
    match (&cause, output.status.code()) {
        (Cause::Other(_), Some(code @ 1..MEMORY_CODES)) => return Err(failed(code as u8)),
        // A fault of the program, which is no matter of size.
        (Cause::Other(_), Some(PANICKED)) => return Err(failed(1)),
        _ => {}
    }
    Ok(Err(end(output.status, &cause, &stderr)))
}

/// How a process ended, and its last words.
fn end(status: ExitStatus, cause: &Cause, stderr: &str) -> String {
    let meaning = match cause {
        Cause::OutOfMemory(_) => "out of memory",
        Cause::Other(_) if status.code() == Some(DOES_NOT_FIT.into()) => "out of memory",
        Cause::Poisoned { .. } => "the device failed",
        Cause::Other(_) => "it died",
    };
    match last_words(stderr) {
        Some(said) => format!("{meaning} ({status}): {said}"),
        None => format!("{meaning} ({status})"),
    }
}

/// The last message of a process, in one line, without the help below it.
fn last_words(stderr: &str) -> Option<String> {
    /// How a message begins, as failures and the end without memory are printed.
    const BEGINS: [&str; 3] = ["x ", "× ", "error: "];
    let lines: Vec<&str> = stderr.lines().map(str::trim).collect();
    let begins = |line: &&str| BEGINS.iter().any(|begin| line.starts_with(begin));
    let Some(first) = lines.iter().rposition(begins) else {
        let last = lines.iter().rfind(|line| !line.is_empty());
        return last.map(|last| (*last).to_owned());
    };
    let message = lines[first..].iter();
    let message = message.take_while(|line| !line.is_empty() && !line.starts_with("help:"));
    let marks = |c: char| "x×|│ ".contains(c);
    let parts: Vec<&str> = message
        .map(|line| line.strip_prefix("error: ").unwrap_or(line))
        .map(|line| {
            line.split_once(' ')
                .filter(|(mark, _)| mark.chars().all(marks))
                .map_or(line, |(_, rest)| rest.trim())
        })
        .collect();
    Some(parts.join(" "))
}

/// The assignment of a length of segments.
pub fn segment(length: usize) -> String {
    format!("memory_optimization.checkpoint_segment={length}")
}

/// The assignment that computes this many micro-batches at the same time.
pub fn side_by_side(micro_batches: usize) -> String {
    format!("hardware.parallel_micro_batches={micro_batches}")
}

/// Arguments for the same configuration, with the length of segments and the micro-batches side by side that were decided on.
fn arguments(args: &FitArgs, config: &Config, micro_batch: usize) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["fit".into(), "--measure".into()];
    arguments.push(micro_batch.to_string().into());
    if let Some(preset) = &args.config.preset {
        arguments.extend(["--preset".into(), preset.into()]);
    }
    if let Some(file) = &args.config.config {
        arguments.extend(["--config".into(), file.into()]);
    }
    let decided = segment(config.memory_optimization.checkpoint_segment);
    let side_by_side = side_by_side(config.hardware.parallel_micro_batches);
    for set in args
        .config
        .sets()
        .into_iter()
        .chain([decided, side_by_side])
    {
        arguments.extend(["--set".into(), set.into()]);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};

    fn fit(arguments: Vec<OsString>) -> FitArgs {
        let arguments = std::iter::once("aoa".into()).chain(arguments);
        match Args::try_parse_from(arguments).map(|args| args.command) {
            Ok(Command::Fit(args)) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_process_has_the_same_configuration() {
        let command = "fit --preset 24gb --config my.toml --set training.lr=1e-3 --memory-budget 12GiB --json";
        let args = fit(command.split(' ').map(Into::into).collect());
        let mut config = Config::default();
        config.memory_optimization.checkpoint_segment = 3;
        config.hardware.parallel_micro_batches = 2;
        let child = fit(arguments(&args, &config, 6));
        assert_eq!(child.measure, Some(6));
        assert_eq!(child.config.preset, args.config.preset);
        assert_eq!(child.config.config, args.config.config);
        let decided = [
            "memory_optimization.checkpoint_segment=3",
            "hardware.parallel_micro_batches=2",
        ];
        let decided = decided.map(str::to_owned);
        let sets = args.config.sets().into_iter().chain(decided);
        assert_eq!(child.config.sets(), sets.collect::<Vec<_>>());
    }

    #[cfg(unix)]
    #[test]
    fn the_end_of_a_process_in_words() {
        use std::os::unix::process::ExitStatusExt;

        let said = |raw: i32, stderr: &str| {
            let status = ExitStatus::from_raw(raw);
            let cause = Cause::of_process(status, stderr).expect("it failed");
            end(status, &cause, stderr)
        };
        assert_eq!(said(9, ""), "out of memory (signal: 9 (SIGKILL))");
        assert_eq!(
            said(6, "memory allocation of 64 bytes failed\n\n"),
            "out of memory (signal: 6 (SIGABRT) (core dumped)): memory allocation of 64 bytes failed"
                .replace(" (core dumped)", "")
        );
        assert!(said(11, "").starts_with("it died (signal: 11"));
        let refused = "error: out of memory: the system refused 9.0 MiB, and the program holds 2.0 MiB\n  help: raise the \
                       limit of address space (`ulimit -v`)\n";
        assert_eq!(
            said(7 << 8, refused),
            "out of memory (exit status: 7): out of memory: the system refused 9.0 MiB, and the program holds 2.0 MiB"
        );
        for mark in ["x", "×"] {
            let failure = format!(
                "warning: a note\n  {mark} training does not fit:\n  | too large\n  help: make it\n        smaller\n\n"
            );
            assert_eq!(
                said(7 << 8, &failure),
                "out of memory (exit status: 7): training does not fit: too large"
            );
        }
    }
}
