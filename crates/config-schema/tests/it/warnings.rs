use config_schema::Layers;

use crate::{resolved, with_sets};

fn check(layers: &Layers, expected: &[&[&str]]) {
    let warnings = resolved(layers).warnings;
    let keys: Vec<Vec<&str>> = warnings
        .iter()
        .map(|warning| {
            warning
                .keys
                .iter()
                .map(|stated| stated.key.as_str())
                .collect()
        })
        .collect();
    assert_eq!(keys, expected);
}

#[test]
fn keys_not_yet_in_effect() {
    let dynamic: &[&str] = &[
        "memory_optimization.dynamic_batch_size",
        "memory_optimization.max_memory_usage",
    ];
    let precision: &[&str] = &["precision.mode"];
    check(&Layers::preset("cpu"), &[]);
    check(&Layers::preset("48gb"), &[]);
    check(&Layers::preset("24gb"), &[dynamic]);
    let mut layers = with_sets(&[
        "precision.mode=bf16",
        "memory_optimization.dynamic_batch_size=false",
    ]);
    check(&layers, &[precision]);
    layers.preset = Some("48gb".to_owned());
    check(&layers, &[precision]);
}

#[test]
fn a_warning_names_value_and_origin() {
    let warnings = resolved(&with_sets(&["memory_optimization.max_memory_usage=0.5"])).warnings;
    assert_eq!(
        warnings[0].to_string(),
        "`memory_optimization.dynamic_batch_size = true` (preset 24gb, configs/24gb.toml:25) and \
         `memory_optimization.max_memory_usage = 0.5` (--set memory_optimization.max_memory_usage=0.5) are not yet in \
         effect: the micro-batch keeps the size of training.batch_size, and no budget is kept"
    );
}
