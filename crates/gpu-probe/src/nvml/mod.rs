//! The only modules that talk to NVML.

mod inventory;
mod library;
mod sampler;

pub(crate) use inventory::read_driver;
pub use sampler::GpuSampler;
