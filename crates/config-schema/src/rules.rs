//! Rules on several keys.

use crate::{
    config::Config,
    error::{ConfigError, Problem, Report},
    render,
    sections::{Branches, ImageEncoder},
    source::{Origin, StatedKey},
    stack::Values,
};

/// Applies every rule whose keys are all known.
pub(crate) fn check(config: &Config, values: &Values, report: &mut Report) {
    if report.incomplete {
        return;
    }
    let (model, xvlm) = (&config.model, &config.xvlm);
    let fine = model.branches != Branches::Coarse;
    let coarse = model.branches != Branches::Fine;
    let heads = [
        (
            ["model.heads", "model.num_hid"],
            [model.heads, model.num_hid],
        ),
        (
            ["xvlm.text_heads", "xvlm.text_hidden"],
            [xvlm.text_heads, xvlm.text_hidden],
        ),
    ];
    for (keys, [heads, hidden]) in heads {
        if !hidden.is_multiple_of(heads) {
            let fitting = (1..=heads)
                .rev()
                .find(|heads| hidden.is_multiple_of(*heads))
                .unwrap_or(1);
            let help = format!("{} = {fitting} would divide it", keys[0]);
            let verb = Problem::DOES_NOT_DIVIDE;
            incompatible(keys, verb, help, config, values, report);
        }
    }
    if coarse && xvlm.fusion_layer >= xvlm.text_layers {
        let help = "a layer must be left that looks at the image".to_owned();
        let keys = ["xvlm.fusion_layer", "xvlm.text_layers"];
        incompatible(keys, "is not below", help, config, values, report);
    }
    if !fine && let Some(key) = config.freezing_key() {
        let help = "train the coarse branch, or add the fine one".to_owned();
        let verb = "leaves nothing to train in";
        incompatible([key, "model.branches"], verb, help, config, values, report);
    }
    if !xvlm.weights.is_empty() {
        let misfit = if coarse {
            (model.image_encoder != ImageEncoder::Swin).then_some("model.image_encoder")
        } else {
            Some("model.branches")
        };
        if let Some(misfit) = misfit {
            let help =
                "published weights need the coarse branch and `model.image_encoder = \"swin\"`"
                    .to_owned();
            let verb = "has no place in";
            incompatible(["xvlm.weights", misfit], verb, help, config, values, report);
        }
    }
}

/// Reports that two keys cannot work together, unless one of them is already known to be wrong.
fn incompatible(
    keys: [&'static str; 2],
    verb: &'static str,
    help: String,
    config: &Config,
    values: &Values,
    report: &mut Report,
) {
    if keys.iter().any(|path| report.unknown.contains(path)) {
        return;
    }
    let stated = keys.map(|path| values.get(path));
    // The statement of the higher layer is the one that broke what the lower had right.
    let place = stated
        .into_iter()
        .flatten()
        .filter_map(|value| value.stated.clone())
        .max_by_key(|stated| stated.layer)
        .map(|stated| stated.place);
    let [first, second] = keys.map(|path| StatedKey {
        key: path.to_owned(),
        value: render::value_toml(config, path).unwrap_or_default(),
        origin: values
            .get(path)
            .map_or(Origin::Default, |value| value.origin.clone()),
    });
    let (source, span) = place.unzip();
    report.errors.push(ConfigError {
        source,
        span,
        problem: Problem::Incompatible {
            first,
            verb,
            second,
        },
        help: Some(help),
    });
}
