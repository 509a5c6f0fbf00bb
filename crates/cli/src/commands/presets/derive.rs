//! `aoa presets derive`: a preset for a card of any size.

use config_schema::{Device, DeviceMemory, Layers, presets, resolve};
use gpu_probe::{Candidate, DeviceRequest, Inventory, choose_preset, probe};
use trainer::derive::{Card, Derived, HostDemand, derive};
use trainer::host::Data;
use trainer::plan::{WorstCase, plan};

use crate::ActiveModel;
use crate::args::DeriveArgs;
use crate::commands::{may_write, write_text};
use crate::failure::Failure;
use crate::output;
use crate::settings::{memory_of, nvml_library};

/// A preset to ask for the data set and its largest samples; which one makes no difference to them.
const ANY_PRESET: &str = "24gb";

pub fn run(args: &DeriveArgs) -> Result<(), Failure> {
    if let Some(to) = &args.to {
        may_write(to, args.force)?;
    }
    let layers = Layers {
        sets: args.sets(),
        ..Layers::preset(ANY_PRESET)
    };
    let settings = resolve(&layers, &presets::lookup)?.config;
    let data = Data::open::<ActiveModel>(&settings)?;
    let card = card(args, HostDemand::of(&settings, &data))?;
    let worst = WorstCase::of(&data.encoder, data.dataset.train.samples());
    let derived = derive(&card, &layers.sets, &mut |config| {
        Ok(plan::<ActiveModel>(config, &worst)?.peak_bytes)
    })?;
    let text = derived.toml();
    if let Some(to) = &args.to {
        write_text(to, &text)?;
    }
    for note in &derived.notes {
        output::note(format!("note: {note}"));
    }
    show(args, &derived, &text);
    Ok(())
}

fn show(args: &DeriveArgs, derived: &Derived, text: &str) {
    if args.json {
        let mut answer = serde_json::json!(derived);
        answer["toml"] = text.into();
        output::json(&answer);
    } else if args.to.is_none() {
        output::text(text);
    }
}

/// The card that was named, or the GPU of this machine that has the most memory.
fn card(args: &DeriveArgs, data: HostDemand) -> Result<Card, Failure> {
    let named = args.host_memory.and_then(DeviceMemory::bytes);
    let memory_bytes = args.vram.and_then(DeviceMemory::bytes);
    let (memory_bytes, host_bytes) = if let Some(memory_bytes) = memory_bytes {
        (memory_bytes, named)
    } else {
        let inventory = probe(nvml_library(None)?.as_deref())?;
        let here = inventory.host.total_memory.as_result().ok().copied();
        (largest_gpu(&inventory)?, named.or(here))
    };
    Ok(Card {
        memory_bytes,
        host_bytes,
        data,
    })
}

fn largest_gpu(inventory: &Inventory) -> Result<u64, Failure> {
    let any = Candidate {
        name: String::new(),
        min_device_memory: Some(0),
    };
    let request = Some(DeviceRequest::Cuda(None));
    let choice = choose_preset(inventory, &[any], request).map_err(Failure::NoCard)?;
    let memory = match choice.device {
        gpu_probe::Device::Cuda { index } => memory_of(Device::Cuda(index), inventory),
        gpu_probe::Device::Cpu => None,
    };
    Ok(memory.unwrap_or_else(|| unreachable!("the choice is a GPU whose memory was read")))
}
