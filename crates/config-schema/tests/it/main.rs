//! Behaviour of the crate through its public interface.

mod errors;
mod hostile;
mod layer_errors;
mod layers;
mod overlay;
mod presets;
mod properties;
mod render;
mod warnings;

use config_schema::{ConfigErrors, Layers, Resolved, Source, presets::lookup, resolve};

/// Layers with a user file on top of the preset `24gb`.
fn with_user(text: &str) -> Layers {
    Layers {
        fallback_preset: "24gb".to_owned(),
        user: Some(Source::new("user.toml", text)),
        ..Layers::default()
    }
}

/// Layers with `--set` on top of the preset `24gb`.
fn with_sets(sets: &[&str]) -> Layers {
    Layers {
        sets: sets.iter().map(|&text| text.to_owned()).collect(),
        ..Layers::preset("24gb")
    }
}

/// Layers with environment variables on top of the preset `24gb`.
fn with_environment(variables: &[(&str, &str)]) -> Layers {
    let variables = variables
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()));
    Layers {
        environment: variables.collect(),
        ..Layers::preset("24gb")
    }
}

#[track_caller]
fn resolved(layers: &Layers) -> Resolved {
    resolve(layers, &lookup).unwrap_or_else(|errors| panic!("{errors}"))
}

#[track_caller]
fn refused(layers: &Layers) -> ConfigErrors {
    match resolve(layers, &lookup) {
        Ok(resolved) => panic!("resolved to {:?}", resolved.config),
        Err(errors) => errors,
    }
}

/// Presets that are not embedded, by name.
fn lookup_in<'a>(presets: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<Source> + 'a {
    move |wanted| {
        let (name, text) = presets.iter().find(|(name, _)| *name == wanted)?;
        Some(Source::new(format!("configs/{name}.toml"), *text))
    }
}
