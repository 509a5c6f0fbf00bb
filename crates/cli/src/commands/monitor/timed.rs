//! A reading of a card, as a line and as JSON.

use std::path::Path;

use gpu_probe::{GpuProcess, GpuSample};
use serde::Serialize;

use crate::figures::gibibytes;

/// In place of a value that a card does not give.
const NOT_AVAILABLE: &str = "n/a";

/// A sample and when it was taken.
#[derive(Debug, Serialize)]
pub struct Timed<'a> {
    /// Since the start of the monitor.
    pub seconds: f64,
    /// Whether `CUDA_VISIBLE_DEVICES` leaves the card to this process.
    pub visible: bool,
    #[serde(flatten)]
    pub sample: &'a GpuSample,
}

impl Timed<'_> {
    /// The line for a person.
    pub fn line(&self) -> String {
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
