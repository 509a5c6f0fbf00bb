//! Weights that a run begins with and that its seed does not give: those of a published file, kept in the run directory,
//! so that the file is needed only once.

use std::path::Path;

use burn::store::{ModuleRecord, RecordError};
use burn::tensor::{Bytes, Device};
use config_schema::Config;
use model_api::{Model, Pretrained};

use crate::error::TrainError;
use crate::parameters::{materialize, with_ids_of_paths};
use crate::randomness::{Stream, seed};
use crate::run_dir::names::{START_REPORT, START_WEIGHTS};
use crate::run_dir::{RunDir, Sealed};

/// A model with its first weights, which depend on the run's seed alone.
pub(crate) fn fresh<M: Model>(settings: &Config, config: &M::Config, device: &Device) -> M {
    device.seed(seed(settings.training.seed, Stream::Weights, 0, 0));
    let model = with_ids_of_paths(M::init(config, device)).carried_out(settings);
    materialize(&model);
    model
}

/// The model with the published weights that the settings name; `None` where they name none.
///
/// # Errors
///
/// As [`Model::pretrained`].
pub(crate) fn published<M: Model>(
    settings: &Config,
    config: &M::Config,
    device: &Device,
) -> Result<Option<(M, Pretrained)>, TrainError> {
    if !M::names_pretrained(settings) {
        return Ok(None);
    }
    let (model, pretrained) = fresh::<M>(settings, config, device).pretrained(settings)?;
    Ok(pretrained.map(|pretrained| (model, pretrained)))
}

/// Keeps the weights that a run begins with, and tells in which files.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn keep<M: Model>(
    run_dir: &RunDir,
    model: M,
    pretrained: &Pretrained,
) -> Result<&'static [&'static str], TrainError> {
    let weights = model.into_record().into_bytes();
    let weights = weights.map_err(|source| failed(run_dir.path(), source))?;
    run_dir.write(START_WEIGHTS, &weights)?;
    run_dir.write_json(START_REPORT, pretrained)?;
    Ok(&[START_WEIGHTS, START_REPORT])
}

/// Gives `model` the weights that the run began with, where they were kept.
///
/// # Errors
///
/// When they cannot be read, or were changed since.
pub(crate) fn kept<M: Model>(
    run_dir: &Path,
    model: M,
) -> Result<(M, Option<Pretrained>), TrainError> {
    let sealed = Sealed::of(run_dir)?;
    if !sealed.contains(START_WEIGHTS) {
        return Ok((model, None));
    }
    let weights = Bytes::from_bytes_vec(sealed.read(START_WEIGHTS)?);
    let model = ModuleRecord::from_bytes(weights)
        .and_then(|record| model.try_load_record(record))
        .map_err(|source| failed(run_dir, source))?;
    Ok((model, Some(sealed.parse(START_REPORT)?)))
}

fn failed(run_dir: &Path, source: RecordError) -> TrainError {
    TrainError::Record {
        path: run_dir.join(START_WEIGHTS),
        source,
    }
}
