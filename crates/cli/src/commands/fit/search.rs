//! Which sizes are measured, and what follows from them.

use config_schema::MAX_UPDATE_FREQ;
use config_schema::count;
use trainer::fit::{Lines, Measured, with_micro_batch};
use trainer::memory::budget;
use trainer::plan::{SegmentChoice, WorstCase, plan};

use super::answer::{Answer, Limit, Size};
use super::child;
use crate::args::FitArgs;
use crate::commands::plan::origin;
use crate::failure::Failure;
use crate::output;
use crate::settings::Settings;
use crate::wiring::Wiring;

/// The sizes that were looked at so far.
pub struct Search<'a> {
    args: &'a FitArgs,
    settings: &'a Settings,
    worst: &'a WorstCase,
    sizes: Vec<Size>,
    /// The smallest size that could not be measured.
    failed: Option<usize>,
}

impl<'a> Search<'a> {
    pub fn new(args: &'a FitArgs, settings: &'a Settings, worst: &'a WorstCase) -> Self {
        Self {
            args,
            settings,
            worst,
            sizes: Vec::new(),
            failed: None,
        }
    }

    /// Measures the configured size, or the largest half of a half of it that can be measured, and a second one. `segments` is
    /// what the settings have by choice.
    ///
    /// # Errors
    ///
    /// When a size cannot be planned, or not measured for another reason than memory.
    pub fn run<W: Wiring>(mut self, segments: Option<SegmentChoice>) -> Result<Answer, Failure> {
        let config = &self.settings.resolved.config;
        let mut size = config.training.batch_size;
        let mut first = self.measure::<W>(size)?;
        while first.is_none() && size > 1 {
            size /= 2;
            first = self.measure::<W>(size)?;
        }
        let most = self.most();
        let second = match &first {
            Some(_) if size > 1 => self.measure::<W>(1)?,
            Some(_) if most > 1 => self.measure::<W>(2)?,
            _ => None,
        };
        let mut answer = self.answer::<W>(first.as_ref(), second.as_ref())?;
        if let Some(choice) = &segments
            && !answer.set.is_empty()
        {
            answer.set.push(child::segment(choice.checkpoint_segment));
        }
        answer.segments = segments;
        Ok(answer)
    }

    /// The largest micro-batch that may fit for all that is known: that which leaves work for all that are computed side by
    /// side, or the configured one, and smaller than any that could not be measured.
    fn most(&self) -> usize {
        let config = &self.settings.resolved.config;
        let parallel = config.parallel_micro_batches();
        let shared = config.effective_batch().div_ceil(parallel);
        let most = shared.max(config.training.batch_size);
        self.failed.map_or(most, |failed| most.min(failed - 1))
    }

    /// Why `largest` is not larger.
    fn limit(&self, largest: usize) -> Limit {
        let config = &self.settings.resolved.config;
        if self.failed.is_some() || largest < self.most() {
            Limit::Memory
        } else if largest < config.effective_batch() {
            Limit::ParallelMicroBatches
        } else {
            Limit::EffectiveBatch
        }
    }

    fn measure<W: Wiring>(&mut self, micro_batch: usize) -> Result<Option<Measured>, Failure> {
        let config = with_micro_batch(&self.settings.resolved.config, micro_batch);
        let plan_peak_bytes = plan::<W::Model>(&config, self.worst)?.peak_bytes;
        if let Some(device_bytes) = self.settings.device_memory
            && plan_peak_bytes > device_bytes
        {
            self.failed = Some(micro_batch);
            self.sizes.push(Size::NotTried {
                micro_batch,
                plan_peak_bytes,
                device_bytes,
            });
            return Ok(None);
        }
        output::note(format!(
            "measuring micro-batches of {}",
            count(micro_batch, "sample")
        ));
        match child::started(self.args, &self.settings.resolved.config, micro_batch)? {
            Ok(measured) => {
                let peak_bytes = measured.peak_bytes();
                self.sizes.push(Size::Measured {
                    measured: measured.clone(),
                    peak_bytes,
                    plan_peak_bytes,
                    plan_error: error(plan_peak_bytes, peak_bytes),
                });
                Ok(Some(measured))
            }
            Err(seen) => {
                self.failed = Some(micro_batch);
                self.sizes.push(Size::Failed {
                    micro_batch,
                    plan_peak_bytes,
                    seen,
                });
                Ok(None)
            }
        }
    }

