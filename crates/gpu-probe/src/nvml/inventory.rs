//! One look at everything.

use std::path::Path;

use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;
use nvml_wrapper::{Device, Nvml, cuda_driver_version_major, cuda_driver_version_minor};

use super::library::{memory, open, power, process_name, processes, reason, utilization, watts};
use crate::visible::mark;
use crate::{
    CudaEnvironment, Driver, Gpu, Mig, MigInstance, ProbeError, Process, Reading, Version,
    Visibility,
};

/// NVML's value for "enabled" in a MIG mode.
const MIG_ENABLED: u32 = 1;

pub(crate) fn read_driver(
    library: Option<&Path>,
    environment: &CudaEnvironment,
) -> Result<Driver, ProbeError> {
    let nvml = match open(library)? {
        Ok(nvml) => nvml,
        Err(reason) => return Ok(Driver::Absent { reason }),
    };
    let count = nvml.device_count();
    let (gpus, visibility) = match count {
        Ok(count) => {
            let mut gpus: Vec<_> = (0..count).map(|index| read_gpu(&nvml, index)).collect();
            let by_ids = |name: &str| nvml.device_by_uuid(name).ok()?.uuid().ok();
            let visibility = mark(&mut gpus, environment, &by_ids);
            (Reading::Value(gpus), visibility)
        }
        Err(error) => (Reading::unavailable(reason(&error)), Visibility::default()),
    };
    Ok(Driver::Present {
        version: reading(nvml.sys_driver_version()),
        cuda_version: reading(nvml.sys_cuda_driver_version().map(|version| Version {
            major: cuda_driver_version_major(version),
            minor: cuda_driver_version_minor(version),
        })),
        visibility,
        gpus,
    })
}

fn read_gpu(nvml: &Nvml, index: u32) -> Gpu {
    let card = Card(nvml.device_by_index(index).map_err(|error| reason(&error)));
    Gpu {
        index,
        name: card.read(Device::name),
        uuid: card.read(Device::uuid),
        visible: true,
        cuda_ordinal: None,
        memory: card.read(memory),
        compute_capability: card.read(|device| {
            let capability = device.cuda_compute_capability()?;
            Ok(Version {
                major: capability.major,
                minor: capability.minor,
            })
        }),
        utilization: card.read(utilization),
        temperature_celsius: card.read(|device| device.temperature(TemperatureSensor::Gpu)),
        power_watts: card.read(power),
        power_limit_watts: card.read(|device| device.enforced_power_limit().map(watts)),
        mig: card.read(mig),
        processes: card.read(|device| {
            let found = processes(device)?;
            Ok(found.iter().map(|one| named(nvml, one)).collect())
        }),
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
            visible: true,
            cuda_ordinal: None,
            memory: reading(memory(&instance)),
        });
    }
    Ok(instances)
}

fn named(nvml: &Nvml, process: &ProcessInfo) -> Process {
    Process {
        pid: process.pid,
        name: reading(process_name(nvml, process)),
        used_memory: match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Reading::Value(bytes),
            UsedGpuMemory::Unavailable => {
                Reading::unavailable("the driver does not account memory by process here")
            }
        },
    }
}

fn reading<T>(result: Result<T, NvmlError>) -> Reading<T> {
    result.map_err(|error| reason(&error)).into()
}
