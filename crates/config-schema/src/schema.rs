//! What keys there are: a reading of the JSON schema that is derived from [`Config`].

use std::{fmt, sync::OnceLock};

use schemars::generate::SchemaSettings;
use serde_json::{Value as Json, json};

use crate::config::Config;

/// The mark of a key in the schema from whose value the memory of training follows.
const TAKES_MEMORY: &str = "x-takes-memory";

/// The JSON schema (draft 2020-12) of a configuration file, self-contained.
pub fn json_schema() -> Json {
    let mut schema = config_schema();
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.insert(
            "extends".to_owned(),
            json!({
                "type": "string",
                "description": "Name of the preset that this file starts from; the file then states only differences.",
            }),
        );
    }
    schema["title"] = json!("Configuration of a training run");
    schema
}

/// [`json_schema`] as text.
pub fn schema_text() -> String {
    format!("{:#}\n", json_schema())
}

fn config_schema() -> Json {
    SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<Config>()
        .to_value()
}

/// A section and its keys, in the order of declaration.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Name of the table.
    pub name: String,
    /// What the section is about.
    pub doc: String,
    /// The keys of the section.
    pub keys: Vec<Key>,
}

/// One key: what it does and which values it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// `section.name`.
    pub path: String,
    /// Name within the section.
    pub name: String,
    /// What the key does, its unit and what it costs.
    pub doc: String,
    /// The values it takes.
    pub kind: Kind,
    /// The value where nobody states one, `null` where the key may be left out.
    pub default: Json,
    /// Whether the memory that training takes follows from it, as from the sizes of a model.
    pub takes_memory: bool,
}

impl Key {
    /// Name of the section.
    pub fn section(&self) -> &str {
        self.path.split('.').next().unwrap_or_default()
    }

    /// The first sentence of [`doc`](Self::doc), without its full stop.
    pub fn summary(&self) -> &str {
        let end = self.doc.find(". ").unwrap_or(self.doc.len());
        self.doc[..end].trim_end_matches('.')
    }
}

/// The values that a key takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// `true`, `false` or one of a list of strings.
    Switch(Vec<String>),
    /// A whole number, both ends included.
    Integer {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// A finite number.
    Number(Bounds),
    /// Any string, or one of the named form.
    Text {
        /// The form the string must have.
        format: Option<String>,
    },
    /// One of a list of strings.
    Choice(Vec<String>),
    /// A list.
    Array {
        /// The values of an element.
        item: Box<Kind>,
        /// Least number of elements.
        min: usize,
        /// Greatest number of elements.
        max: usize,
    },
}

/// The range of a number; an end that is `None` is open to the end of the floats.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bounds {
    /// Least value, and whether it is itself outside.
    pub min: Option<(f64, bool)>,
    /// Greatest value, and whether it is itself outside.
    pub max: Option<(f64, bool)>,
}

impl Bounds {
    /// Whether a number lies within. NaN and the infinities never do.
    pub fn contains(&self, number: f64) -> bool {
        number.is_finite()
            && self
                .min
                .is_none_or(|(min, open)| if open { number > min } else { number >= min })
            && self
                .max
                .is_none_or(|(max, open)| if open { number < max } else { number <= max })
    }
}

impl fmt::Display for Kind {
    /// The values in words: "an integer from 1 to 4096".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("true or false"),
            Self::Switch(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                write!(f, "true, false or {}", words.join(" or "))
            }
            Self::Integer { min, max: i64::MAX } => write!(f, "an integer, {min} or more"),
            Self::Integer { min, max } => write!(f, "an integer from {min} to {max}"),
            Self::Number(bounds) => {
                let min = bounds.min.map(|(min, open)| {
                    format!("{} {min:?}", if open { "above" } else { "of at least" })
                });
                let max = bounds.max.map(|(max, open)| {
                    format!("{} {max:?}", if open { "below" } else { "at most" })
                });
                let ends: Vec<String> = min.into_iter().chain(max).collect();
                match ends.as_slice() {
                    [] => f.write_str("a finite number"),
                    ends => write!(f, "a number {}", ends.join(" and ")),
                }
            }
            Self::Text { .. } => f.write_str("a string"),
            Self::Choice(values) => {
                let values: Vec<String> = values.iter().map(|v| format!("\"{v}\"")).collect();
                write!(f, "one of {}", values.join(", "))
            }
            Self::Array { item, min, max } if min == max => {
                write!(f, "a list of {min}, each {item}")
            }
            Self::Array { item, min, max } => {
                write!(f, "a list of {min} to {max}, each {item}")
            }
        }
    }
}

