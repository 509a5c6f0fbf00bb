//! What may change between two parts of one run.

use crate::{
    config::Config,
    render,
    schema::{self, Key},
};

/// Keys that change how a run is carried out and not what comes of it, or where it looks for its data. A name without a
/// key stands for its whole section.
const FREE: [&str; 9] = [
    "dataset.root",
    "dataset.cache",
    "hardware",
    "memory_optimization",
    "data_loading.preload_data",
    "data_loading.use_compression",
    "evaluation.batch_size",
    "checkpoint",
    "logging",
];

/// Keys whose product counts, the effective batch.
const BATCH: [&str; 2] = ["training.batch_size", "training.update_freq"];

/// A key that a resumed run may not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedKey {
    /// `section.key`
    pub key: String,
    /// Its value in the run, as TOML.
    pub is: String,
    /// The value asked for, as TOML.
    pub asked: String,
}

impl Key {
    /// Whether the key decides what comes of a run, and not only how it is carried out.
    pub fn decides_the_result(&self) -> bool {
        !FREE.contains(&self.path.as_str()) && !FREE.contains(&self.section())
    }
}

/// The keys of `asked` that differ from those of a run and would make it another run. The sizes of micro-batches may
/// differ where the effective batch is the same.
pub fn fixed_differences(run: &Config, asked: &Config) -> Vec<FixedKey> {
    let same_batch = run.effective_batch() == asked.effective_batch();
    schema::keys()
        .filter(|key| key.decides_the_result())
        .filter(|key| !(same_batch && BATCH.contains(&key.path.as_str())))
        .filter_map(|key| {
            let is = render::value_toml(run, &key.path)?;
            let asked = render::value_toml(asked, &key.path)?;
            (is != asked).then(|| FixedKey {
                key: key.path.clone(),
                is,
                asked,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        presets,
        resolve::{Layers, resolve},
    };

    fn with(sets: &[&str]) -> Config {
        let layers = Layers {
            sets: sets.iter().map(ToString::to_string).collect(),
            ..Layers::preset("24gb")
        };
        resolve(&layers, &presets::lookup)
            .expect("it resolves")
            .config
    }

    #[track_caller]
    fn check(sets: &[&str], fixed: &[&str]) {
        let found = fixed_differences(&with(&[]), &with(sets));
        let found: Vec<_> = found.iter().map(|fixed| fixed.key.as_str()).collect();
        assert_eq!(found, fixed, "{sets:?}");
    }

    #[test]
    fn only_what_makes_another_run_is_fixed() {
        check(&[], &[]);
        check(&["training.batch_size=16", "training.update_freq=2"], &[]);
        check(&["training.batch_size=16"], &["training.batch_size"]);
        check(&["training.lr=1.0"], &["training.lr"]);
        check(&["dataset.image_size=32"], &["dataset.image_size"]);
        check(
            &["dataset.exif_orientation=ignore"],
            &["dataset.exif_orientation"],
        );
        for set in [
            "augmentation.crop_scale=0.6",
            "augmentation.flip=0.4",
            "augmentation.operations=3",
            "augmentation.magnitude=6",
            "dataset.answer_normalisation=none",
            "dataset.shapes_language=zh",
        ] {
            check(&[set], &[set.split('=').next().unwrap_or_default()]);
        }
        check(&["dataset.root=elsewhere", "logging.every_steps=1"], &[]);
        check(&["memory_optimization.num_workers=1"], &[]);
        check(
            &["data_loading.streaming=true"],
            &["data_loading.streaming"],
        );
        check(
            &["data_loading.shuffle_buffer_size=9"],
            &["data_loading.shuffle_buffer_size"],
        );
        check(&["dataset.cache=elsewhere"], &[]);
    }

    #[test]
    fn every_free_name_exists() {
        for name in FREE.into_iter().chain(BATCH) {
            assert!(
                schema::keys().any(|key| key.path == name || key.section() == name),
                "{name}"
            );
        }
    }
}
