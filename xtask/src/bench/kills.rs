//! Runs that are killed at random moments, beside one that is not: the checkpoints must be equal to the byte.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use super::failure;
use crate::steps::{Failure, Outcome, cargo_path};

/// Both branches, small, with dropout of every kind, and sizes of micro-batches that follow the memory.
const SETS: [&str; 30] = [
    "hardware.device=cpu",
    "hardware.parallel_micro_batches=1",
    "dataset.image_size=64",
    "dataset.max_question_tokens=9",
    "dataset.shapes_train_images=60",
    "dataset.shapes_validation_images=8",
    "dataset.shapes_test_images=8",
    "model.num_hid=64",
    "model.heads=4",
    "model.word_dim=32",
    "model.dropout=0.3",
    "xvlm.window=4",
    "xvlm.embed_dim=16",
    "xvlm.depths=[2, 2]",
    "xvlm.image_heads=[2, 2]",
    "xvlm.text_hidden=64",
    "xvlm.text_heads=4",
    "xvlm.text_intermediate=128",
    "xvlm.text_layers=4",
    "xvlm.fusion_layer=2",
    "xvlm.decoder_layers=1",
    "xvlm.k_test=16",
    "xvlm.dropout=0.1",
    "xvlm.drop_path_rate=0.2",
    "training.epochs=2",
    "evaluation.question_only_epochs=0",
    "checkpoint.every_steps=2",
    "logging.every_steps=3",
    "memory_optimization.num_workers=1",
    "memory_optimization.prefetch_factor=1",
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
    let aoa = kills.aoa.clone().map_or_else(build, Ok)?;
    let folder = std::env::temp_dir().join(format!("aoa-kills-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| failure(error.to_string()))?;
    let Seen {
        kills: [starting, running],
        runs,
        different,
    } = kills.carry_out(&aoa, &folder)?;
    println!(
        "{} kills, {starting} of them before a run had begun; {runs} runs ended; {} differ from the undisturbed one",
        starting + running,
        different.len()
    );
    if different.is_empty() {
        // What is left otherwise may say why.
        let _ = fs::remove_dir_all(&folder);
        return Ok(());
    }
    Err(failure(different.join("\n")))
}

impl Kills {
    fn carry_out(&self, aoa: &Path, folder: &Path) -> Result<Seen, Failure> {
        let whole = folder.join("whole");
        let ended = self.start(aoa, &whole)?.wait();
        if !ended.is_ok_and(|status| status.success()) {
            return Err(failure("the undisturbed run failed".to_owned()));
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
        aoa: &Path,
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
            let status = child.wait().map_err(|error| failure(error.to_string()))?;
            if status.success() {
                return Ok(());
            }
            if status.code().is_some() {
                return Err(failure(format!("a process ended with {status}")));
            }
            let begun = run_dir.join("seal.json").exists();
            seen.kills[usize::from(begun)] += 1;
            let kills = seen.kills.iter().sum::<usize>();
            if kills.is_multiple_of(10) {
                eprintln!("{kills} kills, {} runs ended", seen.runs);
            }
        }
    }

    /// Starts a run, or goes on with it.
    fn start(&self, aoa: &Path, run_dir: &Path) -> Result<Child, Failure> {
        let mut command = Command::new(aoa);
        command.arg("train");
        if run_dir.join("config.toml").exists() {
            command.arg("--resume").arg(run_dir);
        } else {
            let own = format!("logging.run_dir='{}'", run_dir.display());
            let sets = SETS.iter().map(|set| (*set).to_owned());
            for set in sets.chain(self.set.iter().cloned()).chain([own]) {
                command.args(["--set", &set]);
            }
            command.args(["--preset", "24gb"]);
            command.args(["--memory-budget", &self.memory_budget]);
        }
        let started = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        started.map_err(|error| failure(format!("cannot start {}: {error}", aoa.display())))
    }
}

/// Numbers from 0 to 1, from a seed: the generator `SplitMix64`.
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) as f64 / u64::MAX as f64
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
    read().map_err(|error| failure(format!("{}: {error}", run_dir.display())))
}

/// Builds the program and tells where it is. Cargo itself must not stand between us and what we kill.
fn build() -> Result<PathBuf, Failure> {
    #[derive(Deserialize)]
    struct Built {
        executable: Option<PathBuf>,
    }
    let output = Command::new(cargo_path())
        .args(["build", "--package", "cli", "--bin", "aoa"])
        .args(["--no-default-features", "--features", "flex"])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failure(format!("cannot start cargo: {error}")))?;
    let lines = output.stdout.split(|&byte| byte == b'\n');
    let built = lines.filter_map(|line| serde_json::from_slice::<Built>(line).ok());
    let executable = built.filter_map(|built| built.executable).next_back();
    executable.ok_or_else(|| failure("the program was not built".to_owned()))
}
