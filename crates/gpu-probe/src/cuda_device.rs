//! What CUDA can open: cards, and MIG instances of cards.

use bytesize::ByteSize;
use serde::Serialize;

use crate::visible::{BY_BUS, DEVICE_ORDER, VISIBLE_DEVICES, instances};
use crate::{Gpu, Memory, Mig, MigInstance, Process, Reading, Visibility};

/// A card, or one of its MIG instances, that this process may use.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CudaDevice {
    /// CUDA's ordinal, in a process with [`environment`](Self::environment).
    pub ordinal: u32,
    /// NVML index of the card.
    pub gpu: u32,
    /// Slot of the MIG instance; `None` for a whole card.
    pub instance: Option<u32>,
    /// Product name of the card.
    pub name: String,
    /// UUID of the MIG instance or the card, where it can be read.
    pub uuid: Option<String>,
    /// Memory of the MIG instance or the card.
    pub memory: Memory,
    /// Processes on the card, as far as the driver names them.
    pub processes: Vec<Process>,
    /// Variables, with their values, that a process has to start with so that [`ordinal`](Self::ordinal) means this device.
    /// Empty where this process already has them.
    pub environment: Vec<(String, String)>,
}

impl CudaDevice {
    /// `GPU 1`, or `MIG instance 0 of GPU 1`.
    pub fn place(&self) -> String {
        let card = format!("GPU {}", self.gpu);
        self.instance.map_or(card.clone(), |slot| {
            format!("MIG instance {slot} of {card}")
        })
    }

    /// Bytes that are not free.
    pub fn held_bytes(&self) -> u64 {
        self.memory.total.saturating_sub(self.memory.free)
    }

    /// Who holds memory of the card, as `python3 (pid 77) 10.0 GiB`, the largest first; in words where the driver names
    /// nobody.
    pub fn holders(&self) -> String {
        let mut processes: Vec<_> = self.processes.iter().collect();
        let bytes = |process: &Process| process.used_memory.as_result().ok().copied();
        processes.sort_by_key(|process| std::cmp::Reverse(bytes(process)));
        let described = processes.iter().map(|process| {
            let name = process
                .name
                .as_result()
                .map_or("a process", |name| name.rsplit('/').next().unwrap_or(name));
            let memory =
                bytes(process).map_or_else(String::new, |bytes| format!(" {}", gib(bytes)));
            format!("{name} (pid {}){memory}", process.pid)
        });
        if processes.is_empty() {
            "the driver names no process".to_owned()
        } else {
            described.collect::<Vec<_>>().join(", ")
        }
    }
}

/// The devices that this process may use, and of each card without readable memory why it is none.
pub(crate) fn devices(gpus: &[Gpu], visibility: &Visibility) -> (Vec<CudaDevice>, Vec<String>) {
    let order = order(gpus, visibility);
    let mut devices = Vec::new();
    let mut unreadable = Vec::new();
    for gpu in gpus.iter().filter(|gpu| gpu.visible) {
        let mut whys = Vec::new();
        match gpu.mig.as_result() {
            Err(reason) => whys.push(format!("MIG state: {reason}")),
            Ok(Mig::Enabled { instances: list }) => {
                if let Err(reason) = list.as_result() {
                    whys.push(format!("MIG instances: {reason}"));
                }
                let visible = instances(gpu).iter().filter(|instance| instance.visible);
                for instance in visible {
                    match of_instance(gpu, instance, &order) {
                        Ok(device) => devices.push(device),
                        Err(why) => whys.push(format!("MIG instance {}: {why}", instance.index)),
                    }
                }
                if list.as_result().is_ok_and(Vec::is_empty) {
                    whys.push("MIG mode is on and no instance exists".to_owned());
                }
            }
            Ok(Mig::Unsupported | Mig::Disabled) => match of_card(gpu, &order) {
                Ok(device) => devices.push(device),
                Err(why) => whys.push(why),
            },
        }
        if !whys.is_empty() {
            let name = name(gpu);
            unreadable.push(format!("GPU {} ({name}): {}", gpu.index, whys.join("; ")));
        }
    }
    // In the order of the list, whose first card is the one to take of equal ones.
    devices.sort_by_key(|device| device.ordinal);
    (devices, unreadable)
}

/// What makes CUDA number cards as NVML does, where that matters and is not so already.
fn order(gpus: &[Gpu], visibility: &Visibility) -> Vec<(String, String)> {
    let numbers = visibility.visible_devices.is_none() || visibility.by_number;
    if gpus.len() > 1 && numbers && !visibility.by_bus() {
        vec![(DEVICE_ORDER.to_owned(), BY_BUS.to_owned())]
    } else {
        Vec::new()
    }
}

fn of_card(gpu: &Gpu, order: &[(String, String)]) -> Result<CudaDevice, String> {
    let memory = *gpu.memory.as_result()?;
    let environment = if gpu.cuda_ordinal.is_some() {
        order.to_vec()
    } else {
        selecting(&gpu.uuid)?
    };
    Ok(CudaDevice {
        ordinal: gpu.cuda_ordinal.unwrap_or(0),
        gpu: gpu.index,
        instance: None,
        name: name(gpu),
        uuid: gpu.uuid.as_result().ok().cloned(),
        memory,
        processes: processes(gpu),
        environment,
    })
}

fn of_instance(
    gpu: &Gpu,
    instance: &MigInstance,
    order: &[(String, String)],
) -> Result<CudaDevice, String> {
    let memory = *instance.memory.as_result()?;
    // Which instance is the first depends on the order of the cards.
    let environment = if instance.cuda_ordinal.is_some() {
        order.to_vec()
    } else {
        selecting(&instance.uuid)?
    };
    Ok(CudaDevice {
        ordinal: 0,
        gpu: gpu.index,
        instance: Some(instance.index),
        name: name(gpu),
        uuid: instance.uuid.as_result().ok().cloned(),
        memory,
        processes: processes(gpu),
        environment,
    })
}

/// What makes CUDA show the device with this UUID and no other.
fn selecting(uuid: &Reading<String>) -> Result<Vec<(String, String)>, String> {
    let uuid = uuid
        .as_result()
        .map_err(|reason| format!("its UUID, to select it with, is unknown: {reason}"))?;
    Ok(vec![(VISIBLE_DEVICES.to_owned(), uuid.clone())])
}

fn processes(gpu: &Gpu) -> Vec<Process> {
    gpu.processes.as_result().cloned().unwrap_or_default()
}

/// Whether all cards are of one model, so that CUDA has no faster one to count first.
pub(crate) fn alike(gpus: &[Gpu]) -> bool {
    gpus.windows(2).all(|pair| {
        let names = (pair[0].name.as_result(), pair[1].name.as_result());
        matches!(names, (Ok(one), Ok(other)) if one == other)
    })
}

pub(crate) fn name(gpu: &Gpu) -> String {
    match gpu.name.as_result() {
        Ok(name) => name.clone(),
        Err(reason) => format!("a GPU without readable name ({reason})"),
    }
}

pub(crate) fn gib(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}
