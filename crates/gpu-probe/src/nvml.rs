//! The only module that talks to NVML.

use std::path::Path;

use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;
use nvml_wrapper::{Device, Nvml, cuda_driver_version_major, cuda_driver_version_minor};

use crate::{
    Driver, Gpu, Memory, Mig, MigInstance, ProbeError, Process, Reading, Utilization, Version,
};

/// Longest process name asked for, in bytes; a command line path fits.
const PROCESS_NAME_BYTES: usize = 1024;

/// NVML's value for "enabled" in a MIG mode.
const MIG_ENABLED: u32 = 1;

pub(crate) fn read_driver(library: Option<&Path>) -> Result<Driver, ProbeError> {
    let mut builder = Nvml::builder();
    if let Some(path) = library {
        builder.lib_path(path.as_os_str());
    }
    let nvml = match (builder.init(), library) {
        (Ok(nvml), _) => nvml,
        (
            Err(error @ (NvmlError::LibloadingError(_) | NvmlError::FailedToLoadSymbol(_))),
            Some(path),
        ) => {
            return Err(ProbeError::LibraryUnusable {
                path: path.to_owned(),
                reason: reason(&error),
            });
        }
        (Err(error), _) => {
            return Ok(Driver::Absent {
                reason: reason(&error),
            });
        }
    };
    Ok(Driver::Present {
        version: reading(nvml.sys_driver_version()),
        cuda_version: reading(nvml.sys_cuda_driver_version().map(|version| Version {
            major: cuda_driver_version_major(version),
            minor: cuda_driver_version_minor(version),
        })),
        gpus: reading(
            nvml.device_count()
                .map(|count| (0..count).map(|index| read_gpu(&nvml, index)).collect()),
        ),
    })
}

fn read_gpu(nvml: &Nvml, index: u32) -> Gpu {
    let card = Card(nvml.device_by_index(index).map_err(|error| reason(&error)));
    Gpu {
        index,
        name: card.read(Device::name),
        uuid: card.read(Device::uuid),
        memory: card.read(memory),
        compute_capability: card.read(|device| {
            let capability = device.cuda_compute_capability()?;
            Ok(Version {
                major: capability.major,
                minor: capability.minor,
            })
        }),
        utilization: card.read(|device| {
            let rates = device.utilization_rates()?;
            Ok(Utilization {
                gpu_percent: rates.gpu,
                memory_percent: rates.memory,
            })
        }),
        temperature_celsius: card.read(|device| device.temperature(TemperatureSensor::Gpu)),
        power_watts: card.read(|device| device.power_usage().map(watts)),
        power_limit_watts: card.read(|device| device.enforced_power_limit().map(watts)),
        mig: card.read(mig),
        processes: card.read(processes),
    }
}

/// A device handle, or why there is none: every query of a card without handle answers with that reason.
struct Card<'nvml>(Result<Device<'nvml>, String>);

impl<'nvml> Card<'nvml> {
    fn read<T>(&self, query: impl FnOnce(&Device<'nvml>) -> Result<T, NvmlError>) -> Reading<T> {
        match &self.0 {
            Ok(device) => reading(query(device)),
            Err(reason) => Reading::unavailable(reason),
        }
    }
}

fn memory(device: &Device<'_>) -> Result<Memory, NvmlError> {
    let info = device.memory_info()?;
    Ok(Memory {
        total: info.total,
        used: info.used,
        free: info.free,
    })
}

fn mig(device: &Device<'_>) -> Result<Mig, NvmlError> {
    match device.mig_mode() {
        Ok(mode) if mode.current == MIG_ENABLED => Ok(Mig::Enabled {
            instances: reading(mig_instances(device)),
        }),
        Ok(_) => Ok(Mig::Disabled),
        // A driver too old to have the call has no MIG either.
        Err(
            NvmlError::NotSupported
            | NvmlError::FunctionNotFound
            | NvmlError::FailedToLoadSymbol(_),
        ) => Ok(Mig::Unsupported),
        Err(error) => Err(error),
    }
}

fn mig_instances(device: &Device<'_>) -> Result<Vec<MigInstance>, NvmlError> {
    let mut instances = Vec::new();
    for index in 0..device.mig_device_count()? {
        let instance = match device.mig_device_by_index(index) {
            Ok(instance) => instance,
            // The count is of slots; most are empty.
            Err(NvmlError::NotFound) => continue,
            Err(error) => return Err(error),
        };
        instances.push(MigInstance {
            index,
            name: reading(instance.name()),
            uuid: reading(instance.uuid()),
            memory: reading(memory(&instance)),
        });
    }
    Ok(instances)
}

fn processes(device: &Device<'_>) -> Result<Vec<Process>, NvmlError> {
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
    Ok(found
        .into_iter()
        .map(|process| named(device.nvml(), &process))
        .collect())
}

fn named(nvml: &Nvml, process: &ProcessInfo) -> Process {
    Process {
        pid: process.pid,
        name: reading(nvml.sys_process_name(process.pid, PROCESS_NAME_BYTES)),
        used_memory: match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Reading::Value(bytes),
            UsedGpuMemory::Unavailable => {
                Reading::unavailable("the driver does not account memory by process here")
            }
        },
    }
}

fn watts(milliwatts: u32) -> f64 {
    f64::from(milliwatts) / 1000.0
}

fn reading<T>(result: Result<T, NvmlError>) -> Reading<T> {
    result.map_err(|error| reason(&error)).into()
}

fn reason(error: &NvmlError) -> String {
    match error {
        NvmlError::LibloadingError(error) => error.to_string(),
        // Codes newer than the bindings.
        NvmlError::UnexpectedVariant(code) => format!("NVML answered with error {code}"),
        other => other.to_string(),
    }
}
