use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{CudaEnvironment, Gpu, Host, HostRoots, Reading, Version, Visibility, nvml};

/// Everything [`probe`] found.
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

/// Reads the GPUs through NVML and the host memory and cores that this process may use.
///
/// `environment` is what the process has of CUDA's variables; it decides which GPUs are marked as hidden.
///
/// `nvml_library` replaces the driver's own library, whose place the system's loader knows. As with any shared library,
/// a name without a slash is looked up where the loader looks, not in the working directory.
///
/// # Errors
///
/// [`ProbeError::LibraryUnusable`] where `nvml_library` is given and cannot be loaded or is no NVML: what was asked for
/// by name is never replaced by something else. A library that loads and then finds no driver is [`Driver::Absent`].
pub fn probe(
    nvml_library: Option<&Path>,
    environment: &CudaEnvironment,
) -> Result<Inventory, ProbeError> {
    Ok(Inventory {
        driver: nvml::read_driver(nvml_library, environment)?,
        host: Host::read(&HostRoots::default()),
    })
}
