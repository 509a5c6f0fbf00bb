//! The probe itself.

use std::path::Path;

use crate::{CudaEnvironment, Host, HostRoots, Inventory, ProbeError, nvml};

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
