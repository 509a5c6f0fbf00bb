//! Training of a small model: both branches of `24gb`, small enough for the CPU, with dropout of every kind.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::steps::{Failure, cargo_path};

/// The model, and little beside it that a memory budget binds.
const SETS: [&str; 26] = [
    "hardware.device=cpu",
    "hardware.parallel_micro_batches=1",
    "dataset.image_size=64",
    "dataset.max_question_tokens=9",
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
    "xvlm.dropout=0.3",
    "xvlm.drop_path_rate=0.2",
    "evaluation.question_only_epochs=0",
    "memory_optimization.num_workers=1",
    "memory_optimization.prefetch_factor=1",
];

/// A built program. Cargo itself must not stand between us and what we kill.
pub(super) struct Program(PathBuf);

impl Program {
    /// The given one, or the one that Cargo builds.
    pub(super) fn find(given: Option<&Path>) -> Result<Self, Failure> {
        match given {
            Some(path) => Ok(Self(path.to_owned())),
            None => build().map(Self),
        }
    }

    /// Starts a run with more settings and arguments, or resumes it.
    pub(super) fn train(&self, run_dir: &Path, sets: &[String], arguments: &[String]) -> Command {
        let mut command = Command::new(&self.0);
        command.arg("train");
        if run_dir.join("config.toml").exists() {
            command.arg("--resume").arg(run_dir);
        } else {
            let own = format!("logging.run_dir='{}'", run_dir.display());
            let all = SETS.iter().copied();
            for set in all.chain(sets.iter().map(String::as_str)).chain([&*own]) {
                command.args(["--set", set]);
            }
            command.args(["--preset", "24gb"]).args(arguments);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

/// A folder of the system's for temporary files, apart from those of other processes.
pub(super) fn temporary_folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("{name}-{}", std::process::id()))
}

/// Numbers from 0 to 1, from a seed: the generator `SplitMix64`.
pub(super) struct Moments(pub(super) u64);

impl Moments {
    pub(super) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) as f64 / u64::MAX as f64
    }
}

fn build() -> Result<PathBuf, Failure> {
    #[derive(Deserialize)]
    struct Built {
        executable: Option<PathBuf>,
    }
    let arguments = [
        "build",
        "--package",
        "cli",
        "--bin",
        "aoa",
        "--no-default-features",
        "--features",
        "flex",
        "--message-format=json-render-diagnostics",
    ];
    let output = Command::new(cargo_path())
        .args(arguments.map(OsString::from))
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failure::because(format!("cannot start cargo: {error}")))?;
    let lines = output.stdout.split(|&byte| byte == b'\n');
    let built = lines.filter_map(|line| serde_json::from_slice::<Built>(line).ok());
    let executable = built.filter_map(|built| built.executable).next_back();
    executable.ok_or_else(|| Failure::because("the program was not built".to_owned()))
}
