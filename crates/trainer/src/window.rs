//! Figures between two reports.

use crate::checkpoint::RunState;
use crate::event::Event;
use crate::optimizers::Update;
use crate::stopwatch::Stopwatch;

/// Means over the steps since the last report.
pub(crate) struct Window {
    clock: Stopwatch,
    steps: usize,
    samples: usize,
    loss: f64,
    norm: f64,
    rates: Vec<f64>,
}

impl Window {
    pub(crate) fn new() -> Self {
        Self {
            clock: Stopwatch::start(),
            steps: 0,
            samples: 0,
            loss: 0.0,
            norm: 0.0,
            rates: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, loss: f64, update: &Update, samples: usize) {
        self.steps += 1;
        self.samples += samples;
        self.loss += loss;
        self.norm += update.norm.0;
        self.rates = update.rates.iter().map(|(_, rate)| *rate).collect();
    }

    pub(crate) fn report(&self, state: &RunState, memory_bytes: Option<u64>) -> Event {
        let steps = self.steps.max(1) as f64;
        Event::Step {
            step: state.step,
            epoch: state.epoch,
            loss: self.loss / steps,
            gradient_norm: self.norm / steps,
            lr: self.rates.first().copied().unwrap_or_default(),
            xvlm_lr: self.rates.get(1).copied().unwrap_or_default(),
            samples_per_second: self.samples as f64 / self.clock.seconds().max(f64::EPSILON),
            memory_bytes,
        }
    }
}
