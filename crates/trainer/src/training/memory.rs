//! What a run knows of its memory.

use burn::tensor::Device;
use config_schema::Config;
use model_api::Model;

use super::run::Run;
use crate::advice::{MeasuredRun, Sizes, Tally};
use crate::device::is_cpu;
use crate::error::TrainError;
use crate::event::{Event, Purpose};
use crate::host::HostPlan;
use crate::memory::{
    Bytes, Controller, Forecast, Limits, MicroBatches, OutOfMemory, Phase, Watch, budget, target,
};
use crate::plan::products::keep_thread_buffers;
use crate::plan::{
    PlannedPhase, WorstCase, evaluation_forecast, least, most_samples, plan, training_forecast,
};
use crate::step::scheduler::MicroBatchScheduler;

/// The watch over a run's memory, and what binds the sizes of its micro-batches.
pub(super) struct RunMemory<'a> {
    pub(super) watch: Watch<'a>,
    settings: &'a Config,
    /// Bytes that data takes of the memory that the budget is for.
    data_bytes: u64,
    training: Limits,
    evaluation: Limits,
    /// Fixed sizes that the budget does not allow.
    reduced: Vec<Reduced>,
}

/// A fixed size that gives way before the first step, because its planned peak is above the budget.
struct Reduced {
    purpose: Purpose,
    /// Samples as configured.
    from: usize,
    /// Samples that fit by plan.
    to: usize,
    /// Bytes planned for `from`.
    planned: u64,
    /// Bytes that may be used.
    budget: u64,
}

impl<'a> RunMemory<'a> {
    pub(super) fn new(run: &Run<'a>, host: &HostPlan) -> Self {
        let Run {
            settings, memory, ..
        } = run;
        let budget = budget(settings, memory.capacity());
        let on_cpu = is_cpu(run.device);
        if on_cpu {
            keep_thread_buffers();
        }
        Self {
            watch: Watch::new(run.device, memory.card, budget, memory.faults),
            settings,
            data_bytes: if on_cpu { host.total_bytes } else { 0 },
            training: Limits {
                configured: settings.training.batch_size,
                most: most_samples(settings),
                budget,
                dynamic: settings.memory_optimization.dynamic_batch_size,
            },
            evaluation: evaluation_limits(settings, budget),
            reduced: Vec::new(),
        }
    }

    /// Sizes of which nothing is measured yet.
    pub(super) fn start<M: Model>(
        &mut self,
        worst: &dyn Fn() -> WorstCase,
    ) -> Result<MicroBatches, TrainError> {
        self.reduce_fixed::<M>(None, worst)?;
        Ok(MicroBatches {
            training: self.planned::<M>(Purpose::Training, worst)?,
            evaluation: self.planned::<M>(Purpose::Evaluation, worst)?,
        })
    }

    /// Sizes that a checkpoint has, unless others are asked for by now.
    pub(super) fn resumed<M: Model>(
        &mut self,
        mut sizes: MicroBatches,
        worst: &dyn Fn() -> WorstCase,
    ) -> Result<MicroBatches, TrainError> {
        self.reduce_fixed::<M>(Some(&sizes), worst)?;
        if !sizes.training.suits(self.training) {
            sizes.training = self.planned::<M>(Purpose::Training, worst)?;
        }
        if !sizes.evaluation.suits(self.evaluation) {
            sizes.evaluation = self.planned::<M>(Purpose::Evaluation, worst)?;
        }
        Ok(sizes)
    }

    /// Fixed sizes begin within the budget, too: one whose planned peak is above it becomes the largest that fits by plan.
    /// `before` are the sizes of a run that goes on. They stay where they are near to what fits, so that it is the same run
    /// although no two processes have quite the same memory.
    fn reduce_fixed<M: Model>(
        &mut self,
        before: Option<&MicroBatches>,
        worst: &dyn Fn() -> WorstCase,
    ) -> Result<(), TrainError> {
        self.reduced.clear();
        let (Some(budget), false) = (self.training.budget, self.training.dynamic) else {
            return Ok(());
        };
        let worst = worst();
        let planned = plan::<M>(self.settings, &worst)?;
        for purpose in [Purpose::Training, Purpose::Evaluation] {
            let evaluates = |phase| phase == PlannedPhase::Evaluation;
            let of_purpose = planned
                .phases
                .iter()
                .filter(|peak| evaluates(peak.phase) == (purpose == Purpose::Evaluation));
            let bytes = of_purpose.map(|peak| peak.bytes).max().unwrap_or(0);
            let bytes = bytes.saturating_add(self.data_bytes);
            let from = self.limits(purpose).configured;
            if bytes <= budget {
                continue;
            }
            let forecast = self.forecast::<M>(purpose, &worst)?;
            self.require_one::<M>(&forecast, &worst)?;
            let earlier = before.map(|sizes| match purpose {
                Purpose::Training => sizes.training.configured(),
                Purpose::Evaluation => sizes.evaluation.configured(),
            });
            let fitting = forecast.fitting(target(budget));
            let to = match earlier {
                Some(size) if size < from && forecast.stays(size, budget) => size,
                _ => fitting,
            };
            let to = to.min(from);
            if to < from {
                match purpose {
                    Purpose::Training => self.training.most = to,
                    Purpose::Evaluation => self.evaluation.most = to,
                }
                self.reduced.push(Reduced {
                    purpose,
                    from,
                    to,
                    planned: bytes,
                    budget,
                });
            }
        }
        // What planning took is no part of the run.
        self.watch.note(Phase::Storage);
        Ok(())
    }

