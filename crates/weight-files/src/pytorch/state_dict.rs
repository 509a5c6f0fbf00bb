//! The state dict of a checkpoint, and where its tensors are in the file.

use std::collections::BTreeMap;

use super::value::{Id, Storage, Value, View};
use crate::content::{Content, Stored, TensorInfo};
use crate::error::Fault;

/// Under which keys programs store a state dict, most common first.
const KEYS: [&str; 4] = ["model", "state_dict", "model_state_dict", "model_state"];

/// Keys that are named when there is no state dict.
const NAMED_KEYS: usize = 10;

/// Finds the state dict and its tensors. `locate` gives the offset of a storage in the file, in bytes.
pub(super) fn collect(
    values: &[Value<'_>],
    root: Id,
    file: u64,
    mut locate: impl FnMut(&Storage<'_>) -> Result<u64, Fault>,
) -> Result<Content, Fault> {
    let (state_dict, mut ignored) = find(values, root)?;
    let mut content = Content::default();
    for (name, value) in state_dict.named {
        match &values[value as usize] {
            Value::Tensor(view) => {
                let start = locate(&view.storage)?;
                let stored = place(view, start, file).map_err(|what| Fault::Tensor {
                    name: name.to_owned(),
                    what,
                })?;
                content.tensors.insert(name.to_owned(), stored);
            }
            Value::Unread(unread) => {
                content.unread.insert(name.to_owned(), unread.to_string());
            }
            _ => ignored.push(name.to_owned()),
        }
    }
    ignored.extend(state_dict.unnamed);
    ignored.sort_unstable();
    content.ignored = ignored;
    Ok(content)
}

/// The items of a dictionary, the last one of each key.
#[derive(Default)]
struct Items<'a> {
    /// Items whose key is text.
    named: BTreeMap<&'a str, Id>,
    /// A name for each other item, which says what its key is.
    unnamed: Vec<String>,
    /// Whether an item without a name is a tensor.
    unnamed_tensors: bool,
}

/// The items of the dictionary at `id`, if it is one.
fn items<'a>(values: &[Value<'a>], id: Id) -> Option<Items<'a>> {
    let Value::Dict(pairs) = &values[id as usize] else {
        return None;
    };
    // Values before texts: comparing one long text with itself again and again would take long.
    let places = pairs.iter().zip(1..);
    let pairs: BTreeMap<Id, (Id, usize)> = places
        .map(|((key, value), place)| (*key, (*value, place)))
        .collect();
    let mut items = Items::default();
    let mut numbered = BTreeMap::new();
    for (key, (value, place)) in pairs {
        match &values[key as usize] {
            Value::Text(key) => _ = items.named.insert(*key, value),
            Value::Int(key) => _ = numbered.insert(*key, value),
            key => {
                let key = match key {
                    Value::Object(class) => format!("an object of {class}"),
                    _ => "no text".to_owned(),
                };
                items.leave_out(values, &format!("key {place}"), &key, value);
            }
        }
    }
    for (key, value) in numbered {
        items.leave_out(values, &key.to_string(), "a number", value);
    }
    Some(items)
}

impl Items<'_> {
    /// Notes an item whose key is `kind` instead of text. The names of a state dict are texts.
    fn leave_out(&mut self, values: &[Value<'_>], name: &str, kind: &str, value: Id) {
        let tensor = is_tensor(values, value);
        self.unnamed_tensors |= tensor;
        let what = if tensor { "a tensor whose" } else { "its" };
        self.unnamed.push(format!("{name} ({what} key is {kind})"));
    }

    fn hold_tensors(&self, values: &[Value<'_>]) -> bool {
        self.named.values().any(|value| is_tensor(values, *value))
    }
}

fn is_tensor(values: &[Value<'_>], id: Id) -> bool {
    matches!(values[id as usize], Value::Tensor(_) | Value::Unread(_))
}

/// The items of the state dict, and what is beside it.
fn find<'a>(values: &[Value<'a>], root: Id) -> Result<(Items<'a>, Vec<String>), Fault> {
    if let Value::Object(class) = &values[root as usize] {
        return Err(Fault::WholeObject {
            class: class.to_string(),
        });
    }
    let outer = items(values, root).unwrap_or_default();
    // Before the dictionary itself: beside the weights programs store tensors such as the state of a random generator.
    for wanted in KEYS {
        let inner = outer.named.get(wanted);
        let inner = inner.and_then(|value| items(values, *value));
        if let Some(inner) = inner.filter(|inner| inner.hold_tensors(values)) {
            let beside = outer.named.into_keys().filter(|key| *key != wanted);
            let beside = beside.map(ToOwned::to_owned).chain(outer.unnamed);
            return Ok((inner, beside.collect()));
        }
    }
    if outer.hold_tensors(values) {
        return Ok((outer, Vec::new()));
    }
    let shown = |(key, value): (&str, Id)| match &values[value as usize] {
        Value::Object(class) => format!("{key} (an object of {class})"),
        Value::Dict(_) if items(values, value).is_some_and(|items| items.unnamed_tensors) => {
            format!("{key} (tensors whose keys are no text)")
        }
        _ => key.to_owned(),
    };
    let named = outer.named.into_iter().map(shown);
    Err(Fault::NoStateDict {
        keys: named.chain(outer.unnamed).take(NAMED_KEYS).collect(),
    })
}

/// Where the elements of a view are, given the start of its storage; both in bytes. The view lies in its storage and is
/// no longer than the file.
fn place(view: &View<'_>, start: u64, file: u64) -> Result<Stored, &'static str> {
    if view.shape.len() != view.strides.len() {
        return Err("its shape and its strides have different numbers of axes");
    }
    let size = view.dtype.bitsize() as u64 / 8;
    let elements = view
        .shape
        .iter()
        .try_fold(1_u64, |all, n| all.checked_mul(*n as u64));
    let bytes = elements.and_then(|elements| elements.checked_mul(size));
    if bytes.is_none_or(|bytes| bytes > file) {
        return Err("it is larger than the file");
    }
    // One behind the last element, counted from the start of the storage.
    let end = if elements == Some(0) {
        Some(view.offset)
    } else {
        let mut steps = view.shape.iter().zip(&view.strides);
        let last = steps.try_fold(view.offset, |last, (n, step)| {
            last.checked_add((*n as u64 - 1).checked_mul(*step as u64)?)
        });
        last.and_then(|last| last.checked_add(1))
    };
    let end = end.and_then(|end| end.checked_mul(size));
    if end.is_none_or(|end| Some(end) > view.storage.bytes()) {
        return Err("it reaches beyond its storage");
    }
    let end = end.and_then(|end| start.checked_add(end));
    if end.is_none_or(|end| end > file) {
        return Err("it reaches beyond the file");
    }
    Ok(Stored {
        info: TensorInfo {
            dtype: view.dtype,
            shape: view.shape.clone(),
        },
        start: start + view.offset * size,
        strides: (elements != Some(0) && !is_row_major(view)).then(|| view.strides.clone()),
    })
}

fn is_row_major(view: &View<'_>) -> bool {
    let mut expected = 1;
    view.shape.iter().zip(&view.strides).rev().all(|(n, step)| {
        let fits = *n == 1 || *step == expected;
        expected *= n;
        fits
    })
}
