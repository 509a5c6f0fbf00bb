//! Runs the program in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A folder to run the program in.
pub struct Place {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// What a run of the program left.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// An empty folder, on a machine without GPU.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = Self {
            folder,
            environment: Vec::new(),
        };
        // Whatever the machine has, the driver is not there.
        place.with_library(&nvml_stand_in::Cards::new(Vec::new()))
    }

    /// A machine with these cards.
    pub fn with_library(mut self, cards: &nvml_stand_in::Cards) -> Self {
        let library = cards
            .install(self.path())
            .expect("the stand-in is installed");
        self.environment = vec![(
            "AOA_HARDWARE__NVML_LIBRARY".to_owned(),
            library.display().to_string(),
        )];
        self
    }

    /// With a variable of the environment.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file and returns its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(&path, content).expect("the file is written");
        path
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aoa"));
        command
            .args(args)
            .current_dir(self.path())
            .stdin(Stdio::null())
            // Whatever cards the tests themselves may use.
            .env_remove("CUDA_VISIBLE_DEVICES")
            .env_remove("CUDA_DEVICE_ORDER")
            // What names data for the tests themselves; the program warns of variables that it does not know.
            .env_remove("AOA_TEST_DATA")
            .env_remove("AOA_GOLDEN")
            .env_remove("AOA_CASES")
            .env_remove("AOA_FORMATS");
        command.envs(self.environment.iter().cloned());
        command
    }

    pub fn run(&self, args: &[&str]) -> Outcome {
        let output = self.command(args).output().expect("the program starts");
        let outcome = Outcome {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(
            !outcome.stderr.contains("panicked"),
            "{args:?}: {}",
            outcome.stderr
        );
        outcome
    }

    /// Runs and expects success.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> Outcome {
        let outcome = self.run(args);
        assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
        outcome
    }

    /// Runs and expects an exit code and, in the message, every one of the words.
    #[track_caller]
    pub fn fails(&self, code: i32, words: &[&str], args: &[&str]) {
        let outcome = self.run(args);
        assert_eq!(outcome.code, Some(code), "{args:?}: {}", outcome.stderr);
        // The message may be broken into lines anywhere.
        let flat = |text: &str| {
            text.split_whitespace()
                .collect::<String>()
                .replace(['│', '╰', '|', '`'], "")
        };
        for word in words {
            assert!(
                flat(&outcome.stderr).contains(&flat(word)),
                "no {word:?} in: {}",
                outcome.stderr
            );
        }
    }
}

/// Sends a signal, such as `-INT`, to a program.
#[cfg(unix)]
pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(status.is_ok_and(|status| status.success()));
}

/// Arguments of a run of a few seconds.
pub const SMALL: &[&str] = &[
    "--preset",
    "cpu",
    "--set",
    "dataset.shapes_train_images=24",
    "--set",
    "dataset.shapes_validation_images=8",
    "--set",
    "dataset.shapes_test_images=8",
    "--set",
    "dataset.image_size=32",
    "--set",
    "model.num_hid=16",
    "--set",
    "model.word_dim=8",
    "--set",
    "model.image_width=8",
    "--set",
    "training.batch_size=8",
    "--set",
    "training.epochs=2",
    "--set",
    "logging.run_dir=run",
];

/// `train` with small sizes and more arguments.
pub fn small_training(more: &[&'static str]) -> Vec<&'static str> {
    [&["train"], SMALL, more].concat()
}
