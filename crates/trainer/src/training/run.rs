//! What a run is asked to do.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use config_schema::Config;

use crate::dataset::OpenDataset;
use crate::memory::DeviceMemory;

/// A run to start or to continue.
#[derive(Debug)]
pub struct Run<'a> {
    /// The resolved configuration.
    pub settings: &'a Config,
    /// The same as text, for the run directory.
    pub config_text: &'a str,
    /// Opens the data set: [`Dataset::open`](crate::Dataset::open), or what opens one of your own.
    pub open: OpenDataset,
    /// Where the run writes to.
    pub run_dir: &'a Path,
    /// Continue the run that is there instead of starting one.
    pub resume: bool,
    /// Stop after this many steps of this process, as if interrupted.
    pub stop_after: Option<usize>,
    /// Set from outside to stop at the next step boundary.
    pub stop: &'a AtomicBool,
    /// Set from outside to save a checkpoint at the next step boundary, which clears it.
    pub save: &'a AtomicBool,
    /// The compute device, without autodiff.
    pub device: &'a Device,
    /// What to call the device.
    pub device_name: &'a str,
    /// The device's memory.
    pub memory: DeviceMemory<'a>,
}
