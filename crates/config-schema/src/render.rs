//! Configurations as TOML text.

use serde_json::Value as Json;

use crate::{
    config::Config,
    schema::{self, Key},
};

const WIDTH: usize = 100;

/// Every key at its default, with what it does and the values it takes as comments.
///
/// A key that may be left out and has no default of its own is only mentioned.
pub fn default_toml() -> String {
    let mut text = String::new();
    for section in schema::sections() {
        comment(&mut text, &section.doc);
        text.extend(["[", &section.name, "]\n"]);
        for key in &section.keys {
            text.push('\n');
            comment(&mut text, &key.doc);
            comment(&mut text, &format!("Takes {}.", key.kind));
            match toml_value(&key.default) {
                Some(value) => text.extend([&key.name, " = ", &value, "\n"]),
                None => text.extend(["# ", &key.name, " is not stated by default.\n"]),
            }
        }
        text.push('\n');
    }
    text
}

/// Every key at its value. Read back as a user file, the text gives the same configuration on top of any preset.
pub fn to_toml(config: &Config) -> String {
    rows(config, |_| Vec::new())
}

/// A key's value as TOML, `None` for a key that does not exist or is not stated.
pub fn value_toml(config: &Config, path: &str) -> Option<String> {
    let (section, name) = path.split_once('.')?;
    toml_value(&values(config)[section][name])
}

/// The values of all keys as JSON: an object of sections, each an object of keys.
///
/// # Panics
///
/// Never: a configuration holds plain values alone.
pub fn values(config: &Config) -> Json {
    serde_json::to_value(config).expect("plain structs of plain values serialise")
}

/// Every key at its value, with the first note behind it and the others on lines of their own.
pub(crate) fn rows(config: &Config, notes: impl Fn(&Key) -> Vec<String>) -> String {
    let values = values(config);
    let mut text = String::new();
    for section in schema::sections() {
        if !text.is_empty() {
            text.push('\n');
        }
        text.extend(["[", &section.name, "]\n"]);
        for key in &section.keys {
            let Some(value) = toml_value(&values[&section.name][&key.name]) else {
                continue;
            };
            text.extend([&key.name, " = ", &value]);
            for (index, note) in notes(key).iter().enumerate() {
                text.push_str(if index == 0 { "  # " } else { "\n# " });
                text.push_str(&one_line(note));
            }
            text.push('\n');
        }
    }
    text
}

/// A value as TOML, floats in their shortest exact form; `None` for `null`, which TOML does not have.
pub fn toml_value(value: &Json) -> Option<String> {
    match value {
        Json::Number(number) if number.is_f64() => {
            number.as_f64().map(|number| format!("{number:?}"))
        }
        Json::String(text) => Some(toml::Value::String(text.clone()).to_string()),
        Json::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(toml_value).collect();
            items.map(|items| format!("[{}]", items.join(", ")))
        }
        Json::Bool(_) | Json::Number(_) => Some(value.to_string()),
        Json::Null | Json::Object(_) => None,
    }
}

/// The text of a comment. A flag or a file name may hold a line break, which would end it.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().flat_map(escape_control).collect()
}

fn escape_control(letter: char) -> impl Iterator<Item = char> {
    let escaped = letter.is_control().then(|| letter.escape_default());
    let plain = escaped.is_none().then_some(letter);
    escaped.into_iter().flatten().chain(plain)
}

pub(crate) fn comment(text: &mut String, words: &str) {
    let mut column = 0;
    for word in words.split_whitespace() {
        let width = word.chars().count() + 1;
        if column == 0 || column + width > WIDTH {
            text.push_str(if column == 0 { "#" } else { "\n#" });
            column = 1;
        }
        text.push(' ');
        text.push_str(word);
        column += width;
    }
    text.push('\n');
}
