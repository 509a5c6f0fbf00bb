//! Values of YAML as TOML.

use config_schema::{Key, Kind, toml_value};
use serde_json::Value as Json;
use toml::de::DeValue;

use super::yaml::{Node, Value};

/// A YAML value as the TOML that gives it to a key: a key that takes words takes any word.
pub(super) fn as_toml(key: &Key, node: &Node) -> String {
    match &node.value {
        Value::Scalar { text, .. } if matches!(key.kind, Kind::Text { .. } | Kind::Choice(_)) => {
            quoted(text)
        }
        _ => value_as_toml(node),
    }
}

/// A YAML value as TOML. Its depth is bounded by [`yaml::read`].
fn value_as_toml(node: &Node) -> String {
    match &node.value {
        Value::Scalar { text, plain: true } => plain_as_toml(text),
        Value::Scalar { text, .. } => quoted(text),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(value_as_toml).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(_) => "{}".to_owned(),
    }
}

/// A word without quotes, as YAML 1.2 reads it, and 1.1 where that knows more words.
fn plain_as_toml(written: &str) -> String {
    match written.to_lowercase().as_str() {
        "true" | "yes" | "on" => return "true".to_owned(),
        "false" | "no" | "off" => return "false".to_owned(),
        ".inf" | "+.inf" => return "inf".to_owned(),
        "-.inf" => return "-inf".to_owned(),
        ".nan" => return "nan".to_owned(),
        _ => {}
    }
    // `1_000` is a number in YAML 1.1.
    let digits = match written.trim_start_matches(['+', '-']).as_bytes() {
        [b'0'..=b'9', ..] => written.replace('_', ""),
        _ => written.to_owned(),
    };
    let text = digits.as_str();
    if let Ok(integer) = text.parse::<i128>() {
        return integer.to_string();
    }
    if ["0x", "0o"].iter().any(|prefix| text.starts_with(prefix)) && DeValue::parse(text).is_ok() {
        return text.to_owned();
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => format!("{number:?}"),
        _ => quoted(written),
    }
}

fn quoted(text: &str) -> String {
    toml_value(&Json::from(text)).unwrap_or_default()
}
