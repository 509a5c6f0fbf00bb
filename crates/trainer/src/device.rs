//! The compute device.

use std::ops::Deref;

use burn::tensor::Device;
use config_schema::{Config, Device as Wanted};

use crate::error::TrainError;

/// A device that is in use. At the end it is waited for: a driver that is still at work when the process ends may crash.
#[derive(Debug)]
pub struct Opened(Device);

impl Deref for Opened {
    type Target = Device;

    fn deref(&self) -> &Device {
        &self.0
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // What fails now, nobody asks for any more.
        let _ = self.0.sync();
    }
}

/// Opens the device that the configuration names; `auto` must have been decided before.
///
/// # Errors
///
/// When this build lacks the backend or nobody decided on a device.
pub fn open(wanted: &Wanted) -> Result<Opened, TrainError> {
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
    device.map(Opened).ok_or_else(|| TrainError::Device {
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

/// Checks that settings can be carried out on a device.
pub(crate) fn suits(settings: &Config, device: &Device) -> Result<(), TrainError> {
    if settings.hardware.parallel_micro_batches > 1 && !is_cpu(&device.clone().inner()) {
        return Err(TrainError::Parallel);
    }
    Ok(())
}

/// Whether tensors on this device are numbers in host memory.
pub(crate) fn is_cpu(device: &Device) -> bool {
    cpu().as_ref() == Some(device)
}
