//! Behaviour of the crate through its public interface.

mod compare;
mod generated;
mod guide;
mod import;
mod import_foreign;
mod import_hostile;
mod preset_check;
mod preset_families;

use config_schema::{Layers, Resolved, presets::lookup, resolve};

/// Layers with `--set` on top of the preset `24gb`.
fn with_sets(sets: &[&str]) -> Layers {
    Layers {
        sets: sets.iter().map(|&text| text.to_owned()).collect(),
        ..Layers::preset("24gb")
    }
}

#[track_caller]
fn resolved(layers: &Layers) -> Resolved {
    resolve(layers, &lookup).unwrap_or_else(|errors| panic!("{errors}"))
}