    /// # Errors
    ///
    /// [`TrainError::DoesNotFit`] where not even one sample at a time fits by plan.
    fn require_one<M: Model>(
        &self,
        forecast: &Forecast,
        worst: &WorstCase,
    ) -> Result<(), TrainError> {
        let budget = self.watch.budget();
        let exceeds = |bytes: u64| budget.is_some_and(|budget| bytes > budget);
        // The forecast counts the data, and a sum of gradients that a single micro-batch does not need.
        if !exceeds(forecast.peak(1)) {
            return Ok(());
        }
        let least = least::<M>(self.settings, worst)?;
        if !exceeds(least) {
            return Ok(());
        }
        Err(TrainError::DoesNotFit {
            cause: OutOfMemory {
                phase: None,
                wanted: Some(least),
                budget,
            },
        })
    }

    /// Says which fixed sizes gave way, and why.
    pub(super) fn reductions(&self, step: usize) -> impl Iterator<Item = Event> {
        self.reduced.iter().map(move |reduced| Event::MicroBatch {
            step,
            purpose: reduced.purpose,
            from: reduced.from,
            to: reduced.to,
            parallel: self.parallel(reduced.purpose),
            out_of_memory: false,
            cause: format!(
                "planned peak {} with {}, budget {}",
                Bytes(reduced.planned),
                reduced.from,
                Bytes(reduced.budget)
            ),
        })
    }

    fn limits(&self, purpose: Purpose) -> Limits {
        match purpose {
            Purpose::Training => self.training,
            Purpose::Evaluation => self.evaluation,
        }
    }

    /// Micro-batches that are computed at the same time as long as memory suffices.
    fn parallel(&self, purpose: Purpose) -> usize {
        match purpose {
            Purpose::Training => self.settings.parallel_micro_batches(),
            Purpose::Evaluation => 1,
        }
    }

    /// A size that begins with what is planned, where it follows a budget and may be more than one sample.
    fn planned<M: Model>(
        &self,
        purpose: Purpose,
        worst: &dyn Fn() -> WorstCase,
    ) -> Result<Controller, TrainError> {
        let limits = self.limits(purpose);
        let follows = limits.dynamic && limits.budget.is_some() && limits.most > 1;
        let mut forecast = None;
        if follows {
            let worst = worst();
            let planned = self.forecast::<M>(purpose, &worst)?;
            self.require_one::<M>(&planned, &worst)?;
            forecast = Some(planned);
        }
        // What planning took is no part of the run.
        self.watch.note(Phase::Storage);
        Ok(Controller::new(limits, forecast))
    }

    /// The plan of micro-batches for a purpose, beside the data.
    fn forecast<M: Model>(
        &self,
        purpose: Purpose,
        worst: &WorstCase,
    ) -> Result<Forecast, TrainError> {
        let mut forecast = match purpose {
            Purpose::Training => training_forecast::<M>(self.settings, worst, self.training.most),
            Purpose::Evaluation => {
                evaluation_forecast::<M>(self.settings, worst, self.evaluation.most)
            }
        }?;
        forecast.base = forecast.base.saturating_add(self.data_bytes);
        Ok(forecast)
    }

    /// What was measured so far: of the memory, and of the time of steps. What larger micro-batches would take is planned.
    pub(super) fn measured<M: Model>(
        &self,
        sizes: &MicroBatches,
        worst: &dyn Fn() -> WorstCase,
        ran_out: usize,
        tally: &Tally,
    ) -> MeasuredRun {
        let (settings, budget_bytes) = (self.settings, self.watch.budget());
        let most = self.watch.most().into_iter();
        let phase_peak_bytes = most
            .map(|(phase, bytes)| (phase.to_owned(), bytes))
            .collect();
        let (most, all) = (self.training.most, settings.effective_batch());
        let plans = budget_bytes.map(|_| {
            let worst = worst();
            let training = training_forecast::<M>(settings, &worst, most).ok();
            (
                training,
                evaluation_forecast::<M>(settings, &worst, all).ok(),
            )
        });
        let (training, evaluation) = plans.unwrap_or_default();
        // What planning took is no part of the run.
        self.watch.note(Phase::Storage);
        MeasuredRun {
            budget_bytes,
            phase_peak_bytes,
            ran_out,
            training: Sizes::of(&sizes.training, training.as_ref(), all, most),
            evaluation: Sizes::of(&sizes.evaluation, evaluation.as_ref(), all, all),
            timed_steps: tally.steps,
            waiting: tally.waiting(),
        }
    }

    /// The scheduler of micro-batches for a purpose.
    pub(super) fn scheduler<'b>(
        &'b self,
        purpose: Purpose,
        sizes: &'b mut MicroBatches,
        device: &'b Device,
        step: usize,
        report: &'b mut dyn FnMut(Event) -> Result<(), TrainError>,
    ) -> MicroBatchScheduler<'b> {
        let (limits, controller) = match purpose {
            Purpose::Training => (self.training, &mut sizes.training),
            Purpose::Evaluation => (self.evaluation, &mut sizes.evaluation),
        };
        MicroBatchScheduler {
            watch: &self.watch,
            device,
            limits,
            controller,
            purpose,
            parallel: self.parallel(purpose),
            step,
            report,
        }
    }
}

/// What binds micro-batches in evaluation: a batch of the loader is the largest.
fn evaluation_limits(settings: &Config, budget: Option<u64>) -> Limits {
    let configured = settings.evaluation_batch_size();
    Limits {
        configured,
        most: configured,
        budget,
        dynamic: settings.memory_optimization.dynamic_batch_size,
    }
}
