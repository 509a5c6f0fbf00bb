//! What data asks for of host memory.

use config_schema::{Config, Preload};
use data_pipeline::{BOX_SIZE, Encoder, Footprint, ImageSizes};
use model_api::Model;

use super::data::Data;
use super::plan::{HostBudget, HostKeys, HostPlan, HostRefusal};
use crate::dataset::{Dataset, evaluation_batches, training_batches};
use crate::error::TrainError;
use crate::fit::with_micro_batch;
use crate::plan::{WorstCase, plan};

/// Training is not planned where data takes less than this part of the budget that both share.
const LITTLE: f64 = 0.1;

/// What data asks for, before it is known how much there is.
#[derive(Debug, Clone)]
pub struct HostNeeds {
    keys: HostKeys,
    data_bytes: u64,
    /// Bytes of a kept image of the training and the validation split.
    kept: [u64; 2],
    /// Where every image is kept, and where none is.
    preloaded: Loaders,
    streamed: Loaders,
}

/// The loaders of training, validation and test, and parts of their batches.
#[derive(Debug, Clone, Copy)]
struct Loaders {
    splits: [Footprint; 3],
    slice_bytes: u64,
}

impl Loaders {
    /// The training split and the larger of the two that are evaluated, one after the other.
    fn most(&self, bytes: impl Fn(&Footprint) -> u64) -> u64 {
        let [train, validation, test] = self.splits.each_ref().map(bytes);
        train.saturating_add(validation.max(test))
    }

    fn moving_bytes(&self) -> u64 {
        self.most(|split| split.moving_bytes) + self.slice_bytes
    }
}

impl HostNeeds {
    /// Of a run with these settings. Reads a few images.
    pub fn of(settings: &Config, data: &Data) -> Self {
        Self::counted(settings, &data.dataset, &data.encoder, data.bytes)
    }

    pub(crate) fn counted(
        settings: &Config,
        dataset: &Dataset,
        encoder: &Encoder,
        data_bytes: u64,
    ) -> Self {
        let batches = [
            training_batches(settings, encoder, dataset.train.as_ref(), u64::MAX),
            evaluation_batches(settings, encoder, dataset.train.as_ref(), u64::MAX),
        ];
        let [training, evaluation] = &batches;
        let splits = [
            (&dataset.train, training),
            (&dataset.validation, evaluation),
            (&dataset.test, evaluation),
        ];
        let splits = splits.map(|(split, batches)| {
            let sizes = ImageSizes::of(split.as_ref(), encoder, batches);
            (split.as_ref(), sizes)
        });
        let loaders = |preloaded: bool| {
            let of = |split: usize| {
                let ((source, sizes), batches) = (splits[split], &batches[split.min(1)]);
                // The test split is read once, so nothing of it is kept.
                Footprint::of(source, encoder, batches, sizes, preloaded && split < 2)
            };
            Loaders {
                splits: [of(0), of(1), of(2)],
                slice_bytes: slice_bytes(settings, encoder),
            }
        };
        Self {
            keys: HostKeys {
                preload: settings.data_loading.preload_data,
                use_compression: settings.data_loading.use_compression,
            },
            data_bytes,
            kept: [splits[0].1.kept, splits[1].1.kept],
            preloaded: loaders(true),
            streamed: loaders(false),
        }
    }

    /// What a run keeps that has so much room for it; with `data_loading.preload_data = "auto"` as many images as fit.
    /// Without a bound every image that may be kept is.
    pub fn plan(&self, room: Option<u64>) -> HostPlan {
        let room = room.unwrap_or(u64::MAX);
        let [train, validation, _] = self.preloaded.splits;
        let images_bytes = train.preload_bytes + validation.preload_bytes;
        let whole = self.data_bytes + self.preloaded.moving_bytes() + images_bytes;
        let preload = match self.keys.preload {
            Preload::Auto if whole <= room => Preload::On,
            stated => stated,
        };
        let loaders = match preload {
            Preload::On => &self.preloaded,
            Preload::Off | Preload::Auto => &self.streamed,
        };
        let others = self.data_bytes + loaders.moving_bytes();
        let mut plan = HostPlan {
            data_bytes: self.data_bytes,
            images: train.images + validation.images,
            images_bytes,
            queue_bytes: loaders.most(|split| split.queue_bytes),
            decoding_bytes: loaders.most(|split| split.decoding_bytes),
            batch_bytes: loaders.most(|split| split.batch_bytes) + loaders.slice_bytes,
            order_bytes: loaders.most(|split| split.order_bytes),
            buffer_bytes: loaders.most(|split| split.buffer_bytes),
            ..HostPlan::default()
        };
        let mut left = room.saturating_sub(others);
        let limits = [&mut plan.training_limit, &mut plan.validation_limit];
        for ((limit, split), kept) in limits.into_iter().zip([train, validation]).zip(self.kept) {
            let images = match preload {
                Preload::Off => 0,
                Preload::On => split.images,
                Preload::Auto => split.images.min((left / kept.max(1)) as usize),
            };
            let bytes = images as u64 * kept;
            *limit = left;
            plan.preloaded_images += images;
            plan.preloaded_bytes += bytes;
            left = left.saturating_sub(bytes);
        }
        plan.total_bytes = others + plan.preloaded_bytes;
        plan
    }

