//! Memory of the device: how much is used, how much may be, and what to do when it runs out.
//!
//! A [`Meter`] says what is used. A run looks at it at the border of every [`Phase`] and keeps the peaks; a
//! [`Controller`] turns them into the size of the next micro-batch. Work that ran out is recognised as a [`Failure`]
//! and done again in smaller parts.

mod attempt;
mod budget;
mod bytes;
mod card;
mod computed;
mod controller;
mod cost;
mod failure;
mod log;
mod meter;
mod phase;
mod sizing;
mod watch;

pub(crate) use attempt::attempt;
pub use budget::{Capacity, DeviceMemory, budget};
pub use bytes::Bytes;
pub use card::{CardMeter, CardSample};
pub(crate) use computed::{ensure_gradients, ensure_weights};
pub use controller::{Controller, Limits, MicroBatches, Move, Reason};
pub(crate) use controller::{TARGET, target};
pub use cost::Forecast;
pub use failure::{Failure, OutOfMemory};
pub use log::MemorySample;
pub use meter::{HostMeter, Meter, PoolMeter, Usage};
pub use phase::{Interference, Phase, Point};
pub(crate) use sizing::{Sizing, out_of_memory};
pub(crate) use watch::Watch;
