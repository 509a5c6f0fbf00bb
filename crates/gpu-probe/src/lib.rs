//! What this machine has to train on, and which preset suits it.
//!
//! [`probe`] asks the NVIDIA driver, through NVML, for every GPU, and `/proc` and the control groups for the host memory
//! that this process may use. A machine without NVIDIA driver is an ordinary answer ([`Driver::Absent`]), and every
//! [`Reading`] can fail alone: what could not be read carries its reason and is never shown as zero.
//! [`GpuSampler`] reads the few values that change, again and again, through cards that get lost and come back.
//! [`choose_preset`] is pure: it picks a preset for such an [`Inventory`] and says why.
//!
//! ```
//! use gpu_probe::{Candidate, Device, DeviceRequest, choose_preset, probe};
//!
//! let candidates = [
//!     Candidate { name: "24gb".into(), min_device_memory: Some(22 << 30) },
//!     Candidate { name: "cpu".into(), min_device_memory: None },
//! ];
//! let inventory = probe(None)?;
//! let choice = choose_preset(&inventory, &candidates, Some(DeviceRequest::Cpu))?;
//! assert_eq!((choice.preset.as_str(), choice.device), ("cpu", Device::Cpu));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! GPU indices are NVML's, which follow the PCI bus. CUDA counts the fastest card first unless
//! `CUDA_DEVICE_ORDER=PCI_BUS_ID`, and `CUDA_VISIBLE_DEVICES` renumbers what is left: who opens a CUDA device by an
//! index from here has to see that both agree.
//!
//! Memory needs a driver of version 510 or newer; an older one lacks the call, and the reading says so.

mod cgroup;
mod choose;
mod gpu;
mod host;
mod inventory;
mod nvml;
mod reading;
mod sample;

pub use cgroup::CgroupLimit;
pub use choose::{Candidate, Choice, ChooseError, Device, DeviceRequest, choose_preset};
pub use gpu::{Gpu, Memory, Mig, MigInstance, Process, Utilization, Version};
pub use host::{AddressSpace, Host, HostRoots};
pub use inventory::{Driver, Inventory, ProbeError, probe};
pub use nvml::GpuSampler;
pub use reading::Reading;
pub use sample::{GpuProcess, GpuSample, SamplerError};
