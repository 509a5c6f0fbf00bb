//! Which preset for which device.

use std::cmp::Reverse;

use bytesize::ByteSize;
use serde::Serialize;

use crate::{Driver, Gpu, Inventory, Mig, Reading};

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
    /// A GPU: the one with this NVML index, or the one with the most device memory.
    Cuda(Option<u32>),
}

/// The device to train on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Device {
    /// The CPU.
    Cpu,
    /// An NVIDIA GPU.
    Cuda {
        /// NVML index.
        index: u32,
    },
}

/// The preset for a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// Name of the candidate.
    pub preset: String,
    /// What it is for.
    pub device: Device,
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
    /// The size of every GPU in question is unknown.
    #[error("no GPU whose memory can be read: {}", gpus.join("; "))]
    MemoryUnreadable {
        /// Each GPU and the reason.
        gpus: Vec<String>,
    },
    /// The GPU is smaller than every preset.
    #[error(
        "no preset fits: {gpu} has {}, and the smallest preset, \"{smallest}\", needs {}",
        gib(*device_memory), gib(*needed)
    )]
    NoPresetFits {
        /// Name of the GPU.
        gpu: String,
        /// Bytes of device memory it has.
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
            Self::NoPresetFits { smallest, .. } => format!(
                "{TO_CPU}; for this GPU, write a smaller configuration that starts with \
                 `extends = \"{smallest}\"` and pass it with `--config`"
            ),
            Self::NoGpuPreset => {
                format!("name a preset with `min_device_memory`; {TO_CPU}")
            }
            Self::NoCpuPreset => "name a preset without `min_device_memory`".into(),
        }
    }
}

/// Picks the device, and for it the candidate that needs the most device memory and still fits; the first listed of
/// equals. Without `request` a GPU goes before the CPU, and the GPU with the most device memory before others.
///
/// A machine that has GPUs never falls back to the CPU by itself.
///
/// # Errors
///
/// [`ChooseError`] where the request cannot be met, or no candidate suits the device.
pub fn choose_preset(
    inventory: &Inventory,
    candidates: &[Candidate],
    request: Option<DeviceRequest>,
) -> Result<Choice, ChooseError> {
    let gpus = match (&inventory.driver, request) {
        (_, Some(DeviceRequest::Cpu)) => return cpu(candidates, "the CPU was requested"),
        (Driver::Absent { reason }, None) => {
            return cpu(candidates, &format!("no NVIDIA driver ({reason})"));
        }
        (Driver::Absent { reason }, Some(DeviceRequest::Cuda(_))) => {
            return Err(ChooseError::NoDriver {
                reason: reason.clone(),
            });
        }
        (Driver::Present { gpus, .. }, _) => {
            gpus.as_result()
                .map_err(|reason| ChooseError::GpusUnreadable {
                    reason: reason.into(),
                })?
        }
    };
    if gpus.is_empty() {
        return match request {
            None => cpu(candidates, "the NVIDIA driver reports no GPU"),
            Some(_) => Err(ChooseError::NoGpu),
        };
    }
    let mut readable = Vec::new();
    let mut unreadable = Vec::new();
    for gpu in requested(gpus, request)? {
        match gpu.device_memory() {
            Reading::Value(bytes) => readable.push((gpu, bytes)),
            Reading::Unavailable { reason } => {
                unreadable.push(format!("GPU {} ({}): {reason}", gpu.index, name(gpu)));
            }
        }
    }
    let Some(&(gpu, device_memory)) = readable
        .iter()
        .max_by_key(|(gpu, bytes)| (*bytes, Reverse(gpu.index)))
    else {
        return Err(ChooseError::MemoryUnreadable { gpus: unreadable });
    };
    let (preset, needed) = largest_that_fits(candidates, gpu, device_memory)?;

    let left_out = if unreadable.is_empty() {
        String::new()
    } else {
        format!("; left out, memory unreadable: {}", unreadable.join("; "))
    };
    let reason = format!(
        "{}; \"{preset}\" is the largest preset that fits (needs {}){left_out}",
        describe(gpu, device_memory, readable.len()),
        gib(needed)
    );
    Ok(Choice {
        preset: preset.into(),
        device: Device::Cuda { index: gpu.index },
        reason,
    })
}

/// The GPUs that `request` leaves to choose from.
fn requested(gpus: &[Gpu], request: Option<DeviceRequest>) -> Result<&[Gpu], ChooseError> {
    let Some(DeviceRequest::Cuda(Some(index))) = request else {
        return Ok(gpus);
    };
    gpus.iter()
        .position(|gpu| gpu.index == index)
        .map(|place| &gpus[place..=place])
        .ok_or_else(|| ChooseError::NoSuchGpu {
            requested: index,
            existing: gpus
                .iter()
                .map(|gpu| format!("{}: {}", gpu.index, name(gpu)))
                .collect(),
        })
}

fn cpu(candidates: &[Candidate], why: &str) -> Result<Choice, ChooseError> {
    let candidate = candidates
        .iter()
        .find(|candidate| candidate.min_device_memory.is_none())
        .ok_or(ChooseError::NoCpuPreset)?;
    Ok(Choice {
        preset: candidate.name.clone(),
        device: Device::Cpu,
        reason: format!("{why}: preset \"{}\"", candidate.name),
    })
}

/// The name of the candidate and the bytes it needs.
fn largest_that_fits<'a>(
    candidates: &'a [Candidate],
    gpu: &Gpu,
    device_memory: u64,
) -> Result<(&'a str, u64), ChooseError> {
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
        gpu: name(gpu),
        device_memory,
        smallest: smallest.into(),
        needed,
    })
}

/// `NVIDIA A100 (GPU 1) has 19.5 GiB in its largest MIG instance, the most of 2 GPUs`, shorter where that says it all.
fn describe(gpu: &Gpu, device_memory: u64, compared: usize) -> String {
    let (which, rank) = if compared > 1 {
        (
            format!(" (GPU {})", gpu.index),
            format!(", the most of {compared} GPUs"),
        )
    } else {
        Default::default()
    };
    let part = match gpu.mig {
        Reading::Value(Mig::Enabled { .. }) => " in its largest MIG instance",
        _ => "",
    };
    format!(
        "{}{which} has {}{part}{rank}",
        name(gpu),
        gib(device_memory)
    )
}

fn name(gpu: &Gpu) -> String {
    match gpu.name.as_result() {
        Ok(name) => name.clone(),
        Err(reason) => format!("a GPU without readable name ({reason})"),
    }
}

fn gib(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}
