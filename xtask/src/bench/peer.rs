//! The PyTorch to compare with, and the programs that are measured.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::steps::cargo_path;

/// A Python that has PyTorch, and the version that it has.
pub struct Peer {
    python: PathBuf,
    version: String,
}

impl Peer {
    /// Looks for PyTorch in the Python that the user named; says why there is none.
    pub fn find(python: Option<PathBuf>) -> Option<Self> {
        let Some(python) = python else {
            eprintln!("without PyTorch: name a Python that has it with `--python PATH`");
            return None;
        };
        let print_version = ["-c", "import torch; print(torch.__version__)"];
        match Command::new(&python).args(print_version).output() {
            Ok(output) if output.status.success() => Some(Self {
                python,
                version: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            }),
            Ok(output) => {
                let error = String::from_utf8_lossy(&output.stderr);
                let last = error.lines().last().unwrap_or("no message");
                eprintln!("without PyTorch: {}: {last}", python.display());
                None
            }
            Err(error) => {
                eprintln!(
                    "without PyTorch: cannot start {}: {error}",
                    python.display()
                );
                None
            }
        }
    }

    /// Name for tables.
    pub fn title(&self) -> String {
        format!("PyTorch {}", self.version)
    }

    /// A peer script, ready to be started.
    pub fn script(&self, name: &str, args: &[String]) -> Command {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/benches/peer");
        let mut command = Command::new(&self.python);
        command.arg(folder.join(name)).args(args);
        command
    }
}

/// A benchmark, ready to be started. It is built as the program is, so the two share Burn.
pub fn benchmark(name: &str, args: &[String]) -> Command {
    let cargo = [
        "bench",
        "--quiet",
        "--profile",
        "dev",
        // The workspace's features, and so the same build of Burn as of the program.
        "--workspace",
    ];
    let mut command = Command::new(cargo_path());
    command
        .args(cargo)
        .args(["--bench", name, "--"])
        .args(args.iter().map(OsString::from));
    command
}
