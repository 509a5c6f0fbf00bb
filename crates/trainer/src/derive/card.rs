//! What a card is, and which part of its memory a run may use.

use config_schema::{Config, Decision};

use super::ladder::Presets;
use crate::memory::Bytes;

/// A card to derive a preset for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Card {
    /// Its memory in bytes, as it reports it. Cards that are sold as N GB report a little less.
    pub memory_bytes: u64,
    /// Memory of the host in bytes, where it is known.
    pub host_bytes: Option<u64>,
    /// Bytes that the data set takes in host memory when it is preloaded.
    pub preload_bytes: u64,
}

/// Less of a card's memory than the smallest preset uses is used where the card is smaller than it is for.
const LESS: f64 = 0.05;
/// Preloaded images may take this part of the host's memory; the rest is for the program and all else.
const OF_HOST: f64 = 0.5;

impl Card {
    /// What follows from the card alone, whatever is planned.
    pub(super) fn decisions(&self, presets: &Presets) -> Vec<Decision> {
        let key = "memory_optimization.max_memory_usage";
        let (usage, reason) = self.usage(presets);
        let mut decisions = vec![Decision::new(key, usage, reason)];
        if let Some(host) = self.host_bytes
            && self.preload_bytes as f64 > OF_HOST * host as f64
        {
            decisions.push(Decision::new(
                "data_loading.preload_data",
                false,
                format!(
                    "decoded images would take {} of the host's {}",
                    Bytes(self.preload_bytes),
                    Bytes(host)
                ),
            ));
        }
        decisions
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
