//! Real steps, for their memory.

use std::collections::BTreeMap;
use std::ops::Range;

use burn::tensor::Device;
use config_schema::Config;
use model_api::Model;
use serde::{Deserialize, Serialize};

use super::meeting::Meeting;
use crate::device::{self, is_cpu};
use crate::error::TrainError;
use crate::gradient::{Accumulation, Slicing};
use crate::memory::{Failure, Phase, Point, Usage, Watch, attempt, out_of_memory};
use crate::optim::Progress;
use crate::optimizers::Optimizers;
use crate::plan::WorstCase;
use crate::products::keep_thread_buffers;
use crate::start;

/// What training took with micro-batches of one size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Samples of a micro-batch.
    pub micro_batch: usize,
    /// What the process held on the device before there was a model: on the CPU the data set and the program itself.
    pub program_bytes: u64,
    /// What batches take on their way to the model, where that is memory of the device: none where there was no loader.
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
    device::suits(settings, device)?;
    let config = M::configure(settings, &worst.shape).map_err(TrainError::Model)?;
    let watch = Watch::new(device, None, limit, None);
    let before = watch.note(Phase::Storage).ok_or_else(unmeasured)?;
    if is_cpu(device) {
        keep_thread_buffers();
    }
    let autodiff = device.clone().autodiff();
    let mut optimizers = Optimizers::of::<M>(settings);
    let mut steps = Steps {
        worst,
        device: &autodiff,
        watch: &watch,
        taken: 0,
    };
    let micro_batch = settings.training.batch_size;
    let parallel = settings.parallel_micro_batches();
    let samples = settings.effective_batch().min(2 * parallel * micro_batch);
    let slicing = |micro_batch| Slicing {
        micro_batch,
        parallel,
    };

    let model = attempt(|| Ok(start::fresh::<M>(settings, &config, &autodiff)));
    let model = model.or_else(give_up)?;
    watch.note(Phase::Storage);
    let model = steps.step(model, &mut optimizers, 1, slicing(1))?;
    let model = steps.step(model, &mut optimizers, samples, slicing(micro_batch))?;
    steps.evaluate(&model, settings.evaluation_batch_size())?;

    let sizes = [micro_batch, settings.evaluation_batch_size()];
    let sample = watch.sample(steps.taken, sizes).ok_or_else(unmeasured)?;
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

/// Takes steps and evaluates.
struct Steps<'a> {
    worst: &'a WorstCase,
    device: &'a Device,
    watch: &'a Watch<'a>,
    taken: usize,
}

impl Steps<'_> {
    /// One update of so many samples.
    fn step<M: Model>(
        &mut self,
        model: M,
        optimizers: &mut Optimizers,
        samples: usize,
        slicing: Slicing,
    ) -> Result<M, TrainError> {
        let mut sum = Accumulation::new(samples);
        let backward_ended = |slice: &Range<usize>| self.border(Phase::Backward, slice, None);
        while !sum.is_whole() {
            let round = sum.round(slicing);
            let meeting = Meeting::of(round.len());
            let losses = |model: &M, slice: Range<usize>| {
                let guest = meeting.expect();
                let batch = self.worst.batch(slice.len(), self.device);
                self.border(Phase::Load, &slice, None);
                let losses = model.losses(batch);
                self.border(Phase::Forward, &slice, None);
                // Where each keeps most: in a run they are there at the same time sooner or later.
                guest.arrive();
                losses
            };
            let added = sum.compute(&model, &round, &losses, &backward_ended);
            let added = added.and_then(|shares| {
                attempt(|| {
                    sum.add(&model, shares);
                    self.border(Phase::Accumulation, &(0..sum.done()), None);
                    Ok(())
                })
            });
            added.or_else(give_up)?;
        }
        let total = sum.finish();
        let at = Progress {
            step: self.taken,
            total_steps: 2,
            epoch: 0,
        };
        let updated = attempt(|| {
            Ok(
                optimizers.step_watched(model, total.gradients, at, |group| {
                    self.border(Phase::Update, &(0..samples), Some(group));
                }),
            )
        });
        let (model, update) = updated.or_else(give_up)?;
        self.taken += 1;
        if update.norm.0.is_finite() {
            return Ok(model);
        }
        // Without a gradient the optimizers have no state, and the measurement would be too low.
        Err(TrainError::Diverged {
            step: self.taken,
            loss: total.loss,
            norm: update.norm.0,
        })
    }

    /// Answers to so many samples.
    fn evaluate<M: Model>(&self, model: &M, samples: usize) -> Result<(), TrainError> {
        let model = model.valid();
        let device = self.device.clone().inner();
        let answered = attempt(|| {
            let output = model.answer(self.worst.batch(samples, &device));
            let read = output.probabilities.argmax(1).try_into_data();
            read.map_err(|error| Failure::of_error(&error.to_string()))?;
            self.border(Phase::Evaluation, &(0..samples), None);
            Ok(())
        });
        answered.or_else(give_up)
    }

    fn border(&self, phase: Phase, samples: &Range<usize>, group: Option<&'static str>) {
        self.watch.border(&Point {
            phase,
            step: self.taken,
            samples: samples.clone(),
            group,
        });
    }
}

fn give_up<T>(failure: Failure) -> Result<T, TrainError> {
    let cause = out_of_memory(failure)?;
    Err(TrainError::DoesNotFit { cause })
}

fn unmeasured() -> TrainError {
    TrainError::Device {
        wanted: "this device".to_owned(),
        reason: "its memory cannot be measured".to_owned(),
    }
}
