use config_schema::{Config, Decision, Layers, differences, overlay_toml, value};
use proptest::prelude::*;
use serde_json::json;

use crate::{resolved, with_sets, with_user};

/// What an overlay gives as a file of the user.
fn overlaid(text: &str) -> Config {
    resolved(&with_user(text)).config
}

#[test]
fn an_overlay_reads_like_the_presets_that_come_with_the_program() {
    let decisions = [
        Decision::new("training.update_freq", 8, "4 x 8 = 32"),
        Decision::new("preset.description", "a small card", ""),
        Decision::new("training.batch_size", 4, "half"),
        Decision::new("training.lr", 2e-4, "lower"),
    ];
    let text = overlay_toml("For a small card.\nOr two.", "24gb", &decisions);
    assert_eq!(
        text,
        "# For a small card.
# Or two.
extends = \"24gb\"

[preset]
description = \"a small card\"

[training]
update_freq = 8  # 4 x 8 = 32
batch_size = 4   # half
lr = 0.0002      # lower
"
    );
    let config = overlaid(&text);
    assert_eq!(
        (config.training.batch_size, config.effective_batch()),
        (4, 32)
    );
}

#[test]
fn the_differences_of_two_configurations_lead_from_one_to_the_other() {
    let base = resolved(&Layers::preset("24gb")).config;
    let layers = [
        Layers::preset("48gb"),
        Layers::preset("cpu"),
        with_sets(&["training.lr=1e-3", "xvlm.depths=[2, 2]"]),
        with_sets(&["training.update_freq=16", "training.batch_size=2"]),
    ];
    for layers in layers {
        let wanted = resolved(&layers).config;
        let decisions = differences(&base, &wanted, |_| "as wanted".to_owned());
        let text = overlay_toml("", "24gb", &decisions);
        assert_eq!(overlaid(&text), wanted, "{text}");
        for decision in &decisions {
            assert_eq!(
                value(&wanted, &decision.key).as_ref(),
                Some(&decision.value)
            );
            assert_ne!(value(&base, &decision.key).as_ref(), Some(&decision.value));
        }
    }
    assert_eq!(differences(&base, &base, |_| String::new()), []);
    assert_eq!(value(&base, "training.none"), None);
}

proptest! {
    #[test]
    fn no_text_breaks_an_overlay(header: String, description: String, reason: String, root: String) {
        let decisions = [
            Decision::new("preset.description", json!(description), reason.clone()),
            Decision::new("dataset.root", json!(root), reason),
        ];
        let config = overlaid(&overlay_toml(&header, "24gb", &decisions));
        prop_assert_eq!(config.preset.description, description);
        prop_assert_eq!(config.dataset.root, root);
    }
}
