//! A stand-in for `libnvidia-ml.so.1`, the library of the NVIDIA driver. It is not a driver and drives nothing: it
//! answers the NVML calls of `gpu-probe` with the cards that a test wrote down, so that the whole program can be run
//! against machines that nobody has here.
//!
//! A test describes the machine and installs it into a folder of its own:
//!
//! ```
//! use nvml_stand_in::{Card, Cards, GIB, code};
//!
//! let folder = std::env::temp_dir().join(format!("nvml-stand-in-{}", std::process::id()));
//! std::fs::create_dir_all(&folder)?;
//! let card = Card {
//!     fails: [("nvmlDeviceGetTemperature".into(), code::UNKNOWN)].into(),
//!     ..Card::new("NVIDIA GeForce RTX 4090", 24 * GIB)
//! };
//! // The path to give to the program under test.
//! let library = Cards::new(vec![card]).install(&folder)?;
//! assert!(library.exists());
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The folder then holds the library and, beside it, a text file with the cards. The library finds the file by its own
//! path, so that tests of one process with different cards don't meet. It reads the file at each `nvmlInit`.
//!
//! Linux and macOS only.

mod cards;
mod exports;
#[cfg(not(stand_in_library))]
mod install;
mod machine;
mod text;

pub use cards::{Card, Cards, GIB, Mig, MigInstance, Process, code};
