//! Runs that are killed at random moments, beside one that is not: the checkpoints must be equal to the byte.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::Duration;

use clap::Args;

use super::small_model::{Moments, Program, temporary_folder};
use crate::steps::{Failure, Outcome};

/// A short run with many checkpoints.
const SETS: [&str; 4] = [
    "dataset.shapes_train_images=60",
    "training.epochs=2",
    "checkpoint.every_steps=2",
    "logging.every_steps=3",
];

#[derive(Debug, Args)]
pub struct Kills {
    /// Kills in all; a run that ends before is compared, and another one is begun
    #[arg(long, default_value_t = 20)]
    count: usize,
    /// Seconds that a process has at most before it is killed; the moment is drawn evenly
    #[arg(long, default_value_t = 3.0)]
    longest: f64,
    /// Seed of the moments
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A program that is built already [default: build it]
    #[arg(long, value_name = "FILE")]
    aoa: Option<PathBuf>,
    /// Memory budget of the runs
    #[arg(long, default_value = "24MiB")]
    memory_budget: String,
    /// More settings, as section.key=value
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    /// Kills before the run had all that it needs to go on, and after.
    kills: [usize; 2],
    runs: usize,
    different: Vec<String>,
}

/// Files by their names.
type Files = BTreeMap<OsString, Vec<u8>>;

pub fn run(kills: &Kills) -> Outcome {
    let aoa = Program::find(kills.aoa.as_deref())?;
    let folder = temporary_folder("aoa-kills");
    fs::create_dir_all(&folder).map_err(|error| Failure::because(error.to_string()))?;
    let Seen {
        kills: [starting, running],
        runs,
        different,
    } = kills.carry_out(&aoa, &folder)?;
    println!(
        "kills: {}, {starting} of them before a run had begun; finished runs: {runs}; different from the run without kills: {}",
        starting + running,
        different.len()
    );
    if different.is_empty() {
        // What is left otherwise may say why.
        let _ = fs::remove_dir_all(&folder);
        return Ok(());
    }
    Err(Failure::because(different.join("\n")))
}

impl Kills {
    fn carry_out(&self, aoa: &Program, folder: &Path) -> Result<Seen, Failure> {
        let whole = folder.join("whole");
        let ended = self.start(aoa, &whole)?.wait();
        if !ended.is_ok_and(|status| status.success()) {
            return Err(Failure::because("the undisturbed run failed".to_owned()));
        }
        let expected = newest_files(&whole)?;
        let mut seen = Seen::default();
        let mut moments = Moments(self.seed);
        while seen.kills.iter().sum::<usize>() < self.count {
            let run_dir = folder.join(format!("run-{}", seen.runs));
            self.disturb(aoa, &run_dir, &mut moments, &mut seen)?;
            seen.runs += 1;
            let files = newest_files(&run_dir)?;
            let names = expected
                .keys()
                .filter(|name| files.get(*name) != expected.get(*name));
            let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
            if names.is_empty() && files.len() == expected.len() {
                let _ = fs::remove_dir_all(&run_dir);
            } else {
                let differing = format!("{}: {}", run_dir.display(), names.join(", "));
                eprintln!("differs: {differing}");
                seen.different.push(differing);
            }
        }
        Ok(seen)
    }

    /// A run that is killed again and again until it ends, or until it was killed often enough.
    fn disturb(
        &self,
        aoa: &Program,
        run_dir: &Path,
        moments: &mut Moments,
        seen: &mut Seen,
    ) -> Result<(), Failure> {
        loop {
            let mut child = self.start(aoa, run_dir)?;
            let enough = seen.kills.iter().sum::<usize>() >= self.count;
            if !enough {
                thread::sleep(Duration::from_secs_f64(moments.next() * self.longest));
                // One that has ended cannot be killed any more.
                let _ = child.kill();
            }
            let status = child
                .wait()
                .map_err(|error| Failure::because(error.to_string()))?;
            if status.success() {
                return Ok(());
            }
            if status.code().is_some() {
                return Err(Failure::because(format!("a process ended with {status}")));
            }
            let begun = run_dir.join("seal.json").exists();
            seen.kills[usize::from(begun)] += 1;
            let kills = seen.kills.iter().sum::<usize>();
            if kills.is_multiple_of(10) {
                eprintln!("kills: {kills}, finished runs: {}", seen.runs);
            }
        }
    }

    /// Starts a run, or goes on with it.
    fn start(&self, aoa: &Program, run_dir: &Path) -> Result<Child, Failure> {
        let sets = SETS.map(str::to_owned);
        let sets = [&sets, self.set.as_slice()].concat();
        let budget = ["--memory-budget".to_owned(), self.memory_budget.clone()];
        let started = aoa.train(run_dir, &sets, &budget).spawn();
        started.map_err(|error| Failure::because(format!("cannot start the program: {error}")))
    }
}

/// The files of the newest checkpoint.
fn newest_files(run_dir: &Path) -> Result<Files, Failure> {
    let read = || {
        let mut newest = None;
        for entry in fs::read_dir(run_dir.join("checkpoints"))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("step-") && newest.as_ref() < Some(&path) {
                newest = Some(path);
            }
        }
        let mut files = Files::new();
        for entry in fs::read_dir(newest.unwrap_or_default())? {
            let entry = entry?;
            files.insert(entry.file_name(), fs::read(entry.path())?);
        }
        Ok::<_, std::io::Error>(files)
    };
    read().map_err(|error| Failure::because(format!("{}: {error}", run_dir.display())))
}
