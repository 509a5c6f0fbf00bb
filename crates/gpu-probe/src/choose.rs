//! Which preset for which device.

use std::cmp::Reverse;

use serde::Serialize;

use crate::cuda_device::{alike, devices, gib, name};
use crate::visible::{BY_BUS, DEVICE_ORDER};
use crate::{CudaDevice, Driver, Gpu, Inventory, Visibility};

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
    let total = chosen.device.memory.total;
    let (preset, needed) = largest_that_fits(candidates, &chosen.device.name, total)?;
    let reason = format!(
        "{}; \"{preset}\" is the largest preset that fits (needs {}){}",
        chosen.described,
        gib(needed),
        chosen.remarks
    );
    Ok(Choice {
        preset: preset.into(),
        device: Some(chosen.device),
        reason,
    })
}

/// Picks the GPU that [`choose_preset`] would, or the one that CUDA numbers `ordinal` in this process, with a sentence that
/// says why.
///
/// # Errors
///
/// [`ChooseError`] where there is none.
pub fn choose_device(
    inventory: &Inventory,
    ordinal: Option<u32>,
) -> Result<(CudaDevice, String), ChooseError> {
    let chosen = pick(inventory, ordinal)?;
    Ok((
        chosen.device,
        format!("{}{}", chosen.described, chosen.remarks),
    ))
}

/// A device, and why.
struct Picked {
    device: CudaDevice,
    /// `NVIDIA A100 (GPU 1) has 40.0 GiB, the most of 2 GPUs`.
    described: String,
    /// What else there is to say, each after a semicolon.
    remarks: String,
}

fn pick(inventory: &Inventory, ordinal: Option<u32>) -> Result<Picked, ChooseError> {
    let (gpus, visibility) = match &inventory.driver {
        Driver::Absent { reason } => {
            return Err(ChooseError::NoDriver {
                reason: reason.clone(),
            });
        }
        Driver::Present {
            gpus, visibility, ..
        } => {
            let gpus = gpus
                .as_result()
                .map_err(|reason| ChooseError::GpusUnreadable {
                    reason: reason.into(),
                })?;
            (gpus.as_slice(), visibility)
        }
    };
    if gpus.is_empty() {
        return Err(ChooseError::NoGpu);
    }
    if gpus.iter().all(|gpu| !gpu.visible) {
        return Err(ChooseError::AllHidden {
            list: visibility.assignment(),
            count: gpus.len(),
            ignored: visibility.ignored.clone(),
        });
    }
    let numbers = ordinal.is_some() || visibility.by_number;
    if let Some(order) = &visibility.device_order
        && numbers
        && !visibility.by_bus()
        && !alike(gpus)
    {
        return Err(ChooseError::UnknownOrder {
            order: order.clone(),
        });
    }
    let (all, mut unreadable) = devices(gpus, visibility);
    let in_question = match ordinal {
        None => all,
        Some(ordinal) => {
            let place = numbered(gpus, visibility, ordinal)?;
            unreadable.retain(|one| one.starts_with(&format!("GPU {} ", place.0)));
            let is_it = |one: &CudaDevice| (one.gpu, one.instance) == place;
            all.into_iter().filter(is_it).collect()
        }
    };
    let Some(chosen) = best(&in_question) else {
        return Err(ChooseError::MemoryUnreadable { gpus: unreadable });
    };
    let mut remarks = String::new();
    if let Some(larger) = in_question
        .iter()
        .find(|one| one.memory.total > chosen.memory.total && !is_equal(one, chosen))
    {
        remarks += &format!(
            "; {} is larger, but {} of its {} are in use",
            larger.place(),
            gib(larger.held_bytes()),
            gib(larger.memory.total)
        );
    }
    let hidden = gpus.iter().filter(|gpu| !gpu.visible).count();
    if hidden > 0 {
        remarks += &format!(
            "; {} hides {hidden} of {} GPUs",
            visibility.assignment(),
            gpus.len()
        );
    }
    if numbers && visibility.device_order.is_none() && !alike(gpus) {
        remarks += "; GPUs are numbered by bus, as `nvidia-smi` does";
    }
    if !unreadable.is_empty() {
        remarks += &format!("; left out, memory unreadable: {}", unreadable.join("; "));
    }
    Ok(Picked {
        device: chosen.clone(),
        described: describe(chosen, &in_question),
        remarks,
    })
}

