use serde::Serialize;

use crate::{Memory, ProbeError, Utilization};

/// What one card said when it was asked; `None`, and `null` in JSON, for what it does not give. A
/// [`GpuSampler`](crate::GpuSampler) takes them.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct GpuSample {
    /// NVML's index when the sampler was opened; it stays with the card.
    pub index: u32,
    /// Product name.
    pub name: Option<String>,
    /// Identifier that stays with the card whatever its index.
    pub uuid: Option<String>,
    /// The card fell off the bus or must be reset, or its driver is gone; there are no values then.
    pub lost: bool,
    /// Memory of the whole card, also in MIG mode.
    pub memory: Option<Memory>,
    /// How busy the card was over the driver's last sampling period. Not available in MIG mode.
    pub utilization: Option<Utilization>,
    /// Degrees Celsius of the GPU die.
    pub temperature_celsius: Option<u32>,
    /// Power drawn, in watts.
    pub power_watts: Option<f64>,
    /// Processes with a compute or graphics context on the card, by process id, each once.
    pub processes: Option<Vec<GpuProcess>>,
}

/// One process on a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GpuProcess {
    /// Process id, in the namespace of the driver.
    pub pid: u32,
    /// Program, as far as the driver may tell this user.
    pub name: Option<String>,
    /// Device memory it holds, in bytes; `None` where the driver does not account by process.
    pub used_memory: Option<u64>,
    /// It is this process, or runs the same program: a file of the same name.
    pub own: bool,
}

impl GpuSample {
    /// Bytes that the own processes hold together. `None` where there are none, or one's memory is not known.
    pub fn own_memory(&self) -> Option<u64> {
        let mut own = self.own_processes()?.peekable();
        own.peek()?;
        own.map(|process| process.used_memory).sum()
    }

    /// The own processes; `None` where the card does not tell its processes.
    pub fn own_processes(&self) -> Option<impl Iterator<Item = &GpuProcess>> {
        Some(self.processes.as_ref()?.iter().filter(|one| one.own))
    }
}

/// Why cards cannot be sampled. [`hint`](Self::hint) says what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SamplerError {
    /// The caller named a library that is no NVML.
    #[error(transparent)]
    Library(#[from] ProbeError),
    /// There is no driver, or it does not start.
    #[error("there is no NVIDIA driver: {reason}")]
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
    /// The driver has no GPU.
    #[error("the NVIDIA driver reports no GPU")]
    NoGpu,
    /// A GPU that was asked for does not exist.
    #[error("there is no GPU {requested}; the GPUs here are: {}", existing.join(", "))]
    NoSuchGpu {
        /// Index asked for.
        requested: u32,
        /// `index: name` of those that exist.
        existing: Vec<String>,
    },
}

impl SamplerError {
    /// What a person can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Library(_) => "leave the library out to use the driver's own",
            Self::NoDriver { .. } | Self::GpusUnreadable { .. } | Self::NoGpu => {
                "see whether `nvidia-smi` works"
            }
            Self::NoSuchGpu { .. } => "request one of these, or none for all",
        }
    }
}
