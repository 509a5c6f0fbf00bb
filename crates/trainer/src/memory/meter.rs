//! What measures memory.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use burn::tensor::Device;
use serde::Serialize;

use crate::device::is_cpu;

/// Bytes of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// In use now.
    pub live_bytes: u64,
    /// The most in use since the meter was read last.
    pub peak_bytes: u64,
    /// Held: what is in use and what is kept for later use.
    pub reserved_bytes: u64,
}

/// Measures the memory of one device.
pub trait Meter: Send + Sync {
    /// Reads the memory in use and begins a new peak. None if it cannot be read now.
    fn take(&self) -> Option<Usage>;

    /// What a budget binds of a reading, in bytes: the most in use, where that is known.
    fn bound(&self, usage: Usage) -> u64 {
        usage.peak_bytes
    }
}

/// The CPU: every byte that this process allocates, exactly. There is one count for the process, so there should be one
/// reader.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostMeter;

impl Meter for HostMeter {
    fn take(&self) -> Option<Usage> {
        let peak_bytes = allocator::take_peak() as u64;
        Some(Usage {
            live_bytes: allocator::live_bytes() as u64,
            peak_bytes,
            reserved_bytes: allocator::reserved_bytes() as u64,
        })
    }
}

/// The allocator pool of a GPU. It keeps no peak, and a peak between two readings is not seen. A budget therefore binds
/// what the pool holds: as much as it once needed, until it is cleaned up.
#[derive(Debug)]
pub struct PoolMeter {
    device: Device,
    before: AtomicU64,
}

impl PoolMeter {
    /// A meter of the pool that tensors on `device` come from.
    pub fn of(device: Device) -> Self {
        Self {
            device,
            before: AtomicU64::new(0),
        }
    }
}

impl Meter for PoolMeter {
    fn take(&self) -> Option<Usage> {
        let pool = self.device.memory_pool_usage()?;
        Some(sampled(
            &self.before,
            pool.bytes_in_use,
            pool.bytes_reserved,
        ))
    }

    fn bound(&self, usage: Usage) -> u64 {
        usage.reserved_bytes.max(usage.peak_bytes)
    }
}

/// A reading of something without a peak of its own.
pub(super) fn sampled(before: &AtomicU64, live_bytes: u64, reserved_bytes: u64) -> Usage {
    Usage {
        live_bytes,
        peak_bytes: live_bytes.max(before.swap(live_bytes, Relaxed)),
        reserved_bytes,
    }
}

/// The meter of a device.
pub(crate) fn of_device(device: &Device) -> Box<dyn Meter> {
    let device = device.clone().inner();
    if is_cpu(&device) {
        Box::new(HostMeter)
    } else {
        Box::new(PoolMeter::of(device))
    }
}
