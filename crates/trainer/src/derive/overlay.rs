//! The preset of a card.

use config_schema::{Config, Decision, DeviceMemory, Layers, Source, overlay_toml, presets};
use config_schema::{resolve, value};
use serde::Serialize;

use super::card::Card;
use super::error::DeriveError;
use super::ladder::{Presets, Rung};
use crate::error::TrainError;
use crate::memory::{Bytes, budget};

/// A planned peak may be this part too low before the configuration is chosen: the worst that a plan may be off.
const PLAN_ERROR: f64 = 0.08;

/// The smallest step in which a size of at least a gibibyte is shown, in bytes.
const SHOWN: f64 = (1_u64 << 30) as f64 / 100.0;

/// The name that the preset has while it is made.
const NAME: &str = "derived";

/// A preset for a card, and why it is that.
#[derive(Debug, Clone, Serialize)]
pub struct Derived {
    /// Bytes of the card that it is for.
    pub memory_bytes: u64,
    /// The preset that it extends.
    pub extends: String,
    /// What it is, in words.
    pub what: String,
    /// Everything that it states, with reasons.
    pub decisions: Vec<Decision>,
    /// What else has to be said of it.
    pub notes: Vec<String>,
    /// What would have given more, and does not fit.
    pub passed_over: Vec<PassedOver>,
    /// Its planned peak.
    pub peak_bytes: u64,
    /// Bytes that a run may use on the card.
    pub budget_bytes: u64,
    /// Whether the peak is within the budget.
    pub fits: bool,
    /// The configuration that it makes.
    #[serde(skip)]
    pub config: Config,
}

/// A configuration that does not fit, or too closely for the error that a plan may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PassedOver {
    /// What it is, in words.
    pub what: String,
    /// Its planned peak.
    pub peak_bytes: u64,
    /// Bytes that it might use.
    pub budget_bytes: u64,
}

/// Derives the preset for a card. `sets` are assignments on top of every preset, such as the data set that is planned for;
/// the derived preset does not state them. `peak` plans the peak of a configuration in bytes.
///
/// # Errors
///
/// When not even the least fits the card, and when a configuration is not valid or cannot be planned.
pub fn derive(
    card: &Card,
    sets: &[String],
    peak: &mut dyn FnMut(&Config) -> Result<u64, TrainError>,
) -> Result<Derived, DeriveError> {
    let presets = Presets::read(sets)?;
    let of_card = card.decisions(&presets);
    let mut passed_over = Vec::new();
    let mut usage = 1.0;
    for rung in presets.ladder() {
        if card.memory_bytes < rung.least_memory {
            continue;
        }
        let base = presets.named(rung.extends);
        let mut decisions = stated(card, &rung, &of_card, base);
        let mut config = resolved(&rung, &decisions, sets)?;
        let peak_bytes = peak(&config)?;
        let budget_bytes = budget(&config, Some(card.memory_bytes)).unwrap_or(card.memory_bytes);
        if with_error(peak_bytes) > budget_bytes {
            usage = config.memory_optimization.max_memory_usage;
            passed_over.push(PassedOver {
                what: rung.what,
                peak_bytes,
                budget_bytes,
            });
            continue;
        }
        let of_host = card.host_decisions(&config)?;
        if !of_host.is_empty() {
            decisions.retain(|one| of_host.iter().all(|other| other.key != one.key));
            decisions.extend(of_host);
            config = resolved(&rung, &decisions, sets)?;
        }
        return Ok(Derived {
            memory_bytes: card.memory_bytes,
            extends: rung.extends.to_owned(),
            what: rung.what,
            decisions,
            notes: rung.note.into_iter().map(str::to_owned).collect(),
            passed_over,
            peak_bytes,
            budget_bytes,
            fits: peak_bytes <= budget_bytes,
            config,
        });
    }
    let least = passed_over
        .pop()
        .unwrap_or_else(|| unreachable!("the last configurations are for every card"));
    let needed = with_error(least.peak_bytes) as f64 / usage;
    Err(DeriveError::DoesNotFit {
        memory_bytes: card.memory_bytes,
        needed_bytes: ((needed / SHOWN).ceil() * SHOWN).ceil() as u64,
        peak_bytes: least.peak_bytes,
        least: least.what,
    })
}

impl Derived {
    /// Its text, as in `configs/`.
    pub fn toml(&self) -> String {
        overlay_toml(&self.header(), &self.extends, &self.decisions)
    }

    /// What the text begins with: what it is, the verdict, and what was passed over.
    fn header(&self) -> String {
        let memory = Bytes(self.memory_bytes);
        let mut lines = vec![format!("For a card of {memory}: {}.", self.what)];
        lines.push(format!(
            "Planned peak {} of the budget of {}: it {}.",
            Bytes(self.peak_bytes),
            Bytes(self.budget_bytes),
            if self.fits { "fits" } else { "does not fit" }
        ));
        if self
            .decisions
            .iter()
            .all(|one| one.key.starts_with("preset."))
        {
            let extends = &self.extends;
            lines.push(format!("It equals `{extends}`."));
        }
        if !self.passed_over.is_empty() {
            let too_large = self.passed_over.iter();
            let too_large =
                too_large.map(|one| format!("{} ({})", one.what, Bytes(one.peak_bytes)));
            lines.push(format!(
                "Too large with a margin of {:.0} % for plan error: {}.",
                100.0 * PLAN_ERROR,
                too_large.collect::<Vec<_>>().join(", ")
            ));
        }
        lines.extend(self.notes.iter().cloned());
        lines.join("\n")
    }
}

/// What the preset states: what it is for, and of all that follows from rung and card what the preset below has otherwise.
fn stated(card: &Card, rung: &Rung, of_card: &[Decision], base: &Config) -> Vec<Decision> {
    let memory = Bytes(card.memory_bytes);
    let description = format!("GPU with {memory}: {}", rung.what);
    let mut decisions = vec![Decision::new("preset.description", description, "")];
    let below = base.preset.min_device_memory.bytes();
    let for_it = below.is_some_and(|least| least <= card.memory_bytes);
    if !(rung.changes.is_empty() && for_it) {
        let own = DeviceMemory::of(card.memory_bytes).to_string();
        let key = "preset.min_device_memory";
        decisions.push(Decision::new(key, own, "what the card has"));
    }
    let (here, least) = (card.host_bytes, base.preset.min_host_memory.bytes());
    if let Some(host) = here.filter(|host| least.is_some_and(|least| *host < least)) {
        let host = DeviceMemory::of(host).to_string();
        let key = "preset.min_host_memory";
        decisions.push(Decision::new(key, host, "what the host has"));
    }
    let changes = rung.changes.iter().chain(of_card).filter(|change| {
        let below = value(base, &change.key);
        below.as_ref() != Some(&change.value)
    });
    decisions.extend(changes.cloned());
    decisions
}

fn resolved(rung: &Rung, decisions: &[Decision], sets: &[String]) -> Result<Config, DeriveError> {
    let text = overlay_toml("", rung.extends, decisions);
    let lookup = |name: &str| match name {
        NAME => Some(Source::new(NAME, text.clone())),
        other => presets::lookup(other),
    };
    let layers = Layers {
        sets: sets.to_vec(),
        ..Layers::preset(NAME)
    };
    Ok(resolve(&layers, &lookup)?.config)
}

/// A planned peak with what a plan may be off.
fn with_error(peak_bytes: u64) -> u64 {
    (peak_bytes as f64 * (1.0 + PLAN_ERROR)) as u64
}
