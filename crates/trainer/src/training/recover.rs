//! Where the model of a run comes from: its first weights, or a checkpoint.

use model_api::Model;

use super::told::newest_checkpoint;
use super::trainer::Trainer;
use crate::checkpoint::RunState;
use crate::error::TrainError;
use crate::event::Event;
use crate::memory::{OutOfMemory, Phase};
use crate::optim::{LossScale, Optimizers};
use crate::training::start;

impl<M: Model> Trainer<'_, M> {
    /// A model with its first weights, which depend on the run's seed alone, and optimizers without state.
    pub(super) fn fresh(&self, config: &M::Config) -> (M, Optimizers) {
        let settings = self.run.settings;
        let model = start::fresh(settings, config, &self.device);
        self.memory.watch.note(Phase::Storage);
        (model, Optimizers::of::<M>(settings))
    }

    /// The model with the published weights that the run began with, if it did.
    pub(super) fn pretrained(&mut self, model: M) -> Result<M, TrainError> {
        let (model, pretrained) = start::kept(self.run.run_dir, model)?;
        if let Some(pretrained) = pretrained {
            self.reporter.report(&Event::Pretrained(pretrained))?;
        }
        Ok(model)
    }

    /// Where a run stands that has not begun.
    pub(super) fn start_state(&mut self) -> Result<RunState, TrainError> {
        let worst = self.worst_case();
        let sizes = self.memory.start::<M>(&|| worst)?;
        Ok(RunState::start(sizes, LossScale::of(self.run.settings)))
    }

    /// Takes up the run of an earlier process.
    pub(super) fn resume(
        &mut self,
        model: M,
        optimizers: &mut Optimizers,
    ) -> Result<(M, RunState), TrainError> {
        let last = self.reporter.last_step()?;
        let (model, state) = self.restore(model, optimizers)?;
        // Without a checkpoint the log is all that is left of the steps, so it stays as it is.
        if state.step > 0 {
            self.reporter.take_back(state.step)?;
        }
        if let Some(from) = last.filter(|last| *last > state.step) {
            self.reporter.report(&Event::WentBack {
                from,
                to: state.step,
                cause: "the process that took these steps ended before it saved a checkpoint"
                    .to_owned(),
            })?;
        }
        Ok((model, state))
    }

    /// The newest whole checkpoint, or the start of a run that was stopped before the first.
    fn restore(
        &mut self,
        model: M,
        optimizers: &mut Optimizers,
    ) -> Result<(M, RunState), TrainError> {
        let told = self.reporter.last_checkpoint()?;
        let (newest, rejected) = newest_checkpoint(self.run.run_dir, told)?;
        let Some(newest) = newest else {
            return Ok((model, self.start_state()?));
        };
        let step = newest.state.step;
        self.reporter.warn_of(rejected)?;
        if told.is_none_or(|told| told < step) {
            // The process was killed in between.
            self.reporter.report(&Event::Checkpoint {
                step,
                path: newest.path.clone(),
            })?;
        }
        let model = newest.load_model(model)?;
        newest.load_optimizers(optimizers, &model)?;
        self.memory.watch.note(Phase::Storage);
        let mut state = newest.state;
        let worst = self.worst_case();
        state.micro_batches = self.memory.resumed::<M>(state.micro_batches, &|| worst)?;
        Ok((model, state))
    }

    /// Goes back to the newest whole checkpoint after an update was lost, with the sizes that are known by now.
    pub(super) fn go_back(
        &mut self,
        model: M,
        optimizers: &mut Optimizers,
        state: &mut RunState,
        cause: &OutOfMemory,
    ) -> Result<M, TrainError> {
        self.device.memory_cleanup();
        self.reporter.ran_out += 1;
        let from = state.step;
        let (model, restored) = self.restore(model, optimizers)?;
        self.reporter.take_back(restored.step)?;
        let sizes = state.micro_batches.clone();
        *state = restored;
        state.micro_batches = sizes;
        self.reporter.report(&Event::WentBack {
            from,
            to: state.step,
            cause: format!("an update was lost: {cause}"),
        })?;
        Ok(model)
    }

    /// Takes note of a lost update.
    ///
    /// # Errors
    ///
    /// When the same one was lost before, since it would be again.
    pub(super) fn lose(&mut self, step: usize, cause: OutOfMemory) -> Result<(), TrainError> {
        if self.lost.replace(step) == Some(step) {
            return Err(TrainError::DoesNotFit { cause });
        }
        Ok(())
    }
}
