//! Rules on several keys.

use std::collections::BTreeMap;

use crate::{
    Branches, Config, ImageEncoder,
    error::{ConfigError, Found, Problem, Report},
    layer::Statement,
    render,
    resolve::Values,
    schema,
    source::Origin,
    warning::StatedKey,
};

/// Two spellings of one fact: the micro-batches of one optimizer update.
pub(crate) const ACCUMULATION: [&str; 2] = [
    "training.update_freq",
    "memory_optimization.gradient_accumulation_steps",
];

/// What a number of heads does that does not fit a hidden size.
pub(crate) const DOES_NOT_DIVIDE: &str = "does not divide";

/// The statement that follows from the one spelling of accumulation that a layer states, or an error if it states both
/// and they differ. So the highest layer that states either decides both.
pub(crate) fn derive_accumulation(
    stated: &BTreeMap<&'static str, Statement>,
    report: &mut Report,
) -> Option<Statement> {
    let [update_freq, steps] = ACCUMULATION;
    let (from, to) = match (stated.get(update_freq), stated.get(steps)) {
        (None, None) => return None,
        (Some(from), None) => (from, steps),
        (None, Some(from)) => (from, update_freq),
        (Some(update_freq), Some(steps)) => {
            if update_freq.value != steps.value {
                let problem = Problem::AccumulationDiffers {
                    update_freq: update_freq.value.as_u64().unwrap_or_default(),
                    update_freq_origin: update_freq.origin.clone(),
                    steps: steps.value.as_u64().unwrap_or_default(),
                    steps_origin: steps.origin.clone(),
                };
                let (source, span) = steps.place.clone();
                let help = "state one of the two; the other is derived".to_owned();
                report.text(&source, vec![Found::new(span, problem).help(help)]);
            }
            return None;
        }
    };
    let key = schema::keys().find(|key| key.path == to)?;
    Some(Statement {
        key,
        value: from.value.clone(),
        origin: Origin::Derived {
            from: from.key.path.clone(),
        },
        place: from.place.clone(),
    })
}

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
            incompatible(keys, DOES_NOT_DIVIDE, help, config, values, report);
        }
    }
    if coarse && xvlm.fusion_layer >= xvlm.text_layers {
        let help = "a layer must be left that looks at the image".to_owned();
        let keys = ["xvlm.fusion_layer", "xvlm.text_layers"];
        incompatible(keys, "is not below", help, config, values, report);
    }
    if !fine && let Some(key) = config.freezing_key() {
        let help = "train the coarse branch, or add the fine one".to_owned();
        let verb = "leaves nothing to train of";
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
        .max_by_key(|(layer, _)| *layer)
        .map(|(_, place)| place);
    let [first, second] = keys.map(|path| StatedKey {
        key: path.to_owned(),
        value: render::value_of(config, path).unwrap_or_default(),
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
