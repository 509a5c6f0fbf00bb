//! The ids by which a server knows questions again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use data_pipeline::{Sample, Source};
use serde_json::Value;

use crate::args::ResultFormat;
use crate::predict_error::PredictError;

/// Field of a question with its id.
const ID: &str = "question_id";

/// The id of each question in the form of a result, in their order; none where the form needs none.
///
/// # Errors
///
/// When a question has no id or a wrong one, or two have one id: with the first fault and the number of others.
pub fn of(format: ResultFormat, source: &dyn Source) -> Result<Vec<Value>, PredictError> {
    if format == ResultFormat::Jsonl {
        return Ok(Vec::new());
    }
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut ids = Vec::with_capacity(source.samples().len());
    let mut faults = Vec::new();
    for (number, sample) in source.samples().iter().enumerate() {
        let place = || source.sample_place(number);
        let id = match of_sample(format, source, sample, &place) {
            Ok(id) => id,
            Err(fault) => {
                faults.push(fault);
                continue;
            }
        };
        match known.entry(id.to_string()) {
            Entry::Occupied(first) => faults.push(PredictError::SameId {
                place: place(),
                what: if format == ResultFormat::Vizwiz {
                    "the image"
                } else {
                    "`question_id`"
                },
                id: id.to_string(),
                first: source.sample_place(*first.get()),
                more: 0,
            }),
            Entry::Vacant(free) => {
                free.insert(number);
            }
        }
        ids.push(id);
    }
    let others = faults.len().saturating_sub(1);
    let Some(mut first) = faults.into_iter().next() else {
        return Ok(ids);
    };
    if let PredictError::NoId { more, .. }
    | PredictError::WrongId { more, .. }
    | PredictError::SameId { more, .. } = &mut first
    {
        *more = others;
    }
    Err(first)
}

fn of_sample(
    format: ResultFormat,
    source: &dyn Source,
    sample: &Sample,
    place: &dyn Fn() -> String,
) -> Result<Value, PredictError> {
    if format == ResultFormat::Vizwiz {
        // A question is known by the name of its image, whichever folder that lies in.
        let name = source.image_id(sample.image);
        let file = name.rsplit('/').next().unwrap_or(&name);
        return Ok(file.into());
    }
    let wrong = |id: &Value, needs| PredictError::WrongId {
        place: place(),
        id: id.to_string(),
        format: format.name(),
        needs,
        more: 0,
    };
    match (sample.fields.get(ID), format) {
        (None | Some(Value::Null), _) => Err(PredictError::NoId {
            place: place(),
            format: format.name(),
            more: 0,
        }),
        (Some(id), ResultFormat::Vqa) => whole(id).ok_or_else(|| wrong(id, "a whole number")),
        (Some(Value::String(id)), _) if !id.is_empty() => Ok(id.as_str().into()),
        (Some(Value::Number(id)), _) if !id.is_f64() => Ok(id.to_string().into()),
        (Some(id), _) => Err(wrong(id, "a text")),
    }
}

/// A whole number, also of a text that is written as numbers are; `0190` is another id than `190`.
fn whole(id: &Value) -> Option<Value> {
    match id {
        Value::Number(number) if !number.is_f64() => Some(id.clone()),
        Value::String(text) => {
            let number: i64 = text.parse().ok()?;
            (number.to_string() == *text).then(|| number.into())
        }
        _ => None,
    }
}
