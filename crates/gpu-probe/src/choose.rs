//! Which preset for which device, and why there may be none.

use std::cmp::Reverse;

use serde::Serialize;

use crate::cuda_device::gib;
use crate::pick::{Picked, pick};
use crate::{ChooseError, CudaDevice, Driver, Inventory};

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
