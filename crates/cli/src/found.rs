//! The device for a preset that somebody named, and who else uses it.

use config_schema::{Config, Device, Resolved};
use gpu_probe::{ChooseError, CudaDevice, Inventory, Memory, choose_device};
use trainer::memory::budget;

use crate::figures::gibibytes;

/// The device for a configuration.
pub struct Found {
    pub device: Device,
    pub card: Option<CudaDevice>,
    pub why: String,
    pub problem: Option<ChooseError>,
}

/// The device for a preset that somebody chose.
pub fn device_for(resolved: &Resolved, inventory: &Inventory) -> Found {
    let config = &resolved.config;
    let on = |device, why: String, problem| Found {
        device,
        card: None,
        why,
        problem,
    };
    let asked = match config.hardware.device {
        Device::Cuda(ordinal) => Some(ordinal),
        Device::Auto if config.preset.min_device_memory.bytes().is_none() => {
            let why = "it is for machines without GPU";
            return on(Device::Cpu, why.to_owned(), None);
        }
        Device::Auto => None,
        device => {
            return on(
                device,
                "`hardware.device` asks for this device".to_owned(),
                None,
            );
        }
    };
    match choose_device(inventory, asked) {
        Ok((card, why)) => Found {
            device: Device::Cuda(card.ordinal),
            why: match asked {
                Some(_) => format!("`hardware.device` asks for this GPU: {why}"),
                None => why,
            },
            card: Some(card),
            problem: None,
        },
        Err(error) if asked.is_none() && no_gpu_here(&error) => on(
            Device::Cpu,
            format!("there is no GPU to use ({error})"),
            None,
        ),
        Err(error) => on(
            asked.map_or(Device::Cpu, Device::Cuda),
            error.to_string(),
            Some(error),
        ),
    }
}

/// Whether a machine without GPU, or an environment that asks for none, is all that is the matter.
fn no_gpu_here(error: &ChooseError) -> bool {
    matches!(
        error,
        ChooseError::NoDriver { .. }
            | ChooseError::NoGpu
            | ChooseError::AllHidden { ignored: None, .. }
    )
}

/// Who leaves less of a GPU than a run would take.
pub fn taken(card: &CudaDevice, config: &Config) -> Option<String> {
    let Memory { total, free, .. } = card.memory;
    let stated = config.hardware.memory_budget.bytes();
    let wanted = stated.or_else(|| budget(config, Some(total)))?;
    if wanted <= free {
        return None;
    }
    let consequence = match stated {
        Some(stated) => format!(
            "`hardware.memory_budget` is {}, more than is free",
            gibibytes(stated)
        ),
        None => format!("the budget is {}, all that is free", gibibytes(free)),
    };
    Some(format!(
        "{} of the {} of {} are in use ({}); {consequence}",
        gibibytes(card.held_bytes()),
        gibibytes(total),
        card.place(),
        card.holders(),
    ))
}

/// A device for a person, with the GPU that CUDA's ordinal is.
pub fn place(device: Device, card: Option<&CudaDevice>) -> String {
    match (device, card) {
        (Device::Cpu, _) => "the CPU".to_owned(),
        (device, Some(card)) => format!("{device} ({})", card.place()),
        (device, None) => device.to_string(),
    }
}
