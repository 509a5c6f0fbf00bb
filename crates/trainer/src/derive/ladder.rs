//! What a card may be given, from the most to the least.

use config_schema::count;
use config_schema::{Config, ConfigErrors, Decision, Layers, presets, resolve};

/// The preset of the large model.
const LARGE: &str = "48gb";
/// The preset of the small one.
const SMALL: &str = "24gb";

/// A preset holds as it is for cards that have this many times the memory it is for; on larger ones plans decide.
const OWN_SIZE: f64 = 1.2;

/// The presets that the ladder hangs on.
pub(super) struct Presets {
    pub(super) large: Config,
    pub(super) small: Config,
}

/// One configuration of the ladder.
#[derive(Debug)]
pub(super) struct Rung {
    /// The preset that it extends.
    pub(super) extends: &'static str,
    /// What it changes of it.
    pub(super) changes: Vec<Decision>,
    /// What it is, in words.
    pub(super) what: String,
    /// The smallest card that it is for.
    pub(super) least_memory: u64,
    /// What has to be said of it.
    pub(super) note: Option<&'static str>,
}

impl Presets {
    /// Reads them, with `sets` on top.
    pub(super) fn read(sets: &[String]) -> Result<Self, ConfigErrors> {
        let read = |name: &str| {
            let layers = Layers {
                sets: sets.to_vec(),
                ..Layers::preset(name)
            };
            resolve(&layers, &presets::lookup).map(|resolved| resolved.config)
        };
        Ok(Self {
            large: read(LARGE)?,
            small: read(SMALL)?,
        })
    }

    pub(super) fn named(&self, name: &str) -> &Config {
        if name == LARGE {
            &self.large
        } else {
            &self.small
        }
    }

    /// The ladder, the most first.
    pub(super) fn ladder(&self) -> Vec<Rung> {
        let Self { large, small } = self;
        let effective = large.family.effective_batch;
        let (many, few) = (large.training.batch_size, small.training.batch_size);
        let beyond = |config: &Config| (OWN_SIZE * for_card(config) as f64) as u64;
        let careful = |more: &[Decision]| [&follow_memory()[..], more].concat();

        let mut rungs = Vec::new();
        for size in sizes(effective).filter(|size| *size > many) {
            let changes = micro_batch(size, effective, "the card holds more at a time");
            rungs.push(Rung::large(changes, &in_pieces(size), beyond(large)));
        }
        rungs.push(Rung::large(Vec::new(), "", for_card(large)));
        let tiled = " with memory-efficient attention";
        rungs.push(Rung::large(careful(&[]), tiled, beyond(small)));
        let saving = " with all memory savings";
        let least = beyond(small);
        rungs.push(Rung::large(careful(&[checkpointing()]), saving, least));
        for size in sizes(effective).filter(|size| (few..many).contains(size)) {
            let mut changes = careful(&[checkpointing()]);
            changes.extend(micro_batch(size, effective, "larger ones would not fit"));
            changes.extend(rates(small));
            let what = format!("{saving}{}", in_pieces(size));
            rungs.push(Rung::large(changes, &what, least));
        }
        rungs.push(Rung::small(Vec::new(), ""));
        for size in sizes(effective).filter(|size| *size < few) {
            let changes = micro_batch(size, effective, "larger ones would not fit");
            rungs.push(Rung::small(changes, &in_pieces(size)));
        }
        let mut changes = micro_batch(1, effective, "the least; it grows with what is measured");
        changes.push(frozen());
        let what = format!("{} and X-VLM frozen", in_pieces(1));
        rungs.push(Rung {
            note: Some(
                "X-VLM is not trained here: it is frozen at random weights, unless `xvlm.weights` names published weights. So results do not compare with those of the other presets of the family.",
            ),
            ..Rung::small(changes, &what)
        });
        rungs
    }
}

impl Rung {
    fn large(changes: Vec<Decision>, what: &str, least_memory: u64) -> Self {
        Self {
            extends: LARGE,
            changes,
            what: format!("`{LARGE}`{what}"),
            least_memory,
            note: None,
        }
    }

    fn small(changes: Vec<Decision>, what: &str) -> Self {
        Self {
            extends: SMALL,
            changes,
            what: format!("`{SMALL}`{what}"),
            least_memory: 0,
            note: None,
        }
    }
}

/// Bytes of the smallest card that a preset is for.
fn for_card(config: &Config) -> u64 {
    config.preset.min_device_memory.bytes().unwrap_or(0)
}

/// The micro-batches that an effective batch can be cut into without a rest, the largest first.
pub(crate) fn sizes(effective: usize) -> impl Iterator<Item = usize> {
    (1..=effective)
        .rev()
        .filter(move |size| effective.is_multiple_of(*size))
}

fn in_pieces(size: usize) -> String {
    format!(" in micro-batches of {}", count(size, "sample"))
}

/// Micro-batches of a size that divides the effective batch.
pub(crate) fn micro_batch(size: usize, effective: usize, reason: &str) -> Vec<Decision> {
    let steps = effective / size;
    let product = format!("{size} x {steps} = {effective}");
    vec![
        Decision::new("training.batch_size", size, reason),
        Decision::new("training.update_freq", steps, product),
    ]
}

fn follow_memory() -> [Decision; 2] {
    [
        Decision::new(
            "memory_optimization.dynamic_batch_size",
            true,
            "follows what is measured, on a card smaller than the preset is for",
        ),
        Decision::new(
            "memory_optimization.memory_efficient_attention",
            true,
            "score matrices are the cheapest to do without",
        ),
    ]
}

fn checkpointing() -> Decision {
    Decision::new(
        "memory_optimization.gradient_checkpointing",
        true,
        "trades time for activation memory, since not all activations would fit",
    )
}

/// The learning rates that go with smaller micro-batches.
fn rates(of: &Config) -> [Decision; 2] {
    let reason = "as the other preset of the family has with such micro-batches";
    [
        Decision::new("training.lr", of.training.lr, reason),
        Decision::new("training.xvlm_lr", of.training.xvlm_lr, "lowered with lr"),
    ]
}

fn frozen() -> Decision {
    Decision::new(
        "training.tune_xvlm",
        false,
        "its gradients and optimizer state alone would not fit",
    )
}
