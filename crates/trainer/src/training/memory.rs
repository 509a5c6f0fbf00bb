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
use crate::memory::{Controller, Forecast, Limits, MicroBatches, Phase, Watch, budget};
use crate::plan::products::keep_thread_buffers;
use crate::plan::{WorstCase, evaluation_forecast, training_forecast};
use crate::step::scheduler::MicroBatchScheduler;

/// The watch over a run's memory, and what binds the sizes of its micro-batches.
pub(super) struct RunMemory<'a> {
    pub(super) watch: Watch<'a>,
    settings: &'a Config,
    /// Bytes that data takes of the memory that the budget is for.
    data_bytes: u64,
    training: Limits,
    evaluation: Limits,
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
                // So that there is work for all that are computed side by side.
                most: settings
                    .effective_batch()
                    .div_ceil(settings.parallel_micro_batches()),
                budget,
                dynamic: settings.memory_optimization.dynamic_batch_size,
            },
            evaluation: evaluation_limits(settings, budget),
        }
    }

    /// Sizes of which nothing is measured yet.
    pub(super) fn start<M: Model>(
        &self,
        worst: &dyn Fn() -> WorstCase,
    ) -> Result<MicroBatches, TrainError> {
        Ok(MicroBatches {
            training: self.planned::<M>(Purpose::Training, worst)?,
            evaluation: self.planned::<M>(Purpose::Evaluation, worst)?,
        })
    }

    /// Sizes that a checkpoint has, unless others are asked for by now.
    pub(super) fn resumed<M: Model>(
        &self,
        mut sizes: MicroBatches,
        worst: &dyn Fn() -> WorstCase,
    ) -> Result<MicroBatches, TrainError> {
        if !sizes.training.suits(self.training) {
            sizes.training = self.planned::<M>(Purpose::Training, worst)?;
        }
        if !sizes.evaluation.suits(self.evaluation) {
            sizes.evaluation = self.planned::<M>(Purpose::Evaluation, worst)?;
        }
        Ok(sizes)
    }

    /// A size that begins with what is planned, where it follows a budget and may be more than one sample.
    fn planned<M: Model>(
        &self,
        purpose: Purpose,
        worst: &dyn Fn() -> WorstCase,
    ) -> Result<Controller, TrainError> {
        let limits = match purpose {
            Purpose::Training => self.training,
            Purpose::Evaluation => self.evaluation,
        };
        let follows = limits.dynamic && limits.budget.is_some() && limits.most > 1;
        let forecast = follows
            .then(|| self.forecast::<M>(purpose, &worst()))
            .transpose()?;
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
        let (limits, controller, parallel) = match purpose {
            Purpose::Training => {
                let parallel = self.settings.parallel_micro_batches();
                (self.training, &mut sizes.training, parallel)
            }
            Purpose::Evaluation => (self.evaluation, &mut sizes.evaluation, 1),
        };
        MicroBatchScheduler {
            watch: &self.watch,
            device,
            limits,
            controller,
            purpose,
            parallel,
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