impl Kind {
    /// The type alone, as TOML names it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Boolean => "a boolean",
            Self::Switch(_) => "a boolean or a word",
            Self::Integer { .. } => "an integer",
            Self::Number(_) => "a number",
            Self::Text { .. } | Self::Choice(_) => "a string",
            Self::Array { .. } => "an array",
        }
    }

    fn read(schema: &Json) -> Option<Self> {
        if let Some(values) = choices(schema) {
            return Some(Self::Choice(values));
        }
        if let Some(values) = schema["enum"].as_array() {
            let words = values.iter().filter(|value| !value.is_boolean());
            let words = words.map(|word| word.as_str().map(str::to_owned));
            return words.collect::<Option<_>>().map(Self::Switch);
        }
        // An optional key has the types ["integer", "null"].
        let kind = match &schema["type"] {
            Json::Array(types) => types.iter().find(|kind| *kind != "null")?.as_str()?,
            kind => kind.as_str()?,
        };
        Some(match kind {
            "boolean" => Self::Boolean,
            "integer" => Self::Integer {
                min: schema["minimum"].as_i64()?,
                max: schema["maximum"].as_i64()?,
            },
            "number" => {
                let end = |closed: &str, open: &str| {
                    let closed = schema[closed].as_f64().map(|end| (end, false));
                    closed.or_else(|| schema[open].as_f64().map(|end| (end, true)))
                };
                Self::Number(Bounds {
                    min: end("minimum", "exclusiveMinimum"),
                    max: end("maximum", "exclusiveMaximum"),
                })
            }
            "string" => Self::Text {
                format: schema["format"].as_str().map(str::to_owned),
            },
            "array" => Self::Array {
                item: Box::new(Self::read(&schema["items"])?),
                min: usize::try_from(schema["minItems"].as_u64().unwrap_or(0)).ok()?,
                max: usize::try_from(schema["maxItems"].as_u64()?).ok()?,
            },
            _ => return None,
        })
    }
}

/// The strings of an enum: `enum: [..]`, and one `const` each for variants that carry a doc comment.
fn choices(schema: &Json) -> Option<Vec<String>> {
    if let Some(variants) = schema["oneOf"].as_array() {
        let values = variants.iter().map(|variant| {
            let value = variant["const"]
                .as_str()
                .map(|value| vec![value.to_owned()]);
            value.or_else(|| choices(variant))
        });
        return values
            .collect::<Option<Vec<_>>>()
            .map(|values| values.concat());
    }
    let values = schema["enum"].as_array()?;
    values
        .iter()
        .map(|value| value.as_str().map(str::to_owned))
        .collect()
}

/// Doc comments are wrapped in the source; a reader wants one line.
fn doc(schema: &Json) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn read_sections() -> Option<Vec<Section>> {
    let schema = config_schema();
    let defaults = serde_json::to_value(Config::default()).ok()?;
    let read_section = |(section, schema): (&String, &Json)| {
        let keys = schema["properties"]
            .as_object()?
            .iter()
            .map(|(name, schema)| {
                Some(Key {
                    path: format!("{section}.{name}"),
                    name: name.clone(),
                    doc: doc(schema),
                    kind: Kind::read(schema)?,
                    default: defaults[section][name].clone(),
                    takes_memory: schema[TAKES_MEMORY] == json!(true),
                })
            });
        Some(Section {
            name: section.clone(),
            doc: doc(schema),
            keys: keys.collect::<Option<_>>()?,
        })
    };
    schema["properties"]
        .as_object()?
        .iter()
        .map(read_section)
        .collect()
}

/// Every section of the configuration, in the order of declaration.
///
/// # Panics
///
/// Never on input; only if a field of [`Config`] has a type or lacks a range that [`Kind`] can express, which a test of
/// this crate rules out.
pub fn sections() -> &'static [Section] {
    static SECTIONS: OnceLock<Vec<Section>> = OnceLock::new();
    SECTIONS.get_or_init(|| read_sections().expect("every field of Config is of a known kind"))
}

/// Every key of the configuration, in the order of declaration.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    sections().iter().flat_map(|section| &section.keys)
}

/// The key of that section and name.
pub(crate) fn find(section: &str, name: &str) -> Option<&'static Key> {
    let section = sections()
        .iter()
        .find(|candidate| candidate.name == section)?;
    section.keys.iter().find(|key| key.name == name)
}

#[cfg(test)]
mod tests;
