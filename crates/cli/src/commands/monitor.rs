mod csv;
mod timed;

use std::sync::mpsc;

use gpu_probe::{Driver, GpuSampler, Inventory};
use trainer::Pace;

use crate::args::MonitorArgs;
use crate::commands::monitor::csv::CsvFile;
use crate::commands::monitor::timed::Timed;
use crate::environment::cuda_environment;
use crate::failure::Failure;
use crate::interrupt::on_interrupt;
use crate::output;
use crate::settings::nvml_library;
use crate::wiring::Wiring;

/// An interruption is the ordinary end.
pub fn run<W: Wiring>(args: &MonitorArgs) -> Result<(), Failure> {
    let (interrupt, interrupted) = mpsc::channel();
    on_interrupt(move || {
        // The receiver is gone only when the program ends anyway.
        let _ = interrupt.send(());
    })?;
    let library = nvml_library(args.nvml_library.as_deref())?;
    let mut sampler = GpuSampler::open(library.as_deref(), &args.gpu)?;
    let mut csv = args.csv.as_deref().map(CsvFile::open).transpose()?;
    let hidden = hidden(&W::probe(library.as_deref(), &cuda_environment())?);
    let readings = if args.once { Some(1) } else { args.count };

    let mut pace = Pace::start(args.interval);
    for reading in 1.. {
        let seconds = (pace.seconds() * 1000.0).round() / 1000.0;
        let samples = sampler.read();
        let timed = samples.iter().map(|sample| Timed {
            seconds,
            visible: !hidden.contains(&sample.index),
            sample,
        });
        if let Some(csv) = &mut csv {
            csv.append(timed.clone())?;
        }
        for one in timed {
            if args.json {
                output::json(&one);
            } else {
                output::line(one.line());
            }
        }
        let done = Some(reading) == readings || output::closed();
        if done || interrupted.recv_timeout(pace.until_next_beat()).is_ok() {
            break;
        }
    }
    Ok(())
}

/// The cards that the environment hides from this process.
fn hidden(inventory: &Inventory) -> Vec<u32> {
    let Driver::Present { gpus, .. } = &inventory.driver else {
        return Vec::new();
    };
    let gpus = gpus.as_result().map_or(&[][..], Vec::as_slice);
    let hidden = gpus.iter().filter(|gpu| !gpu.visible);
    hidden.map(|gpu| gpu.index).collect()
}
