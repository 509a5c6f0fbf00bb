//! Layers in, configuration out.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    config::Config,
    error::{ConfigError, ConfigErrors, Found, Problem, Report, excerpt},
    layer::{self, File, Statement},
    overrides, presets, rules,
    sections::PrecisionMode,
    source::{Layered, Origin, Place, Source},
    stack::{Stated, Values},
    warning::{self, Warning},
};

/// What a configuration is resolved from, lowest layer first. Below all of them lies [`Config::default`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layers {
    /// The preset that was asked for.
    pub preset: Option<String>,
    /// The preset where neither `preset` nor the user's file names one.
    pub fallback_preset: String,
    /// The user's file.
    pub user: Option<Source>,
    /// Environment variables, name and value. Only `AOA_SECTION__KEY` are read, so the whole environment may be given.
    pub environment: Vec<(String, String)>,
    /// Assignments `section.key=value`; a later one wins.
    pub sets: Vec<String>,
}

impl Layers {
    /// A preset and nothing on top.
    pub fn preset(name: impl Into<String>) -> Self {
        Self {
            preset: Some(name.into()),
            ..Self::default()
        }
    }
}

/// A configuration and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The configuration, within all ranges and free of contradictions.
    pub config: Config,
    /// The preset it started from.
    pub preset: String,
    /// Who decided each key, by `section.key`; every key has an entry.
    pub origins: BTreeMap<String, Origin>,
    /// What each key was given by lower layers, the nearest first and the default last; every key has an entry.
    pub overridden: BTreeMap<String, Vec<Layered>>,
    /// Values that do not do what they seem to.
    pub warnings: Vec<Warning>,
}

impl Resolved {
    /// Puts the mode that was chosen for the device in the place of `precision.mode = "auto"`.
    pub fn choose_precision(&mut self, chosen: impl FnOnce() -> PrecisionMode) {
        if self.config.precision.mode == PrecisionMode::Auto {
            self.config.precision.mode = chosen();
            let from = "hardware.device".to_owned();
            let origin = Origin::Derived { from };
            self.origins.insert("precision.mode".to_owned(), origin);
        }
    }
}

/// Where the values of a resolved configuration are stated.
#[derive(Debug, Clone, PartialEq)]
pub struct Places {
    /// By `section.key`, where the value that counts is stated. Keys at their default have no entry.
    pub stated: BTreeMap<&'static str, Stated>,
    /// Where the preset says which preset it extends, if it does.
    pub extends: Option<Place>,
}

/// The preset that the layers state, in the argument or in the user's file. Where it is `None` the caller may look at
/// the device to choose `fallback_preset`. Errors in the file are left for [`resolve`] to report.
pub fn stated_preset(layers: &Layers) -> Option<String> {
    layers
        .preset
        .clone()
        .or_else(|| layers.user.as_ref().and_then(layer::extends_of))
}

/// Merges the layers: defaults, preset with all it extends, user file, environment, `--set`.
///
/// `lookup` finds presets by name; [`presets::lookup`](crate::presets::lookup) knows the embedded ones.
///
/// # Errors
///
/// Everything that is wrong in any layer, at once: syntax, unknown sections, keys, values and presets, types, ranges,
/// and values that cannot work together. Rules on several keys are applied where all of them are known.
pub fn resolve(
    layers: &Layers,
    lookup: &dyn Fn(&str) -> Option<Source>,
) -> Result<Resolved, ConfigErrors> {
    resolve_with_places(layers, lookup).map(|(resolved, _)| resolved)
}

/// [`resolve`], with the places in the texts where the values are stated.
///
/// # Errors
///
/// As [`resolve`].
pub fn resolve_with_places(
    layers: &Layers,
    lookup: &dyn Fn(&str) -> Option<Source>,
) -> Result<(Resolved, Places), ConfigErrors> {
    let mut report = Report::default();
    // Errors of presets are listed first, but the user's file has to be read before them: it may name the preset.
    let mut upper = Report::default();
    let user = layers
        .user
        .clone()
        .map(|source| layer::read_file(&Arc::new(source), None, &mut upper));
    let (preset, named_at) = choose_preset(layers, user.as_ref(), &mut upper);
    let chain = presets::read_chain(&preset, named_at, lookup, &mut report);
    let environment = overrides::read_environment(&layers.environment, &mut upper);
    let sets = overrides::read_sets(&layers.sets, &mut upper);
    report.errors.append(&mut upper.errors);
    report.unknown.append(&mut upper.unknown);
    report.incomplete |= upper.incomplete;

    let extends = chain.last().and_then(|preset| preset.extends.clone());
    let files = chain.into_iter().chain(user).map(|file| file.statements);
    let (config, values) = merge(files.chain([environment, sets]), report)?;
    let (origins, overridden) = values.provenance();
    let warnings = warning::warnings(&config, &origins);
    let resolved = Resolved {
        config,
        preset,
        origins,
        overridden,
        warnings,
    };
    let places = Places {
        stated: values.into_stated(),
        extends: extends.map(|(_, place)| place),
    };
    Ok((resolved, places))
}

/// The configuration that layers of statements make on top of the defaults, the lowest first.
pub(crate) fn merge(
    layers: impl IntoIterator<Item = Vec<Statement>>,
    mut report: Report,
) -> Result<(Config, Values), ConfigErrors> {
    let mut values = Values::default();
    for statements in layers {
        values.apply(statements, &mut report);
    }
    match values.config() {
        Ok(config) => {
            rules::check(&config, &values, &mut report);
            if report.errors.is_empty() {
                return Ok((config, values));
            }
        }
        Err(error) => report.errors.push(ConfigError {
            source: None,
            span: None,
            problem: Problem::Inconsistent {
                reason: error.to_string(),
            },
            help: None,
        }),
    }
    Err(ConfigErrors {
        errors: report.errors,
    })
}

/// The preset to start from and where it was named.
fn choose_preset(
    layers: &Layers,
    user: Option<&File>,
    report: &mut Report,
) -> (String, Option<Place>) {
    let extends = user.and_then(|file| file.extends.clone());
    match (&layers.preset, extends) {
        (Some(stated), extends) => {
            if let Some((extends, (source, span))) =
                extends.filter(|(extends, _)| extends != stated)
            {
                let problem = Problem::PresetConflict {
                    stated: excerpt(stated),
                    extends: excerpt(&extends),
                };
                let help = "state the preset in one place only".to_owned();
                report.text(&source, vec![Found::new(span, problem).help(help)]);
                report.incomplete = true;
            }
            let source = Arc::new(Source::new("--preset", stated.clone()));
            (stated.clone(), Some((source, 0..stated.len())))
        }
        (None, Some((extends, place))) => (extends, Some(place)),
        (None, None) => (layers.fallback_preset.clone(), None),
    }
}