    /// The plan of a run whose training takes this many bytes by plan, and why it does not fit, where it does not.
    pub fn beside(
        &self,
        budget: Option<HostBudget>,
        training_bytes: u64,
    ) -> (HostPlan, Option<HostRefusal>) {
        let training_bytes = match budget {
            Some(HostBudget::Shared(_)) => training_bytes,
            _ => 0,
        };
        let room = budget.map(|budget| budget.bytes().saturating_sub(training_bytes));
        let plan = self.plan(room);
        let fitting = budget.map(|budget| plan.within(budget, training_bytes, self.keys));
        let refusal = fitting.and_then(Result::err).map(|refusal| *refusal);
        (plan, refusal)
    }

    /// The plan of a run that has a budget for its data.
    ///
    /// # Errors
    ///
    /// [`TrainError::HostMemory`] where the run cannot hold it; on the CPU also when the settings do not describe a model.
    pub fn checked<M: Model>(
        &self,
        settings: &Config,
        worst: &dyn Fn() -> WorstCase,
        budget: Option<HostBudget>,
    ) -> Result<HostPlan, TrainError> {
        let Some(budget) = budget else {
            return Ok(self.plan(None));
        };
        let all = self.plan(None);
        let shared = match budget {
            HostBudget::Own(bytes) => {
                let plan = self.plan(Some(bytes));
                return Ok(plan.within(budget, 0, self.keys)?);
            }
            HostBudget::Shared(bytes) if all.total_bytes as f64 <= LITTLE * bytes as f64 => {
                return Ok(all);
            }
            HostBudget::Shared(bytes) => bytes,
        };
        // Micro-batches shrink where they have to; what data takes does not.
        let peak =
            |settings: &Config| Ok::<_, TrainError>(plan::<M>(settings, &worst())?.peak_bytes);
        let least = peak(&in_single_samples(settings))?;
        if least > shared {
            // No data would make it fit, and training says what does.
            return Ok(self.plan(Some(0)));
        }
        let everything_fits = all.total_bytes.saturating_add(least) <= shared;
        let training = match self.keys.preload {
            // As many images as leave room for the configured micro-batches, but all where smaller ones let all stay.
            Preload::Auto if !everything_fits => {
                Some(peak(settings)?).filter(|peak| *peak <= shared)
            }
            Preload::Auto | Preload::Off | Preload::On => None,
        };
        let room = shared.saturating_sub(training.unwrap_or(least));
        let plan = self.plan(Some(room));
        Ok(plan.within(budget, least, self.keys)?)
    }
}

/// The settings with micro-batches and evaluation batches of one sample, one at a time.
fn in_single_samples(settings: &Config) -> Config {
    let mut config = with_micro_batch(settings, 1);
    config.evaluation.batch_size = 1;
    config.hardware.parallel_micro_batches = 1;
    config
}

/// Bytes of the copies that micro-batches are made of: those computed side by side.
fn slice_bytes(settings: &Config, encoder: &Encoder) -> u64 {
    let inputs = encoder.inputs;
    let pixels = if inputs.images {
        encoder.image_size.pow(2) * 3
    } else {
        0
    };
    let regions = inputs.regions.map_or(0, |shape| {
        shape.regions * (shape.dim + BOX_SIZE) * size_of::<f32>()
    });
    let side_by_side = settings.hardware.parallel_micro_batches * settings.training.batch_size;
    let training = side_by_side.min(settings.effective_batch());
    (training.max(settings.evaluation_batch_size()) * (pixels + regions)) as u64
}
