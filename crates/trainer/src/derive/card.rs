//! What a card is, and which part of its memory a run may use.

use config_schema::{Augmentation, Config, Decision, Preload};

use super::error::DeriveError;
use super::ladder::Presets;
use crate::host::{Data, HostNeeds};
use crate::memory::Bytes;

/// Where a configuration has a number.
type Count = fn(&mut Config) -> &mut usize;

/// A card to derive a preset for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Card {
    /// Its memory in bytes, as it reports it. Cards that are sold as N GB report a little less.
    pub memory_bytes: u64,
    /// Memory of the host in bytes, where it is known.
    pub host_bytes: Option<u64>,
    /// What the data set takes of it.
    pub data: HostDemand,
}

/// What a data set takes in host memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostDemand {
    /// Questions, answers and vocabulary.
    pub text_bytes: u64,
    /// All images that can be preloaded.
    pub preload_bytes: u64,
    /// A sample that waits.
    pub sample_bytes: u64,
}

impl HostDemand {
    /// Of a data set, without compression, since what that saves depends on the images.
    pub fn of(settings: &Config, data: &Data) -> Self {
        let mut settings = settings.clone();
        settings.data_loading.use_compression = false;
        settings.data_loading.preload_data = Preload::On;
        let plan = HostNeeds::of(&settings, data).plan(None);
        // What waits is resized, whatever is kept.
        settings.augmentation = Augmentation::default();
        let resized = HostNeeds::of(&settings, data).plan(None);
        Self {
            text_bytes: plan.data_bytes + plan.order_bytes,
            // Photographs take more as they are stored, small drawings more when resized.
            preload_bytes: plan.preloaded_bytes.max(resized.preloaded_bytes),
            sample_bytes: resized
                .preloaded_bytes
                .div_ceil(resized.images.max(1) as u64),
        }
    }

    /// Bytes that a run keeps. What is preloaded does not wait a second time, but for varied copies.
    fn kept(self, config: &Config) -> u64 {
        let keys = &config.memory_optimization;
        let batch = 2 * config.effective_batch();
        let waiting = keys.num_workers * (keys.prefetch_factor * config.training.batch_size + 1);
        let (preloaded, samples) = match config.data_loading.preload_data {
            Preload::On if config.augmentation.is_on() => (self.preload_bytes, batch + waiting),
            Preload::On => (self.preload_bytes, batch),
            Preload::Off | Preload::Auto => (0, batch + waiting),
        };
        self.text_bytes + preloaded + samples as u64 * self.sample_bytes
    }
}

/// Less of a card's memory than the smallest preset uses is used where the card is smaller than it is for.
const LESS: f64 = 0.05;
/// Data may take this part of the host's memory; the rest is for the program and all else.
const OF_HOST: f64 = 0.5;

impl Card {
    /// What follows from the card alone, whatever is planned.
    pub(super) fn decisions(&self, presets: &Presets) -> Vec<Decision> {
        let key = "memory_optimization.max_memory_usage";
        let (usage, reason) = self.usage(presets);
        vec![Decision::new(key, usage, reason)]
    }

    /// What a configuration gives up so that the host can hold its data: preloading, then samples that wait, then workers.
    ///
    /// # Errors
    ///
    /// When the host is too small whatever is given up.
    pub(super) fn host_decisions(&self, config: &Config) -> Result<Vec<Decision>, DeriveError> {
        let Some(host_bytes) = self.host_bytes else {
            return Ok(Vec::new());
        };
        let host = Bytes(host_bytes);
        let room = (OF_HOST * host_bytes as f64) as u64;
        let mut config = config.clone();
        let mut decisions = Vec::new();
        if self.data.kept(&config) > room && config.data_loading.preload_data == Preload::On {
            config.data_loading.preload_data = Preload::Off;
            let images = Bytes(self.data.preload_bytes);
            let reason = format!("decoded images would take {images} of the host's {host}");
            decisions.push(Decision::new("data_loading.preload_data", false, reason));
        }
        let reason = format!("fewer samples wait in the host's {host}");
        let keys: [(&str, Count); 2] = [
            ("memory_optimization.prefetch_factor", |config| {
                &mut config.memory_optimization.prefetch_factor
            }),
            ("memory_optimization.num_workers", |config| {
                &mut config.memory_optimization.num_workers
            }),
        ];
        for (key, value) in keys {
            let stated = *value(&mut config);
            while self.data.kept(&config) > room && *value(&mut config) > 1 {
                *value(&mut config) -= 1;
            }
            let now = *value(&mut config);
            if now < stated {
                decisions.push(Decision::new(key, now, reason.clone()));
            }
        }
        let kept_bytes = self.data.kept(&config);
        if kept_bytes > room {
            return Err(DeriveError::HostTooSmall {
                host_bytes,
                kept_bytes,
                needed_bytes: (kept_bytes as f64 / OF_HOST).ceil() as u64,
            });
        }
        Ok(decisions)
    }

    /// The part of the memory that is the budget. What else is on a card, such as the driver and a desktop, takes about the
    /// same bytes on every card, so the part is smaller on a smaller card.
    fn usage(&self, presets: &Presets) -> (f64, &'static str) {
        let part = |config: &Config| config.memory_optimization.max_memory_usage;
        let for_card = |config: &Config| config.preset.min_device_memory.bytes().unwrap_or(0);
        let (small, large) = (&presets.small, &presets.large);
        let half_way = u64::midpoint(for_card(small), for_card(large));
        let (usage, reason) = if self.memory_bytes < for_card(small) {
            let usage = part(small) - LESS;
            (
                usage,
                "driver and system take a larger part of a small card",
            )
        } else if self.memory_bytes < half_way {
            (part(small), "room for driver and system")
        } else if self.memory_bytes < for_card(large) {
            let usage = f64::midpoint(part(small), part(large));
            (usage, "driver and system take a smaller part of it")
        } else {
            (part(large), "use the card fully")
        };
        ((100.0 * usage).round() / 100.0, reason)
    }
}
