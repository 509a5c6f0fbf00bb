//! What a listing shows of the presets that are part of the program.

use crate::{
    error::ConfigErrors,
    presets::{Preset, embedded, lookup},
    resolve::{Layers, resolve},
};

/// What a listing shows of a preset, and what the choice for a device needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresetSummary {
    /// Name of the preset.
    pub name: String,
    /// `preset.description`.
    pub description: String,
    /// `preset.min_device_memory` in bytes; `None` where the preset is not for a GPU.
    pub min_device_memory: Option<u64>,
}

/// Summaries of the embedded presets, in their order.
///
/// # Errors
///
/// If an embedded preset does not resolve, which a test of this crate rules out.
pub fn preset_summaries() -> Result<Vec<PresetSummary>, ConfigErrors> {
    let summary = |preset: &Preset| {
        let config = resolve(&Layers::preset(preset.name), &lookup)?.config;
        Ok(PresetSummary {
            name: preset.name.to_owned(),
            description: config.preset.description,
            min_device_memory: config.preset.min_device_memory.bytes(),
        })
    };
    embedded().iter().map(summary).collect()
}
