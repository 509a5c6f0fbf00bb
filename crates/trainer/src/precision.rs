//! Which numbers a run multiplies on its device.

use burn::backend::{Backend, DType, Dispatch};
use burn::tensor::Device;
use burn_frugal::Precision;
use config_schema::{Config, Device as Wanted, PrecisionMode};

use crate::device::is_cpu;
use crate::error::TrainError;

/// The compute capability from which on NVIDIA GPUs have bfloat16.
const NATIVE_BF16: u32 = 8;

/// The precision that settings describe. `auto` that nobody has decided on is half precision, as on the GPUs that presets are
/// for.
pub fn precision(settings: &Config) -> Precision {
    match settings.precision.mode {
        PrecisionMode::F32 | PrecisionMode::Tf32 => Precision::Single,
        PrecisionMode::F16 => Precision::F16,
        PrecisionMode::Bf16 | PrecisionMode::Auto => Precision::Bf16,
    }
}

/// What `precision.mode = "auto"` stands for on a device. `capability` is the major number of a GPU's compute capability, where
/// it is known.
pub fn choose_precision(device: Wanted, capability: Option<u32>) -> PrecisionMode {
    match device {
        Wanted::Cuda(_) if capability.is_some_and(|major| major >= NATIVE_BF16) => {
            PrecisionMode::Bf16
        }
        Wanted::Cuda(_) => PrecisionMode::F16,
        Wanted::Wgpu if has(device, DType::F16) => PrecisionMode::F16,
        Wanted::Wgpu | Wanted::Cpu | Wanted::Auto => PrecisionMode::F32,
    }
}

fn has(device: Wanted, dtype: DType) -> bool {
    let opened = crate::device::open(&device);
    opened.is_ok_and(|device| Dispatch::supports_dtype(device.as_dispatch(), dtype))
}

/// Checks what can be said without the device that a run is planned for.
///
/// # Errors
///
/// What [`train`](crate::train) refuses on any such device.
pub fn require_possible(settings: &Config, device: Wanted) -> Result<(), TrainError> {
    let on_cpu = device == Wanted::Cpu;
    if settings.hardware.parallel_micro_batches > 1 && !on_cpu {
        return Err(TrainError::Parallel);
    }
    if settings.precision.mode != PrecisionMode::Tf32 || matches!(device, Wanted::Cuda(_)) {
        return Ok(());
    }
    let device = if on_cpu { "the CPU" } else { "the device" };
    Err(TrainError::Precision {
        mode: PrecisionMode::Tf32,
        device: device.to_owned(),
    })
}

/// Checks that the device has the numbers that settings ask for.
pub(crate) fn suits(settings: &Config, device: &Device) -> Result<(), TrainError> {
    let device = device.clone().inner();
    let dispatch = device.as_dispatch();
    let suits = match settings.precision.mode {
        PrecisionMode::F32 | PrecisionMode::Auto => true,
        PrecisionMode::Tf32 => is_cuda(&device),
        // The CPU keeps them, and computes in single precision.
        PrecisionMode::Bf16 | PrecisionMode::F16 if is_cpu(&device) => true,
        PrecisionMode::Bf16 => Dispatch::supports_dtype(dispatch, DType::BF16),
        PrecisionMode::F16 => Dispatch::supports_dtype(dispatch, DType::F16),
    };
    if suits {
        return Ok(());
    }
    Err(TrainError::Precision {
        mode: settings.precision.mode,
        device: match device {
            device if is_cpu(&device) => "the CPU".to_owned(),
            device if is_cuda(&device) => "the CUDA device".to_owned(),
            device => format!("the device {device:?}"),
        },
    })
}

/// Burn exports no type of CUDA devices to match on, but it prints which of its devices one is.
fn is_cuda(device: &Device) -> bool {
    format!("{device:?}").contains("Cuda")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_what_the_device_is_best_at() {
        for (device, capability, expected) in [
            (Wanted::Cpu, None, PrecisionMode::F32),
            (Wanted::Cuda(0), Some(7), PrecisionMode::F16),
            (Wanted::Cuda(0), Some(8), PrecisionMode::Bf16),
            (Wanted::Cuda(1), Some(12), PrecisionMode::Bf16),
            (Wanted::Cuda(0), None, PrecisionMode::F16),
        ] {
            assert_eq!(choose_precision(device, capability), expected, "{device}");
        }
    }
}
