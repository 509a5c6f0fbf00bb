//! What the command line is put together from.

use std::collections::BTreeMap;
use std::path::Path;

use aoa_model::weights::{NoSuchPart, PublishedPart, TensorBytes};
use config_schema::{Config, DatasetName, count};
use data_pipeline::DataError;
use gpu_probe::{CudaEnvironment, Inventory, ProbeError};
use model_api::Model;
use trainer::{Dataset, ReadableSplits};

use crate::official::imported;
use crate::output;

/// Generated images from which on drawing them takes seconds.
const MANY_IMAGES: usize = 100_000;

/// Says what takes long where many images are generated: their scenes and questions are all drawn before anything else.
fn tell_drawing(settings: &Config) {
    let keys = &settings.dataset;
    let images = [
        keys.shapes_train_images,
        keys.shapes_validation_images,
        keys.shapes_test_images,
    ];
    let images = images.into_iter().fold(0, usize::saturating_add);
    if keys.name == DatasetName::Shapes && images >= MANY_IMAGES {
        output::note(format!(
            "drawing the scenes of {} and questions about each (`dataset.shapes_train_images` and others); time and memory grow \
             with their number",
            count(images, "image")
        ));
    }
}

/// The parts of a program that a research fork swaps. All but the model have a default: the project's own.
///
/// `examples/` of this crate swaps each in turn.
pub trait Wiring: 'static {
    /// The model that is trained, planned, evaluated and asked.
    type Model: Model;

    /// Opens the data set of a configuration, importing official files where that has not been done. Equal configurations give equal data sets.
    ///
    /// # Errors
    ///
    /// When the data set is not there or not valid.
    fn open_dataset(settings: &Config) -> Result<Dataset, DataError> {
        tell_drawing(settings);
        Dataset::open(&*imported(settings)?)
    }

    /// What can be read of a data set that may have faults: `aoa data check` looks at its files. If not said otherwise, that is
    /// all of a data set that opens, and nothing of one that does not. [`Dataset::readable`] knows the project's own data sets.
    fn readable_dataset(settings: &Config) -> ReadableSplits {
        match Self::open_dataset(settings) {
            Ok(Dataset {
                train,
                validation,
                test,
            }) => ReadableSplits {
                splits: vec![train, validation, test],
                error: None,
            },
            Err(error) => ReadableSplits {
                splits: Vec::new(),
                error: Some(error),
            },
        }
    }

    /// Finds the devices of the machine. See [`gpu_probe::probe`], the default, for the arguments.
    ///
    /// # Errors
    ///
    /// When the library that was named cannot be used.
    fn probe(
        nvml_library: Option<&Path>,
        environment: &CudaEnvironment,
    ) -> Result<Inventory, ProbeError> {
        gpu_probe::probe(nvml_library, environment)
    }

    /// The tensors of a part of the model by their published names, for `aoa weights export`. A model has none if it does not
    /// say otherwise.
    ///
    /// # Errors
    ///
    /// When the model does not have the part.
    fn published(
        _model: &Self::Model,
        part: PublishedPart,
    ) -> Result<BTreeMap<String, TensorBytes>, NoSuchPart> {
        Err(NoSuchPart(part))
    }
}
