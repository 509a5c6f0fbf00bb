//! `aoa presets derive`: a preset for a card of any size.

use config_schema::{DeviceMemory, Layers, presets, resolve};
use gpu_probe::{CudaDevice, choose_device};
use trainer::derive::{Card, Derived, HostDemand, derive};
use trainer::host::Data;
use trainer::plan::{WorstCase, plan};

use crate::args::DeriveArgs;
use crate::commands::common::{may_write, write_text};
use crate::environment::cuda_environment;
use crate::failure::Failure;
use crate::found::taken;
use crate::output;
use crate::settings::nvml_library;
use crate::wiring::Wiring;

/// A preset to ask for the data set and its largest samples; which one makes no difference to them.
const ANY_PRESET: &str = "24gb";

pub fn run<W: Wiring>(args: &DeriveArgs) -> Result<(), Failure> {
    if let Some(to) = &args.to {
        may_write(to, args.force)?;
    }
    let layers = Layers {
        sets: args.sets(),
        ..Layers::preset(ANY_PRESET)
    };
    let settings = resolve(&layers, &presets::lookup)?.config;
    let data = Data::open::<W::Model>(&settings, W::open_dataset)?;
    let (card, here) = card::<W>(args, HostDemand::of(&settings, &data))?;
    let worst = WorstCase::of(&data.encoder, data.dataset.train.samples());
    let derived = derive(&card, &layers.sets, &mut |config| {
        Ok(plan::<W::Model>(config, &worst)?.peak_bytes)
    })?;
    let text = derived.toml();
    if let Some(to) = &args.to {
        write_text(to, &text)?;
    }
    for note in &derived.notes {
        output::note(format!("note: {note}"));
    }
    if let Some(taken) = here.and_then(|here| taken(&here, &derived.config)) {
        output::note(format!("warning: {taken}"));
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

/// The card that was named, or the GPU that a run would train on here, and which that is.
fn card<W: Wiring>(
    args: &DeriveArgs,
    data: HostDemand,
) -> Result<(Card, Option<CudaDevice>), Failure> {
    let named = args.host_memory.and_then(DeviceMemory::bytes);
    let memory_bytes = args.vram.and_then(DeviceMemory::bytes);
    let (memory_bytes, host_bytes, device) = if let Some(memory_bytes) = memory_bytes {
        (memory_bytes, named, None)
    } else {
        let inventory = W::probe(nvml_library(None)?.as_deref(), &cuda_environment())?;
        let here = inventory.host.total_memory.as_result().ok().copied();
        let (device, why) = choose_device(&inventory, None).map_err(Failure::NoCard)?;
        output::note(format!("for {}: {why}", device.place()));
        (device.memory.total, named.or(here), Some(device))
    };
    let card = Card {
        memory_bytes,
        host_bytes,
        data,
    };
    Ok((card, device))
}
