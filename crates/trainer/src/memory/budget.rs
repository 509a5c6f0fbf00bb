//! What a run may use.

use std::fmt;

use config_schema::Config;

use super::{CardMeter, FaultInjector};

/// What is known of a device's memory before a run.
#[derive(Clone, Copy, Default)]
pub struct DeviceMemory<'a> {
    /// Its bytes; on the CPU those that the machine has to give. None if it is not known.
    pub total: Option<u64>,
    /// Bytes of a GPU that nobody held before the run. None if that is not known, and on the CPU.
    pub free: Option<u64>,
    /// Free bytes of the host beside a GPU. None if they are not known, and on the CPU.
    pub host: Option<u64>,
    /// Measures the card as a whole, for the log.
    pub card: Option<&'a CardMeter>,
    /// Where a test makes the run fail.
    pub faults: Option<&'a dyn FaultInjector>,
}

impl DeviceMemory<'_> {
    /// What a budget is a part of.
    pub(crate) fn capacity(&self) -> Option<Capacity> {
        self.total.map(|total| Capacity {
            total,
            free: self.free.unwrap_or(total),
        })
    }
}

/// Bytes of a device's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// All of it.
    pub total: u64,
    /// What nobody holds.
    pub free: u64,
}

impl From<u64> for Capacity {
    /// A device that nobody else uses.
    fn from(total: u64) -> Self {
        Self { total, free: total }
    }
}

impl fmt::Debug for DeviceMemory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceMemory")
            .field("total", &self.total)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// Bytes that a run may use: `hardware.memory_budget` where it is stated, else the part
/// `memory_optimization.max_memory_usage` of the device's memory, and no more than is free of it. None if neither is known.
pub fn budget(settings: &Config, device_memory: Option<impl Into<Capacity>>) -> Option<u64> {
    let part = settings.memory_optimization.max_memory_usage;
    settings.hardware.memory_budget.bytes().or_else(|| {
        let Capacity { total, free } = device_memory?.into();
        Some(free.min((total as f64 * part) as u64))
    })
}
