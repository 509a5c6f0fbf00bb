//! The compute device.

use burn::tensor::Device;
use config_schema::Device as Wanted;

use crate::error::TrainError;

/// Opens the device that the configuration names; `auto` must have been decided before.
///
/// # Errors
///
/// When this build lacks the backend or nobody decided on a device.
pub fn open(wanted: &Wanted) -> Result<Device, TrainError> {
    let (device, build) = match wanted {
        Wanted::Auto => (None, "no device was chosen"),
        Wanted::Cpu => (
            cpu(),
            "this build has no CPU backend; build it with `--features flex`",
        ),
        Wanted::Cuda(index) => (
            cuda(*index),
            "this build has no CUDA backend; build it with `--features cuda`",
        ),
        Wanted::Wgpu => (
            wgpu(),
            "this build has no wgpu backend; build it with `--features wgpu`",
        ),
    };
    device.ok_or_else(|| TrainError::Device {
        wanted: wanted.to_string(),
        reason: build.to_owned(),
    })
}

#[cfg_attr(
    feature = "flex",
    expect(clippy::unnecessary_wraps, reason = "without the feature it is None")
)]
fn cpu() -> Option<Device> {
    #[cfg(feature = "flex")]
    return Some(Device::flex());
    #[cfg(not(feature = "flex"))]
    None
}

#[cfg_attr(
    feature = "cuda",
    expect(clippy::unnecessary_wraps, reason = "without the feature it is None")
)]
fn cuda(_index: u32) -> Option<Device> {
    #[cfg(feature = "cuda")]
    return Some(Device::cuda(_index as usize));
    #[cfg(not(feature = "cuda"))]
    None
}

#[cfg_attr(
    feature = "wgpu",
    expect(clippy::unnecessary_wraps, reason = "without the feature it is None")
)]
fn wgpu() -> Option<Device> {
    #[cfg(feature = "wgpu")]
    return Some(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice));
    #[cfg(not(feature = "wgpu"))]
    None
}

/// Whether tensors on this device are numbers in host memory.
pub(crate) fn is_cpu(device: &Device) -> bool {
    cpu().as_ref() == Some(device)
}
