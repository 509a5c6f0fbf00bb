//! What a run says of itself before its first step.

use config_schema::Preload;
use data_pipeline::{Loader, OddImage, Thresholds};
use model_api::Model;

use super::trainer::Trainer;
use crate::checkpoint::RunState;
use crate::dataset::augmentation_warning;
use crate::dataset::usable::{Usable, data_report};
use crate::error::TrainError;
use crate::event::Event;
use crate::parameters::count;

impl<M: Model> Trainer<'_, M> {
    /// Reports what is left out and, where a run begins, the figures of the data set and those that are a warning.
    pub(super) fn report_data(&mut self, data: &Usable) -> Result<(), TrainError> {
        let mut warnings = data.skipped.warnings();
        warnings.extend(augmentation_warning(self.run.settings, &self.encoder));
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

    pub(super) fn report_start(&mut self, model: &M, state: &RunState) -> Result<(), TrainError> {
        let splits = [
            &self.dataset.train,
            &self.dataset.validation,
            &self.dataset.test,
        ];
        let settings = self.run.settings;
        self.reporter.report(&Event::Start {
            run_dir: self.run.run_dir.to_owned(),
            device: self.run.device_name.to_owned(),
            dataset: settings.dataset.name.to_string(),
            samples: splits.map(|split| split.samples().len()),
            vocabulary: self.encoder.vocabulary.len(),
            answers: self.encoder.answers.len(),
            parameters: count(model),
            precision: settings.precision.mode,
            effective_batch: settings.effective_batch(),
            micro_batch: settings.training.batch_size,
            budget_bytes: self.memory.watch.budget(),
            total_steps: self.steps.total,
            step: state.step,
        })?;
        for reduction in self.memory.reductions(state.step) {
            self.reporter.report(&reduction)?;
        }
        for reading in self.dataset.readings() {
            for message in reading.notes() {
                self.reporter.report(&Event::Note { message })?;
            }
            for message in reading.warnings() {
                self.reporter.report(&Event::Warning { message })?;
            }
        }
        Ok(())
    }

    /// Says how many images are kept, where that was left to the memory.
    pub(super) fn report_preloaded(&mut self) -> Result<(), TrainError> {
        if self.run.settings.data_loading.preload_data != Preload::Auto {
            return Ok(());
        }
        let loaders = [&self.training, self.validation.as_ref()];
        let sum = |count: &dyn Fn(&Loader) -> usize| loaders.map(count).into_iter().sum();
        self.reporter.report(&Event::Preloaded {
            images: sum(&Loader::preloaded_images),
            of: sum(&|loader| loader.source().image_count()),
            bytes: sum(&Loader::resident_bytes),
        })
    }
}
