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
fn frozen_weights_that_are_random() {
    let tune: &[&str] = &["training.tune_xvlm", "xvlm.weights"];
    let rate: &[&str] = &["training.xvlm_lr", "xvlm.weights"];
    let sets = |sets: &[&str]| Layers {
        preset: Some("48gb".to_owned()),
        ..with_sets(sets)
    };
    for preset in ["cpu", "48gb", "24gb"] {
        check(&Layers::preset(preset), &[]);
    }
    check(&sets(&["training.tune_xvlm=false"]), &[tune]);
    check(&sets(&["training.xvlm_lr=0"]), &[rate]);
    for frozen in ["training.tune_xvlm=false", "training.xvlm_lr=0"] {
        check(&sets(&[frozen, "xvlm.weights=x.pth"]), &[]);
    }
    let warnings = resolved(&sets(&["training.tune_xvlm=false"])).warnings;
    assert_eq!(
        warnings[0].to_string(),
        "`training.tune_xvlm = false` (--set training.tune_xvlm=false) and `xvlm.weights = \"\"` (default) are at odds: \
         image encoder and coarse branch, where the model has them, keep their random initial weights"
    );
}
