//! What a run says of its data, and what it does when they fail.

use data_pipeline::{OddImage, Thresholds};
use model_api::Model;

use super::trainer::Trainer;
use crate::checkpoint::RunState;
use crate::error::TrainError;
use crate::event::Event;
use crate::optimizers::Optimizers;
use crate::usable::{Usable, data_report};

impl<M: Model> Trainer<'_, M> {
    /// Reports what is left out and, where a run begins, the figures of the data set and those that are a warning.
    pub(super) fn report_data(&mut self, data: &Usable) -> Result<(), TrainError> {
        let mut warnings = data.skipped.warnings();
        if !self.run.resume {
            let report = data_report::<M>(
                self.run.settings,
                &self.encoder,
                &data.dataset,
                &data.shared,
            );
            warnings.extend(OddImage::warnings(&data.odd));
            warnings.extend(report.warnings(&Thresholds::DEFAULT));
            self.reporter.report(&Event::Data(Box::new(report)))?;
        }
        for message in warnings {
            self.reporter.report(&Event::Warning { message })?;
        }
        Ok(())
    }

    /// Saves the steps that were taken when the data failed, and says where the run goes on. Any other error stays as it
    /// is.
    pub(super) fn save_before(
        &mut self,
        error: TrainError,
        model: &M,
        optimizers: &Optimizers,
        state: &mut RunState,
    ) -> TrainError {
        let TrainError::Data(source) = error else {
            return error;
        };
        // Before the first step there is nothing to save.
        if state.step > 0
            && let Err(error) = self.save(model, optimizers, state)
        {
            return error;
        }
        TrainError::DataFailed {
            step: state.step,
            run_dir: self.run.run_dir.to_owned(),
            source: Box::new(source),
        }
    }
}