/// The card and the slot of the MIG instance that CUDA numbers so in this process.
fn numbered(
    gpus: &[Gpu],
    visibility: &Visibility,
    ordinal: u32,
) -> Result<(u32, Option<u32>), ChooseError> {
    let mut shown = Vec::new();
    for gpu in gpus {
        let instances = crate::visible::instances(gpu).iter();
        let instance = instances
            .filter(|one| one.cuda_ordinal.is_some())
            .map(|one| (one.cuda_ordinal, Some(one.index)));
        let own = [(gpu.cuda_ordinal, None)];
        for (number, slot) in own.into_iter().chain(instance) {
            let Some(number) = number else { continue };
            if number == ordinal {
                return Ok((gpu.index, slot));
            }
            let instance = slot.map_or_else(String::new, |slot| format!("MIG instance {slot} of "));
            shown.push((
                number,
                format!(
                    "cuda:{number} = {instance}GPU {} ({})",
                    gpu.index,
                    name(gpu)
                ),
            ));
        }
    }
    shown.sort();
    if visibility.visible_devices.is_some() {
        return Err(ChooseError::Hidden {
            requested: ordinal,
            list: visibility.assignment(),
            shown: shown.into_iter().map(|(_, one)| one).collect(),
        });
    }
    Err(ChooseError::NoSuchGpu {
        requested: ordinal,
        existing: gpus
            .iter()
            .map(|gpu| format!("{}: {}", gpu.index, name(gpu)))
            .collect(),
    })
}

/// The largest of those that are at least half free, or of all where none is; of equal ones the freest.
fn best(devices: &[CudaDevice]) -> Option<&CudaDevice> {
    let half_free = |one: &&CudaDevice| one.memory.free >= one.memory.total / 2;
    let any_half_free = devices.iter().any(|one| half_free(&one));
    let usable = || {
        devices
            .iter()
            .filter(|one| !any_half_free || half_free(one))
    };
    let largest = usable().max_by_key(|one| one.memory.total)?;
    let equal = usable()
        .enumerate()
        .filter(|(_, one)| is_equal(largest, one));
    let freest = equal.max_by_key(|(place, one)| (one.memory.free, Reverse(*place)));
    freest.map(|(_, one)| one)
}

/// Whether `one` has the memory of `largest`, less what cards of one model differ by.
fn is_equal(largest: &CudaDevice, one: &CudaDevice) -> bool {
    one.memory.total >= largest.memory.total / 50 * 49
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
    gpu: &str,
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
        gpu: gpu.to_owned(),
        device_memory,
        smallest: smallest.into(),
        needed,
    })
}

/// `NVIDIA A100 (GPU 1) has 19.5 GiB in MIG instance 0, the most of 3 GPUs and MIG instances`, shorter where that says it
/// all.
fn describe(device: &CudaDevice, compared: &[CudaDevice]) -> String {
    let which = if compared.iter().any(|one| one.gpu != device.gpu) {
        format!(" (GPU {})", device.gpu)
    } else {
        String::new()
    };
    let part = device
        .instance
        .map_or_else(String::new, |slot| format!(" in MIG instance {slot}"));
    let rank = match compared.len() {
        1 => String::new(),
        count => {
            let equal: Vec<_> = compared
                .iter()
                .filter(|one| is_equal(one, device) && is_equal(device, one))
                .collect();
            let kind = if compared.iter().all(|one| one.instance.is_none()) {
                "GPUs"
            } else {
                "GPUs and MIG instances"
            };
            if equal
                .iter()
                .any(|one| one.memory.free != device.memory.free)
            {
                let free = gib(device.memory.free);
                format!(
                    ", {free} of them free, the most of {} equal {kind}",
                    equal.len()
                )
            } else if compared
                .iter()
                .any(|one| one.memory.total > device.memory.total)
            {
                String::new()
            } else {
                format!(", the most of {count} {kind}")
            }
        }
    };
    let memory = gib(device.memory.total);
    format!("{}{which} has {memory}{part}{rank}", device.name)
}
