//! Which preset for which device, and why there may be none.

use std::cmp::Reverse;

use serde::Serialize;

use crate::cuda_device::gib;
use crate::pick::{Picked, pick};
use crate::visible::{BY_BUS, DEVICE_ORDER};
use crate::{CudaDevice, Driver, Inventory};

/// A preset that may be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Name of the preset.
    pub name: String,
    /// Bytes of device memory it needs; `None` for a preset that trains on the CPU.
    pub min_device_memory: Option<u64>,
}

/// The device a person asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceRequest {
    /// The CPU, whatever GPUs there are.
    Cpu,
    /// A GPU: the one that CUDA numbers so in this process, or the best of those that this process may use.
    Cuda(Option<u32>),
}

/// The preset for a device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// Name of the candidate.
    pub preset: String,
    /// The GPU that it is for; `None` for the CPU.
    pub device: Option<CudaDevice>,
    /// One sentence for a person.
    pub reason: String,
}

/// Why no preset can be chosen. [`hint`](Self::hint) says what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChooseError {
    /// A GPU was asked for on a machine without driver.
    #[error("a CUDA device was requested, and there is no NVIDIA driver: {reason}")]
    NoDriver {
        /// What looking for the driver gave.
        reason: String,
    },
    /// The driver runs and cannot say what GPUs there are.
    #[error("the NVIDIA driver cannot list its GPUs: {reason}")]
    GpusUnreadable {
        /// The driver's error.
        reason: String,
    },
    /// A GPU was asked for, and the driver has none.
    #[error("a CUDA device was requested, and the NVIDIA driver reports no GPU")]
    NoGpu,
    /// The GPU asked for does not exist.
    #[error("there is no GPU {requested}; the GPUs here are: {}", existing.join(", "))]
    NoSuchGpu {
        /// Index asked for.
        requested: u32,
        /// `index: name` of those that exist.
        existing: Vec<String>,
    },
    /// A GPU was asked for that is not among those that this process may use.
    #[error(
        "there is no cuda:{requested} for this process: {list} leaves {}",
        if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
    )]
    Hidden {
        /// CUDA's ordinal asked for.
        requested: u32,
        /// `CUDA_VISIBLE_DEVICES` with its value.
        list: String,
        /// Each GPU that is left, as `cuda:0 = GPU 1 (name)`.
        shown: Vec<String>,
    },
    /// The environment hides every GPU.
    #[error(
        "{list} hides all {count} GPUs from this process{}",
        ignored.as_ref().map_or_else(String::new, |why| format!(": {why}"))
    )]
    AllHidden {
        /// `CUDA_VISIBLE_DEVICES` with its value.
        list: String,
        /// GPUs of the machine.
        count: usize,
        /// What is wrong with the value, if something is.
        ignored: Option<String>,
    },
    /// GPUs are named by number, and the environment has CUDA number them in an order that nobody else knows.
    #[error(
        "{DEVICE_ORDER}=\"{order}\" has CUDA number these unlike GPUs by speed, so a number does not say which one is meant"
    )]
    UnknownOrder {
        /// Value of `CUDA_DEVICE_ORDER`.
        order: String,
    },
    /// The size of every GPU in question is unknown.
    #[error("no GPU whose memory can be read: {}", gpus.join("; "))]
    MemoryUnreadable {
        /// Each GPU and the reason.
        gpus: Vec<String>,
    },
    /// The GPU, or the MIG instance of one, is smaller than every preset.
    #[error(
        "no preset fits: {gpu} has {}, and the smallest preset, \"{smallest}\", needs {}",
        gib(*device_memory), gib(*needed)
    )]
    NoPresetFits {
        /// Name of the GPU, or which MIG instance of which GPU it is.
        gpu: String,
        /// Bytes of device memory it has; those of the instance, where it is one.
        device_memory: u64,
        /// The preset that needs least.
        smallest: String,
        /// Bytes of device memory that preset needs.
        needed: u64,
    },
    /// No candidate is for a GPU.
    #[error("none of the presets is for a GPU")]
    NoGpuPreset,
    /// No candidate is for a machine without GPU.
    #[error("none of the presets is for the CPU")]
    NoCpuPreset,
}

const TO_CPU: &str = "to train on the CPU, use `--preset cpu` or set `hardware.device=cpu`";

