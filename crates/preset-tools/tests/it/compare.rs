use config_schema::{Layers, Origin, Resolved, keys};
use preset_tools::{Column, Comparison, compare};
use serde_json::json;

use crate::{resolved, with_sets};

fn rows(configurations: &[(&str, Resolved)]) -> Vec<Comparison> {
    let columns: Vec<_> = configurations
        .iter()
        .map(|(name, one)| (*name, one))
        .collect();
    compare(&columns)
}

#[test]
fn a_key_in_three_presets() {
    let presets = ["48gb", "24gb", "24gb-tight"];
    let rows = rows(&presets.map(|name| (name, resolved(&Layers::preset(name)))));
    let all: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    let declared: Vec<&str> = keys().map(|key| key.path.as_str()).collect();
    assert_eq!(all, declared);
    let row = |key: &str| rows.iter().find(|row| row.key == key).unwrap();
    let size = row("training.batch_size");
    assert!(!size.same);
    let found: Vec<_> = size
        .columns
        .iter()
        .map(|one| (one.name.as_str(), &one.value))
        .collect();
    assert_eq!(
        found,
        [
            ("48gb", &json!(16)),
            ("24gb", &json!(8)),
            ("24gb-tight", &json!(6))
        ]
    );
    let effects: Vec<_> = size
        .columns
        .iter()
        .map(|one| one.effect.as_deref())
        .collect();
    let less = Some("takes less device memory");
    assert_eq!(effects, [None, less, less]);
    let tight = Origin::Preset {
        preset: "24gb-tight".to_owned(),
        file: "configs/24gb-tight.toml".to_owned(),
        line: 9,
    };
    assert_eq!(size.columns[2].origin, tight);
    let seed = row("training.seed");
    assert!(seed.same && seed.columns.iter().all(|one| one.effect.is_none()));
    // One column differs, the last.
    let usage = rows[..]
        .iter()
        .filter(|row| !row.same)
        .map(|row| row.key.as_str());
    assert!(
        usage
            .clone()
            .any(|key| key == "memory_optimization.max_memory_usage")
    );
    assert!(!usage.clone().any(|key| key == "model.heads"));
}

#[test]
fn a_value_differs_in_its_last_column_only() {
    let same = || resolved(&Layers::preset("24gb"));
    let last = resolved(&with_sets(&["training.seed=7"]));
    let rows = rows(&[("a", same()), ("b", same()), ("c", last)]);
    let changed: Vec<&Comparison> = rows.iter().filter(|row| !row.same).collect();
    let [seed] = changed[..] else {
        panic!("{changed:?}")
    };
    assert_eq!(seed.key, "training.seed");
    assert_eq!(
        seed.columns.iter().map(Column::toml).collect::<Vec<_>>(),
        ["1", "1", "7"]
    );
    assert!(seed.doc.starts_with("Seed of"));
}
