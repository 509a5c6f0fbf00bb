//! What a probe finds.

use std::path::PathBuf;

use serde::Serialize;

use crate::{Gpu, Host, Reading, Version, Visibility};

/// Everything [`probe`](crate::probe) found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inventory {
    /// The NVIDIA driver and its GPUs.
    pub driver: Driver,
    /// Memory and cores of the machine.
    pub host: Host,
}

/// The NVIDIA driver, as far as there is one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Driver {
    /// No driver, or one that does not start: the machine has no usable NVIDIA GPU.
    Absent {
        /// What the system said when the driver's library was looked for or started.
        reason: String,
    },
    /// The driver answers.
    Present {
        /// Driver version, such as `580.82.07`.
        version: Reading<String>,
        /// Newest CUDA version the driver supports.
        cuda_version: Reading<Version>,
        /// What the environment makes of the GPUs.
        visibility: Visibility,
        /// All GPUs in NVML's order, also those that fail and those that are hidden from this process.
        gpus: Reading<Vec<Gpu>>,
    },
}

/// A probe that cannot be carried out as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The caller named a library, and it is not one that NVML can be reached through.
    #[error("cannot use {} as the NVML library: {reason}", path.display())]
    LibraryUnusable {
        /// The library as the caller named it.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
}
