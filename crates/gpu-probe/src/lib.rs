//! What this machine has to train on, and which preset suits it.
//!
//! [`probe`] asks the NVIDIA driver, through NVML, for every GPU, and `/proc` and the control groups for the host memory
//! that this process may use. A machine without NVIDIA driver is an ordinary answer ([`Driver::Absent`]), and every
//! [`Reading`] can fail alone: what could not be read carries its reason and is never shown as zero.
//! [`GpuSampler`] reads the few values that change, again and again, through cards that get lost and come back.
//! [`choose_preset`] is pure: it picks a preset for such an [`Inventory`] and says why.
//!
//! ```
//! use gpu_probe::{Candidate, CudaEnvironment, DeviceRequest, choose_preset, probe};
//!
//! let candidates = [
//!     Candidate { name: "24gb".into(), min_device_memory: Some(22 << 30) },
//!     Candidate { name: "cpu".into(), min_device_memory: None },
//! ];
//! let inventory = probe(None, &CudaEnvironment::default())?;
//! let choice = choose_preset(&inventory, &candidates, Some(DeviceRequest::Cpu))?;
//! assert_eq!((choice.preset.as_str(), choice.device), ("cpu", None));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! GPU indices are NVML's, which follow the PCI bus. `CUDA_VISIBLE_DEVICES` hides cards and renumbers the rest, so a
//! [`CudaDevice`] has an ordinal of its own. CUDA counts the fastest card first unless `CUDA_DEVICE_ORDER=PCI_BUS_ID`, and
//! gives a process the first MIG instance alone: [`CudaDevice::environment`] is what a process needs to reach the device.
//!
//! Memory needs a driver of version 510 or newer; an older one lacks the call, and the reading says so.

mod cgroup;
mod choose;
mod choose_error;
mod cuda_device;
mod gpu;
mod host;
mod inventory;
mod kernel_files;
mod nvml;
mod pick;
mod probe;
mod reading;
mod sample;
mod visible;

pub use cgroup::CgroupLimit;
pub use choose::{Candidate, Choice, DeviceRequest, choose_preset};
pub use choose_error::ChooseError;
pub use cuda_device::CudaDevice;
pub use gpu::{Gpu, Memory, Mig, MigInstance, Process, Utilization, Version};
pub use host::{AddressSpace, Host, LimitKind};
pub use inventory::{Driver, Inventory, ProbeError};
pub use kernel_files::HostRoots;
pub use nvml::GpuSampler;
pub use pick::choose_device;
pub use probe::probe;
pub use reading::Reading;
pub use sample::{GpuProcess, GpuSample, SamplerError};
pub use visible::{CudaEnvironment, Visibility};
