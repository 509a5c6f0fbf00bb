use std::borrow::Cow;

use serde_json::Value;

use crate::sample::Sample;
use crate::source::Source;

/// Whether some sample of a split has a text, a number or true or false in a field, as [`Tally::new`](super::Tally::new) takes it.
pub fn has_field(split: &dyn Source, field: &str) -> bool {
    let mut samples = split.samples().iter();
    samples.any(|sample| text(sample, field).is_some())
}

/// The text of a field of a sample, or of one within: `types.semantic`. Nothing if there is none, and where there are several.
pub(super) fn text<'a>(sample: &'a Sample, field: &str) -> Option<Cow<'a, str>> {
    let within = || {
        let (first, rest) = field.split_once('.')?;
        let pointer = format!("/{}", rest.replace('.', "/"));
        sample.fields.get(first)?.pointer(&pointer)
    };
    let value = sample.fields.get(field).or_else(within)?;
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(truth) => Some(Cow::Owned(truth.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
