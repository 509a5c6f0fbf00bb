//! Memory of the device: how much is used, how much may be, and what to do when it runs out.
//!
//! A [`Meter`] says what is used. A run looks at it at the end of every [`Phase`] and keeps the peaks; a
//! [`Controller`] turns them into the size of the next micro-batch. Work that ran out is recognised as a [`DeviceFailure`]
//! and done again in smaller parts.

mod budget;
mod bytes;
mod card;
mod controller;
mod cost;
mod device_sync;
mod failure;
mod fault_injector;
mod meter;
mod moves;
mod phase;
mod watch;

pub use budget::{Capacity, DeviceMemory, budget};
pub use bytes::Bytes;
pub use card::{CardMeter, CardSample};
pub use controller::{Controller, Limits, MicroBatches};
pub(crate) use controller::{PLANNED_PEAK, target};
pub use cost::Forecast;
pub(crate) use device_sync::{ensure_gradients, ensure_weights};
pub(crate) use failure::catch_failure;
pub use failure::{DeviceFailure, OutOfMemory};
pub use fault_injector::FaultInjector;
pub use meter::{HostMeter, Meter, PoolMeter, Usage};
pub use moves::{Move, Reason};
pub use phase::{Phase, Point};
pub use watch::MemorySample;
pub(crate) use watch::{Peaks, Watch};
