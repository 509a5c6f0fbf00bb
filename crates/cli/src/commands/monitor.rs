mod csv;

use std::path::Path;
use std::sync::mpsc;

use gpu_probe::{Driver, GpuProcess, GpuSample, GpuSampler, Inventory};
use serde::Serialize;
use trainer::Pace;

use crate::args::MonitorArgs;
use crate::commands::monitor::csv::CsvFile;
use crate::failure::Failure;
use crate::interrupt::on_interrupt;
use crate::output;
use crate::progress::gibibytes;
use crate::settings::{cuda_environment, nvml_library};
use crate::wiring::Wiring;

/// In place of a value that a card does not give.
const NOT_AVAILABLE: &str = "n/a";

/// A sample and when it was taken.
#[derive(Debug, Serialize)]
struct Timed<'a> {
    /// Since the start of the monitor.
    seconds: f64,
    /// Whether `CUDA_VISIBLE_DEVICES` leaves the card to this process.
    visible: bool,
    #[serde(flatten)]
    sample: &'a GpuSample,
}

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

impl Timed<'_> {
    fn line(&self) -> String {
        let sample = self.sample;
        let values = if sample.lost {
            "lost".to_owned()
        } else {
            format!(
                "memory {:>20}  GPU {:>5}  {:>6}  power {:>5}  processes {}",
                shown(sample.memory, |memory| {
                    format!("{} of {}", gibibytes(memory.used), gibibytes(memory.total))
                }),
                shown(sample.utilization, |rates| format!(
                    "{} %",
                    rates.gpu_percent
                )),
                shown(sample.temperature_celsius, |degrees| format!(
                    "{degrees} °C"
                )),
                shown(sample.power_watts, |watts| format!("{watts:.0} W")),
                shown(sample.processes.as_ref(), |all| processes(all)),
            )
        };
        let mark = if self.visible { "" } else { " (hidden)" };
        format!(
            "{:>8.1} s  GPU {}{mark}  {values}",
            self.seconds, sample.index
        )
    }
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

fn shown<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| NOT_AVAILABLE.to_owned(), show)
}

fn processes(processes: &[GpuProcess]) -> String {
    if processes.is_empty() {
        return "none".to_owned();
    }
    let each = processes.iter().map(|process| {
        let file = process.name.as_deref().map(Path::new);
        let name = shown(file.and_then(Path::file_name), |name| {
            name.display().to_string()
        });
        let memory = shown(process.used_memory, gibibytes);
        let mark = if process.own { " (own)" } else { "" };
        format!("{} {name} {memory}{mark}", process.pid)
    });
    each.collect::<Vec<_>>().join(", ")
}
