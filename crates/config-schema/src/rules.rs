//! Rules on several keys.

use std::collections::BTreeMap;

use crate::{
    Config,
    error::{ConfigError, Found, Problem, Report},
    layer::Statement,
    resolve::Values,
    schema,
    source::Origin,
};

/// Two spellings of one fact: the micro-batches of one optimizer update.
pub(crate) const ACCUMULATION: [&str; 2] = [
    "training.update_freq",
    "memory_optimization.gradient_accumulation_steps",
];

/// The statement that follows from the one spelling of accumulation that a layer states, or an error if it states both
/// and they differ. So the highest layer that states either decides both.
pub(crate) fn derive_accumulation(
    stated: &BTreeMap<&'static str, Statement>,
    report: &mut Report,
) -> Option<(&'static str, Statement)> {
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
    let statement = Statement {
        key,
        value: from.value.clone(),
        origin: Origin::Derived {
            from: from.key.path.clone(),
        },
        place: from.place.clone(),
    };
    Some((&key.path, statement))
}

/// Applies every rule whose keys are all known.
pub(crate) fn check(config: &Config, values: &Values, report: &mut Report) {
    if !report.incomplete {
        heads_divide_hidden_size(config, values, report);
    }
}

fn heads_divide_hidden_size(config: &Config, values: &Values, report: &mut Report) {
    let paths = ["model.heads", "model.num_hid"];
    let (heads, num_hid) = (config.model.heads, config.model.num_hid);
    if num_hid.is_multiple_of(heads) || paths.iter().any(|path| report.unknown.contains(path)) {
        return;
    }
    let [heads_value, num_hid_value] = paths.map(|path| values.get(path));
    let origin = |value: Option<&crate::resolve::Value>| {
        value.map_or(Origin::Default, |value| value.origin.clone())
    };
    let problem = Problem::HeadsDoNotDivide {
        heads,
        heads_origin: origin(heads_value),
        num_hid,
        num_hid_origin: origin(num_hid_value),
    };
    // The statement of the higher layer is the one that broke what the lower had right.
    let stated = [heads_value, num_hid_value]
        .into_iter()
        .flatten()
        .filter_map(|value| value.stated.clone());
    let place = stated
        .max_by_key(|(layer, _)| *layer)
        .map(|(_, place)| place);
    let fitting = (1..=heads)
        .rev()
        .find(|heads| num_hid.is_multiple_of(*heads))
        .unwrap_or(1);
    let (source, span) = place.unzip();
    report.errors.push(ConfigError {
        source,
        span,
        problem,
        help: Some(format!("model.heads = {fitting} would divide it")),
    });
}
