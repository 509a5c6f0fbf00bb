//! What every user of NVML needs: the library opened, its errors in words, and queries that are more than one call.

use std::path::Path;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;
use nvml_wrapper::{Device, Nvml};

use crate::{Memory, ProbeError, Utilization};

/// Longest process name asked for, in bytes; a command line path fits.
const PROCESS_NAME_BYTES: usize = 1024;

/// NVML, or in the inner result why there is no driver to reach through it. Only a library that the caller named and
/// that is no NVML is an error.
pub(super) fn open(library: Option<&Path>) -> Result<Result<Nvml, String>, ProbeError> {
    let mut builder = Nvml::builder();
    if let Some(path) = library {
        builder.lib_path(path.as_os_str());
    }
    match (builder.init(), library) {
        (
            Err(error @ (NvmlError::LibloadingError(_) | NvmlError::FailedToLoadSymbol(_))),
            Some(path),
        ) => Err(ProbeError::LibraryUnusable {
            path: path.to_owned(),
            reason: reason(&error),
        }),
        (opened, _) => Ok(opened.map_err(|error| reason(&error))),
    }
}

pub(super) fn reason(error: &NvmlError) -> String {
    match error {
        NvmlError::LibloadingError(error) => error.to_string(),
        // Codes newer than the bindings.
        NvmlError::UnexpectedVariant(code) => format!("NVML answered with error {code}"),
        other => other.to_string(),
    }
}

pub(super) fn memory(device: &Device<'_>) -> Result<Memory, NvmlError> {
    let info = device.memory_info()?;
    Ok(Memory {
        total: info.total,
        used: info.used,
        free: info.free,
    })
}

pub(super) fn utilization(device: &Device<'_>) -> Result<Utilization, NvmlError> {
    let rates = device.utilization_rates()?;
    Ok(Utilization {
        gpu_percent: rates.gpu,
        memory_percent: rates.memory,
    })
}

/// Watts drawn.
pub(super) fn power(device: &Device<'_>) -> Result<f64, NvmlError> {
    device.power_usage().map(watts)
}

pub(super) fn watts(milliwatts: u32) -> f64 {
    f64::from(milliwatts) / 1000.0
}

/// Processes with a compute or graphics context, by process id, each once.
pub(super) fn processes(device: &Device<'_>) -> Result<Vec<ProcessInfo>, NvmlError> {
    let mut found = device.running_compute_processes()?;
    match device.running_graphics_processes() {
        Ok(graphics) => found.extend(graphics),
        // A card without graphics has nothing to add.
        Err(NvmlError::NotSupported) => {}
        Err(error) => return Err(error),
    }
    // A process with both kinds of context is in both lists, with the same memory.
    found.sort_by_key(|process| process.pid);
    found.dedup_by_key(|process| process.pid);
    Ok(found)
}

pub(super) fn process_name(nvml: &Nvml, process: &ProcessInfo) -> Result<String, NvmlError> {
    nvml.sys_process_name(process.pid, PROCESS_NAME_BYTES)
}
