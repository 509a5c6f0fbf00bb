//! Real steps, for their memory.

use std::collections::BTreeMap;
use std::ops::Range;

use burn::tensor::Device;
use config_schema::Config;
use model_api::{DeviceBatch, Model};
use serde::{Deserialize, Serialize};

use crate::device::{self, is_cpu};
use crate::error::TrainError;
use crate::memory::{DeviceFailure, Phase, Point, Usage, Watch, catch_failure};
use crate::optim::{LossScale, Optimizers, Progress};
use crate::plan::WorstCase;
use crate::plan::products::keep_thread_buffers;
use crate::precision::{self, precision};
use crate::step::scheduler::{FixedSizes, Slicing, out_of_memory};
use crate::step::{EffectiveBatch, Step, Stepped};
use crate::training::start;

/// What training took with micro-batches of one size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Samples of a micro-batch.
    pub micro_batch: usize,
    /// What the process held on the device before there was a model: on the CPU the data set and the program itself.
    pub program_bytes: u64,
    /// What batches take on their way to the model, where that is memory of the device: none if there was no loader.
    pub batch_bytes: u64,
    /// The most bytes beyond those in each phase. On a GPU also what its pool held in the end, as `reserved`: a pool gives
    /// nothing back while it can be used again.
    pub phase_peak_bytes: BTreeMap<String, u64>,
    /// What the process held on the device in the end, in use or not.
    pub reserved_bytes: u64,
}

impl Measured {
    /// The most bytes beyond those of the program.
    pub fn peak_bytes(&self) -> u64 {
        self.phase_peak_bytes.values().copied().max().unwrap_or(0)
    }

    /// The phase that took them.
    pub fn worst_phase(&self) -> Option<&str> {
        let phases = self.phase_peak_bytes.iter();
        let most = phases.max_by_key(|(_, bytes)| **bytes);
        most.map(|(phase, _)| phase.as_str())
    }
}

/// The settings with micro-batches of another size, for as many samples of an update or a few more.
#[must_use]
pub fn with_micro_batch(settings: &Config, micro_batch: usize) -> Config {
    let steps = settings.effective_batch().div_ceil(micro_batch);
    let mut config = settings.clone();
    config.training.batch_size = micro_batch;
    config.training.update_freq = Some(steps);
    config.memory_optimization.gradient_accumulation_steps = Some(steps);
    config
}

/// Takes a step on one sample, so that the optimizers have their state, then one with two rounds of micro-batches where an
/// update has several, and evaluates a batch: what a run has at its most is then there.
///
/// # Errors
///
/// [`TrainError::DoesNotFit`] where memory runs out or more than `limit` bytes are in use; also when the settings do not
/// describe a model that can be built, when the memory of the device cannot be measured, and when the device fails.
pub fn measure<M: Model>(
    settings: &Config,
    worst: &WorstCase,
    device: &Device,
    limit: Option<u64>,
) -> Result<Measured, TrainError> {
    precision(settings).run(|| measure_as_stated::<M>(settings, worst, device, limit))
}

fn measure_as_stated<M: Model>(
    settings: &Config,
    worst: &WorstCase,
    device: &Device,
    limit: Option<u64>,
) -> Result<Measured, TrainError> {
    device::suits(settings, device)?;
    precision::suits(settings, device)?;
    let config = M::configure(settings, &worst.shape).map_err(TrainError::Model)?;
    let watch = Watch::new(device, None, limit, None);
    let before = watch.note(Phase::Storage).ok_or_else(unmeasured)?;
    if is_cpu(device) {
        keep_thread_buffers();
    }
    let autodiff = device.clone().autodiff();
    let mut optimizers = Optimizers::of::<M>(settings);
    let mut scale = LossScale::of(settings);
    let micro_batch = settings.training.batch_size;
    let parallel = settings.parallel_micro_batches();
    let samples = settings.effective_batch().min(2 * parallel * micro_batch);

    let model = catch_failure(|| Ok(start::fresh::<M>(settings, &config, &autodiff)));
    let mut model = model.or_else(give_up)?;
    watch.note(Phase::Storage);
    let steps = [(1, 1), (samples, micro_batch)];
    for (taken, (samples, micro_batch)) in steps.into_iter().enumerate() {
        let step = Step {
            watch: &watch,
            device: &autodiff,
            at: Progress {
                step: taken,
                total_steps: steps.len(),
                epoch: 0,
            },
        };
        let batch = Largest {
            worst,
            device: &autodiff,
            samples,
        };
        // In a run, micro-batches that are computed at the same time hold the most at the same time sooner or later.
        let mut sizes = FixedSizes {
            slicing: Slicing {
                micro_batch,
                parallel,
            },
            in_step: true,
        };
        model = match step.take(model, &mut optimizers, &batch, &mut sizes, &mut scale)? {
            Stepped::Done { model, .. } => model,
            Stepped::Lost(cause) => return Err(TrainError::DoesNotFit { cause }),
        };
    }
    let evaluated = Point {
        phase: Phase::Evaluation,
        step: steps.len(),
        samples: 0..settings.evaluation_batch_size(),
        group: None,
    };
    evaluate(
        &optimizers.averaged(&model),
        worst,
        device,
        &watch,
        &evaluated,
    )?;

    let sizes = [micro_batch, settings.evaluation_batch_size()];
    let sample = watch.sample(steps.len(), sizes).ok_or_else(unmeasured)?;
    let mut phases = sample.phase_peak_bytes;
    phases.remove(Phase::Storage.name());
    let Usage { live_bytes, .. } = before;
    let phases = phases
        .into_iter()
        .map(|(phase, bytes)| (phase.to_owned(), bytes.saturating_sub(live_bytes)));
    Ok(Measured {
        micro_batch,
        program_bytes: live_bytes,
        batch_bytes: 0,
        phase_peak_bytes: phases.collect(),
        reserved_bytes: sample.reserved_bytes,
    })
}

/// The largest samples that a run can meet.
struct Largest<'a> {
    worst: &'a WorstCase,
    device: &'a Device,
    samples: usize,
}

impl EffectiveBatch for Largest<'_> {
    fn samples(&self) -> usize {
        self.samples
    }

    fn upload(&self, slice: &Range<usize>) -> DeviceBatch {
        self.worst.batch(slice.len(), self.device)
    }
}

/// Answers to the largest samples.
fn evaluate<M: Model>(
    model: &M,
    worst: &WorstCase,
    device: &Device,
    watch: &Watch,
    evaluated: &Point,
) -> Result<(), TrainError> {
    let model = model.valid();
    let answered = catch_failure(|| {
        let output = model.answer(worst.batch(evaluated.samples.len(), device));
        let read = output.probabilities.argmax(1).try_into_data();
        read.map_err(|error| DeviceFailure::of_error(&error.to_string()))?;
        watch.phase_end(evaluated)?;
        Ok(())
    });
    answered.or_else(give_up)
}

fn give_up<T>(failure: DeviceFailure) -> Result<T, TrainError> {
    let cause = out_of_memory(failure)?;
    Err(TrainError::DoesNotFit { cause })
}

fn unmeasured() -> TrainError {
    TrainError::Device {
        wanted: "this device".to_owned(),
        reason: "its memory cannot be measured".to_owned(),
    }
}