    fn answer<W: Wiring>(
        self,
        first: Option<&Measured>,
        second: Option<&Measured>,
    ) -> Result<Answer, Failure> {
        let config = &self.settings.resolved.config;
        let micro_batch = config.training.batch_size;
        let (memory, whose) = self.settings.planned_memory();
        let budget_bytes = budget(config, memory);
        let program_bytes = first.map(|first| first.program_bytes);
        let measured = [first, second].into_iter().flatten();
        let batch_bytes = measured.map(|one| one.batch_bytes).max();
        let beside = program_bytes.unwrap_or(0) + batch_bytes.unwrap_or(0);
        let room = budget_bytes.map(|budget| budget.saturating_sub(beside));
        let lines = first.zip(second);
        let lines = lines.and_then(|(first, second)| Lines::through(first, second));

        let configured = first.filter(|one| one.micro_batch == micro_batch);
        let measured_peak_bytes = configured
            .map(Measured::peak_bytes)
            .or_else(|| lines.as_ref().map(|lines| lines.peak(micro_batch).2));
        let worst = lines.as_ref().map(|lines| lines.peak(micro_batch));
        let fits = match (room, measured_peak_bytes) {
            // A size whose process died does not fit, whatever the others say of it.
            (Some(room), Some(peak)) => Some(configured.is_some() && peak <= room),
            (Some(_), None) => Some(false),
            (None, _) => None,
        };
        let largest_micro_batch = room.map(|room| match (&lines, first) {
            (Some(lines), _) => lines.largest(room, self.most()),
            (None, Some(first)) if first.peak_bytes() <= room => first.micro_batch,
            _ => 0,
        });
        let effective_batch = config.effective_batch();
        let plan_peak_bytes = plan::<W::Model>(config, self.worst)?.peak_bytes;
        Ok(Answer {
            preset: self.settings.resolved.preset.clone(),
            device: self.settings.device.to_string(),
            effective_batch,
            micro_batch,
            measured_peak_bytes,
            extrapolated: configured.is_none() && measured_peak_bytes.is_some(),
            program_bytes,
            batch_bytes,
            needed_bytes: measured_peak_bytes.map(|peak| beside + peak),
            budget_bytes,
            budget_origin: origin(config, memory, &whose),
            fits,
            largest_micro_batch,
            limit: largest_micro_batch.map(|largest| self.limit(largest)),
            one_after_another: false,
            set: largest_micro_batch
                .map_or_else(Vec::new, |most| assignments(effective_batch, most)),
            segments: None,
            host: None,
            worst_phase: worst.map(|(phase, ..)| phase.to_owned()),
            static_bytes: worst.map(|(_, line, _)| line.static_bytes.max(0.0) as u64),
            sample_bytes: worst.map(|(_, line, _)| line.slope_bytes as u64),
            plan_peak_bytes,
            plan_error: measured_peak_bytes.map(|peak| error(plan_peak_bytes, peak)),
            sizes: self.sizes,
        })
    }
}

fn error(planned: u64, measured: u64) -> f64 {
    planned as f64 / measured as f64 - 1.0
}

/// Assignments that make micro-batches as large as possible, of at most `most` samples, with the same effective batch. None
/// where an update would have more of them than it may.
fn assignments(effective_batch: usize, most: usize) -> Vec<String> {
    let dividing = (1..=most)
        .rev()
        .find(|size| effective_batch.is_multiple_of(*size))
        .filter(|size| effective_batch / size <= MAX_UPDATE_FREQ);
    dividing.map_or_else(Vec::new, |size| {
        vec![
            format!("training.batch_size={size}"),
            format!("training.update_freq={}", effective_batch / size),
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(effective_batch: usize, most: usize, expected: Option<(usize, usize)>) {
        let expected = expected.map(|(size, steps)| {
            vec![
                format!("training.batch_size={size}"),
                format!("training.update_freq={steps}"),
            ]
        });
        assert_eq!(
            assignments(effective_batch, most),
            expected.unwrap_or_default()
        );
    }

    #[test]
    fn the_effective_batch_stays_exact() {
        check(32, 32, Some((32, 1)));
        check(32, 31, Some((16, 2)));
        check(30, 13, Some((10, 3)));
        check(7, 6, Some((1, 7)));
        check(32, 100, Some((32, 1)));
        check(32, 0, None);
        check(1 << 17, 64, Some((64, 2048)));
        check(1 << 17, 31, None);
    }
}
