//! The commands that the tasks are made of.

use std::env;
use std::ffi::{OsStr, OsString};
use std::process::Command;

use gpu_probe::{CudaEnvironment, Driver, probe};

/// Why a task stopped.
#[derive(Debug)]
pub struct Failure {
    /// Exit code to end with.
    pub code: u8,
    /// The step, where the step has not said so itself.
    pub step: Option<String>,
}

pub type Outcome = Result<(), Failure>;

impl Failure {
    /// A failure for a reason, with exit code 1.
    pub fn because(reason: impl Into<String>) -> Self {
        Self {
            code: 1,
            step: Some(reason.into()),
        }
    }
}

/// Cargo feature for the device of this machine; says which and why.
pub fn feature_for_this_machine() -> &'static str {
    match probe(None, &CudaEnvironment::default()).map(|found| found.driver) {
        Ok(Driver::Present { version, .. }) => {
            let version = version
                .as_result()
                .map_or("of unknown version", |version| version.as_str());
            eprintln!("building for CUDA: there is an NVIDIA driver ({version})");
            "cuda"
        }
        Ok(Driver::Absent { reason }) => {
            eprintln!("building for the CPU: no NVIDIA driver ({reason})");
            "flex"
        }
        Err(error) => {
            eprintln!("building for the CPU: {error}");
            "flex"
        }
    }
}

/// Builds `aoa` with one backend and runs it.
pub fn aoa(feature: &str, args: impl IntoIterator<Item = OsString>) -> Outcome {
    require_cmake()?;
    run(None, &mut aoa_command(feature, args))
}

/// Says in one sentence what a build would end with many lines for.
fn require_cmake() -> Outcome {
    let elsewhere = env::var_os("TURBOJPEG_SOURCE").is_some();
    let cmake = env::var_os("CMAKE").unwrap_or_else(|| "cmake".into());
    if elsewhere || Command::new(cmake).arg("--version").output().is_ok() {
        return Ok(());
    }
    Err(Failure {
        code: 1,
        step: Some(
            "CMake is missing, which builds libjpeg-turbo: `apt install cmake`, or `pip install cmake` without root rights"
                .to_owned(),
        ),
    })
}

/// The command that builds `aoa` with one backend and runs it.
pub fn aoa_command(feature: &str, args: impl IntoIterator<Item = OsString>) -> Command {
    let mut command = Command::new(cargo_path());
    command
        .args(["run", "--package", "cli", "--bin", "aoa"])
        .args(["--no-default-features", "--features", feature, "--"])
        .args(args)
        // CUDA numbers the cards by speed unless told otherwise, NVML by bus: they must mean the same card.
        .env("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
    command
}

/// Runs cargo.
pub fn cargo<S: AsRef<OsStr>>(step: &str, args: impl IntoIterator<Item = S>) -> Outcome {
    run(Some(step), Command::new(cargo_path()).args(args))
}

/// Checks licences, versions and sources of the dependencies by `deny.toml`. Where cargo-deny is not installed, says so
/// and does nothing. Advisories are left out: they are downloaded, and a new one is no fault of a change.
pub fn check_dependencies() -> Outcome {
    let version = Command::new(cargo_path())
        .args(["deny", "--version"])
        .output();
    if !version.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "skipped: licences, versions and sources of dependencies; there is no cargo-deny: `cargo install --locked cargo-deny`"
        );
        return Ok(());
    }
    cargo(
        "licences, versions and sources of dependencies",
        ["deny", "check", "licenses", "bans", "sources"],
    )
}

/// Type-checks the CUDA backend. Its build script wants to download a compiler; `DOCS_RS` makes it skip that,
/// which is enough for a check and not for a build.
pub fn check_cuda() -> Outcome {
    let mut command = Command::new(cargo_path());
    command
        .args([
            "check",
            "--package",
            "cli",
            "--no-default-features",
            "--features",
            "cuda",
        ])
        .env("DOCS_RS", "1");
    run(Some("type-check of the cuda backend"), &mut command)
}

/// The profiles that the workspace's crates have of their own.
fn own_profiles() -> impl Iterator<Item = &'static str> {
    let lines = include_str!("../../Cargo.toml").lines();
    let sections = lines.filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'));
    sections.filter(|section| section.starts_with("profile.dev.package."))
}

/// Tests the program on Mesa's software GPU. Where there is none, says so and does nothing.
pub fn software_gpu() -> Outcome {
    let drivers = std::fs::read_dir("/usr/share/vulkan/icd.d");
    let is_llvmpipe = |name: OsString| {
        name.to_str()
            .is_some_and(|name| name.starts_with("lvp_icd"))
    };
    let mut drivers = drivers.into_iter().flatten().flatten();
    if !drivers.any(|driver| is_llvmpipe(driver.file_name())) {
        eprintln!(
            "skipped: tests on a software GPU; there is no llvmpipe, which Debian has in mesa-vulkan-drivers"
        );
        return Ok(());
    }
    // Compiled for a short wait instead of speed: the work is done in kernels. Those builds are kept apart, so that neither
    // replaces the other.
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let mut command = Command::new(cargo_path());
    command
        .args(["test", "--package", "cli", "--features", "wgpu"])
        .args(["--test", "software_gpu"])
        .args(["--config", "profile.dev.opt-level=0"])
        .args(
            own_profiles()
                .flat_map(|profile| ["--config".to_owned(), format!("{profile}.opt-level=0")]),
        )
        .arg("--target-dir")
        .arg(std::path::Path::new(&target).join("software-gpu"))
        // One at a time: each has the cores to itself.
        .args(["--", "--test-threads=1"]);
    run(Some("tests on a software GPU"), &mut command)
}

/// Trains a tiny model for a few steps through the whole program.
pub fn short_training_run() -> Outcome {
    let run_dir = env::temp_dir().join(format!("aoa-short-run-{}", std::process::id()));
    let sets = [
        "dataset.shapes_train_images=40".to_owned(),
        "dataset.shapes_validation_images=10".to_owned(),
        "dataset.shapes_test_images=10".to_owned(),
        "training.epochs=1".to_owned(),
        format!("logging.run_dir='{}'", run_dir.display()),
    ];
    let sets = sets.into_iter().flat_map(|set| ["--set".to_owned(), set]);
    let args = ["train", "--preset", "cpu", "--json"]
        .map(str::to_owned)
        .into_iter()
        .chain(sets);
    aoa("flex", args.map(OsString::from))?;
    std::fs::remove_dir_all(&run_dir).map_err(|error| Failure {
        code: 1,
        step: Some(format!("the short run left no run directory: {error}")),
    })
}

/// The cargo that started this task.
pub fn cargo_path() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn run(step: Option<&str>, command: &mut Command) -> Outcome {
    let step = step.map(str::to_owned);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure {
            code: status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(1),
            step,
        }),
        Err(error) => Err(Failure {
            code: 1,
            step: Some(format!("cannot start cargo: {error}")),
        }),
    }
}
