//! Which of the devices that this process may use.

use std::cmp::Reverse;

use crate::cuda_device::{alike, devices, gib, name};
use crate::visible::instances;
use crate::{ChooseError, CudaDevice, Driver, Gpu, Inventory, Visibility};

/// Picks the GPU that [`choose_preset`](crate::choose_preset) would, or the one that CUDA numbers `ordinal` in this process, with a sentence that
/// says why.
///
/// # Errors
///
/// [`ChooseError`] where there is none.
pub fn choose_device(
    inventory: &Inventory,
    ordinal: Option<u32>,
) -> Result<(CudaDevice, String), ChooseError> {
    let Picked {
        device,
        described,
        remarks,
    } = pick(inventory, ordinal)?;
    Ok((device, [vec![described], remarks].concat().join("; ")))
}

/// A device, and why.
pub(crate) struct Picked {
    pub(crate) device: CudaDevice,
    /// `NVIDIA A100 (GPU 1) has 40.0 GiB, the most of 2 GPUs`.
    pub(crate) described: String,
    /// What else there is to say.
    pub(crate) remarks: Vec<String>,
}

pub(crate) fn pick(inventory: &Inventory, ordinal: Option<u32>) -> Result<Picked, ChooseError> {
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
    let mut remarks = Vec::new();
    if let Some(larger) = in_question
        .iter()
        .find(|one| one.memory.total > chosen.memory.total && !is_equal(one, chosen))
    {
        remarks.push(format!(
            "{} is larger, but {} of its {} are in use",
            larger.place(),
            gib(larger.held_bytes()),
            gib(larger.memory.total)
        ));
    }
    let hidden = gpus.iter().filter(|gpu| !gpu.visible).count();
    if hidden > 0 {
        let list = visibility.assignment();
        remarks.push(format!("{list} hides {hidden} of {} GPUs", gpus.len()));
    }
    if numbers && visibility.device_order.is_none() && !alike(gpus) {
        remarks.push("GPUs are numbered by bus, as `nvidia-smi` does".to_owned());
    }
    if !unreadable.is_empty() {
        remarks.push(format!(
            "left out, memory unreadable: {}",
            unreadable.join("; ")
        ));
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
        let instance = instances(gpu)
            .iter()
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
