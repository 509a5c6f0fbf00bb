use std::fmt;

use serde::Serialize;

use crate::Reading;

/// One GPU as the driver reports it. A card that fails while it is read stays in the list, its readings carrying the
/// error.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gpu {
    /// NVML's index, in PCI bus order.
    pub index: u32,
    /// Product name, such as `NVIDIA GeForce RTX 4090`.
    pub name: Reading<String>,
    /// Identifier that stays with the card whatever its index.
    pub uuid: Reading<String>,
    /// Whether `CUDA_VISIBLE_DEVICES` leaves the card, or a MIG instance of it, to this process.
    pub visible: bool,
    /// The ordinal by which this process reaches the card through CUDA. `None` for a card that is hidden, that is in MIG
    /// mode, or that CUDA leaves out because a MIG instance is visible.
    pub cuda_ordinal: Option<u32>,
    /// Memory of the whole card, also in MIG mode.
    pub memory: Reading<Memory>,
    /// CUDA compute capability.
    pub compute_capability: Reading<Version>,
    /// How busy the card was over the driver's last sampling period. Not available in MIG mode.
    pub utilization: Reading<Utilization>,
    /// Degrees Celsius of the GPU die.
    pub temperature_celsius: Reading<u32>,
    /// Power drawn, in watts.
    pub power_watts: Reading<f64>,
    /// Power limit in force, in watts.
    pub power_limit_watts: Reading<f64>,
    /// Whether the card is split into instances.
    pub mig: Reading<Mig>,
    /// Processes with a compute or graphics context on the card, each once.
    pub processes: Reading<Vec<Process>>,
}

/// Memory of a card or a MIG instance, in bytes. `total` = `used` + `free` + what the driver reserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Installed bytes.
    pub total: u64,
    /// Bytes allocated by processes.
    pub used: u64,
    /// Bytes not allocated.
    pub free: u64,
}

/// A version of two numbers, shown as `12.4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Version {
    /// The number before the point.
    pub major: i32,
    /// The number after the point.
    pub minor: i32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Percent of the driver's last sampling period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Utilization {
    /// Percent of the time in which a kernel ran.
    pub gpu_percent: u32,
    /// Percent of the time in which device memory was read or written.
    pub memory_percent: u32,
}

/// Multi-instance GPU: one card split into several that share nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum Mig {
    /// The card, or its driver, knows no MIG.
    Unsupported,
    /// The card is used whole.
    Disabled,
    /// The card is used through its instances only; CUDA shows a process one of them.
    Enabled {
        /// The instances that exist, possibly none.
        instances: Reading<Vec<MigInstance>>,
    },
}

/// One MIG instance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MigInstance {
    /// Slot on the card.
    pub index: u32,
    /// Name with profile, such as `NVIDIA A100-SXM4-40GB MIG 3g.20gb`.
    pub name: Reading<String>,
    /// Identifier to select the instance with.
    pub uuid: Reading<String>,
    /// Whether `CUDA_VISIBLE_DEVICES` leaves the instance to this process.
    pub visible: bool,
    /// 0 for the one instance that CUDA gives to this process. A visible instance without ordinal is reached with its UUID as
    /// `CUDA_VISIBLE_DEVICES`.
    pub cuda_ordinal: Option<u32>,
    /// Memory of this instance.
    pub memory: Reading<Memory>,
}

/// One process that uses a card.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Process {
    /// Process id, in the namespace of the driver.
    pub pid: u32,
    /// Program, as far as the driver may tell this user.
    pub name: Reading<String>,
    /// Device memory it holds, in bytes.
    pub used_memory: Reading<u64>,
}
