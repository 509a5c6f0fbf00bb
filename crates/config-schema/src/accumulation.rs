//! The two keys that state the micro-batches of an update.

use std::collections::BTreeMap;

use crate::{
    error::{Found, Problem, Report},
    layer::Statement,
    schema,
    source::Origin,
};

/// Two keys that state one fact, the micro-batches of an optimizer step. A layer states either, and the other follows.
pub const ACCUMULATION: [&str; 2] = [
    "training.update_freq",
    "memory_optimization.gradient_accumulation_steps",
];

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