impl ChooseError {
    /// What a person can do.
    pub fn hint(&self) -> String {
        match self {
            Self::NoDriver { .. } | Self::NoGpu => TO_CPU.into(),
            Self::GpusUnreadable { .. } | Self::MemoryUnreadable { .. } => {
                format!("see whether `nvidia-smi` works; {TO_CPU}")
            }
            Self::NoSuchGpu { .. } => {
                "request one of these, or leave the index out for the one with the most memory"
                    .into()
            }
            Self::Hidden { .. } => {
                "name one of these, or change CUDA_VISIBLE_DEVICES; `aoa probe` marks the GPUs that it hides".into()
            }
            Self::AllHidden { .. } => {
                format!("change CUDA_VISIBLE_DEVICES, or unset it to use every GPU; {TO_CPU}")
            }
            Self::UnknownOrder { .. } => format!(
                "set {DEVICE_ORDER}={BY_BUS}, which numbers GPUs as `nvidia-smi` does, or name the GPU by its UUID in \
                 CUDA_VISIBLE_DEVICES"
            ),
            Self::NoPresetFits { .. } => format!(
                "`aoa presets derive --to gpu.toml` writes a preset for this GPU, to train with `--preset gpu.toml`; {TO_CPU}"
            ),
            Self::NoGpuPreset => {
                format!("name a preset with `min_device_memory`; {TO_CPU}")
            }
            Self::NoCpuPreset => "name a preset without `min_device_memory`".into(),
        }
    }
}

/// Picks the device, and for it the candidate that needs the most device memory and still fits; the first listed of
/// equals. Without `request` a GPU goes before the CPU.
///
/// Only GPUs that the environment leaves to this process are considered. The largest goes first, and of equal ones the one with
/// the most free memory. A GPU of which less than half is free comes after all others.
///
/// A machine that has GPUs never falls back to the CPU by itself. An environment that means to hide them all, as an empty
/// `CUDA_VISIBLE_DEVICES` does, asks for the CPU.
///
/// # Errors
///
/// [`ChooseError`] where the request cannot be met, or no candidate suits the device.
pub fn choose_preset(
    inventory: &Inventory,
    candidates: &[Candidate],
    request: Option<DeviceRequest>,
) -> Result<Choice, ChooseError> {
    let ordinal = match (&inventory.driver, request) {
        (_, Some(DeviceRequest::Cpu)) => return cpu(candidates, "the CPU was requested"),
        (Driver::Absent { reason }, None) => {
            return cpu(candidates, &format!("there is no NVIDIA driver ({reason})"));
        }
        (_, Some(DeviceRequest::Cuda(ordinal))) => ordinal,
        (Driver::Present { .. }, None) => None,
    };
    let chosen = match pick(inventory, ordinal) {
        Err(ChooseError::NoGpu) if request.is_none() => {
            return cpu(candidates, "the NVIDIA driver reports no GPU");
        }
        Err(hidden @ ChooseError::AllHidden { ignored: None, .. }) if request.is_none() => {
            return cpu(candidates, &hidden.to_string());
        }
        chosen => chosen?,
    };
    let Picked {
        device,
        described,
        remarks,
    } = chosen;
    let (preset, needed) = largest_that_fits(candidates, &device)?;
    let fits = format!(
        "\"{preset}\" is the largest preset that fits (needs {})",
        gib(needed)
    );
    Ok(Choice {
        preset: preset.into(),
        device: Some(device),
        reason: [vec![described, fits], remarks].concat().join("; "),
    })
}

fn cpu(candidates: &[Candidate], why: &str) -> Result<Choice, ChooseError> {
    let candidate = candidates
        .iter()
        .find(|candidate| candidate.min_device_memory.is_none())
        .ok_or(ChooseError::NoCpuPreset)?;
    Ok(Choice {
        preset: candidate.name.clone(),
        device: None,
        reason: why.to_owned(),
    })
}

/// The name of the candidate and the bytes it needs.
fn largest_that_fits<'a>(
    candidates: &'a [Candidate],
    device: &CudaDevice,
) -> Result<(&'a str, u64), ChooseError> {
    let device_memory = device.memory.total;
    let mut by_need: Vec<_> = candidates
        .iter()
        .filter_map(|candidate| Some((candidate.name.as_str(), candidate.min_device_memory?)))
        .collect();
    // Stable: the first listed of equals stays first.
    by_need.sort_by_key(|(_, needed)| Reverse(*needed));
    let fitting = by_need.iter().find(|(_, needed)| *needed <= device_memory);
    if let Some(&found) = fitting {
        return Ok(found);
    }
    let &(smallest, needed) = by_need
        .iter()
        .min_by_key(|(_, needed)| *needed)
        .ok_or(ChooseError::NoGpuPreset)?;
    Err(ChooseError::NoPresetFits {
        gpu: match device.instance {
            None => device.name.clone(),
            Some(_) => format!("{} ({})", device.place(), device.name),
        },
        device_memory,
        smallest: smallest.into(),
        needed,
    })
}
