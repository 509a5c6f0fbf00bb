//! What is wrong with a run before it begins.

use std::path::Path;

use burn::tensor::Device;
use config_schema::Config;

use super::told::{last_step, newest_checkpoint};
use crate::checkpoint::Checkpoints;
use crate::dataset::Dataset;
use crate::device;
use crate::error::TrainError;
use crate::precision;
use crate::run_dir::names::METRICS;
use crate::run_dir::{check_run_dir, has_begun, read_log, require_same_data};

/// Checks that a run could begin, or go on, on a device and in a run directory, and changes nothing. [`train`](super::train)
/// fails for the same reasons.
///
/// # Errors
///
/// When the device does not suit the settings, the run directory cannot be used, or a run that is to go on has other data or
/// no usable checkpoint.
pub fn preflight(
    settings: &Config,
    device: &Device,
    dataset: &Dataset,
    run_dir: &Path,
    resume: bool,
) -> Result<(), TrainError> {
    device::suits(settings, device)?;
    precision::suits(settings, device)?;
    check_run_dir(run_dir, resume)?;
    if resume && has_begun(run_dir) {
        require_same_data(run_dir, dataset)?;
        let log = read_log(&run_dir.join(METRICS))?;
        let (newest, _) = newest_checkpoint(run_dir, last_step(&log, "checkpoint"))?;
        let step = newest.map_or(0, |newest| newest.state.step);
        Checkpoints::of(run_dir).require_room(step)?;
    }
    Ok(())
}
