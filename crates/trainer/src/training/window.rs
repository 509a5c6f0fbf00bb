//! Figures between two reports.

use crate::checkpoint::{RunState, Sums};
use crate::event::Event;
use crate::optim::Update;
use crate::time::Stopwatch;

/// Means over the steps since the last report, some of which an earlier process may have taken.
pub(crate) struct Window {
    clock: Stopwatch,
    sums: Sums,
    /// Samples of this process.
    samples: usize,
    rates: Vec<(&'static str, f64)>,
}

impl Window {
    /// A window over the steps that `sums` are of, and those to come.
    pub(crate) fn new(sums: Sums) -> Self {
        Self {
            clock: Stopwatch::start(),
            sums,
            samples: 0,
            rates: Vec::new(),
        }
    }

    pub(crate) fn sums(&self) -> Sums {
        self.sums
    }

    pub(crate) fn add(&mut self, loss: f64, update: &Update, samples: usize) {
        self.sums.steps += 1;
        self.sums.loss += loss;
        self.sums.gradient_norm += update.norm.0;
        self.samples += samples;
        self.rates.clone_from(&update.rates);
    }

    pub(crate) fn report(&self, state: &RunState, memory_bytes: Option<u64>) -> Event {
        let steps = self.sums.steps.max(1) as f64;
        Event::Step {
            step: state.step,
            epoch: state.epoch,
            loss: self.sums.loss / steps,
            gradient_norm: self.sums.gradient_norm / steps,
            lr: self.rates.first().map_or(0.0, |(_, rate)| *rate),
            other_rates: self
                .rates
                .iter()
                .skip(1)
                .map(|(group, rate)| (format!("{group}_lr"), *rate))
                .collect(),
            loss_scale: state.loss_scale.map(|scale| scale.factor()),
            samples_per_second: self.samples as f64 / self.clock.seconds().max(f64::EPSILON),
            memory_bytes,
        }
    }
}
