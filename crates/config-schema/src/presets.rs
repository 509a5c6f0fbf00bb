//! The presets that are part of the program, and the chains that `extends` makes of presets.

use std::{path::Path, sync::Arc};

use crate::{
    error::{ConfigError, Found, Problem, Report, excerpt},
    layer::{File, read_file},
    source::{Place, Source},
    suggest,
};

/// A preset that is part of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// The name by which `extends` and `--preset` call it.
    pub name: &'static str,
    /// The text of its file.
    pub text: &'static str,
}

macro_rules! embed {
    ($($name:literal),+ $(,)?) => {
        &[$(Preset {
            name: $name,
            text: include_str!(concat!("../../../configs/", $name, ".toml")),
        }),+]
    };
}

static EMBEDDED: &[Preset] = embed![
    "48gb",
    "24gb",
    "24gb-headroom",
    "24gb-tight",
    "cpu",
    "cpu-both"
];

/// The presets that are part of the program.
pub fn embedded() -> &'static [Preset] {
    EMBEDDED
}

/// The embedded preset of that name, as [`resolve`](crate::resolve()) looks one up.
pub fn lookup(name: &str) -> Option<Source> {
    let preset = EMBEDDED.iter().find(|preset| preset.name == name)?;
    Some(Source::new(format!("configs/{name}.toml"), preset.text))
}

/// What to say of a name that no preset has: the nearest, and all there are.
pub fn suggestion(name: &str) -> String {
    suggest::for_choice(name, EMBEDDED.iter().map(|preset| preset.name))
}

/// Reads a preset and those it extends, the one that extends none first. `named_at` is where `name` was written.
pub(crate) fn read_chain(
    name: &str,
    named_at: Option<Place>,
    lookup: &dyn Fn(&str) -> Option<Source>,
    report: &mut Report,
) -> Vec<File> {
    let mut chain: Vec<String> = Vec::new();
    let mut files = Vec::new();
    let mut next = Some((name.to_owned(), named_at));
    while let Some((name, named_at)) = next {
        let circle = chain.contains(&name);
        chain.push(name.clone());
        if circle {
            let help = "take one `extends` out".to_owned();
            let chain = chain.iter().map(|name| excerpt(name)).collect();
            fail(report, named_at, Problem::ExtendsCycle { chain }, help);
            break;
        }
        let Some(source) = lookup(&name) else {
            let known = EMBEDDED.iter().map(|preset| preset.name);
            let help = suggest::for_choice(&name, known.filter(|name| lookup(name).is_some()));
            let name = excerpt(&name);
            fail(report, named_at, Problem::UnknownPreset { name }, help);
            break;
        };
        let file = read_file(&Arc::new(source), Some(&name), report);
        next = file
            .extends
            .clone()
            .map(|(extends, place)| (extended(&name, extends, lookup), Some(place)));
        files.push(file);
    }
    files.reverse();
    files
}

/// Whether a preset is named by the path of its file.
pub fn is_path(name: &str) -> bool {
    let path = Path::new(name);
    name.contains(std::path::MAIN_SEPARATOR) || path.extension().is_some_and(|end| end == "toml")
}

/// The preset that a preset means by what it extends: for a preset that is named by its path, the file of that name beside
/// it; where there is none, the preset that is known by the name. No preset extends itself.
fn extended(name: &str, extends: String, lookup: &dyn Fn(&str) -> Option<Source>) -> String {
    if !is_path(name) || is_path(&extends) {
        return extends;
    }
    let sibling = Path::new(name).with_file_name(format!("{extends}.toml"));
    match sibling.to_str() {
        Some(sibling) if sibling != name && lookup(sibling).is_some() => sibling.to_owned(),
        _ => extends,
    }
}

fn fail(report: &mut Report, place: Option<Place>, problem: Problem, help: String) {
    report.incomplete = true;
    match place {
        Some((source, span)) => report.text(&source, vec![Found::new(span, problem).help(help)]),
        None => report.errors.push(ConfigError {
            source: None,
            span: None,
            problem,
            help: Some(help),
        }),
    }
}
