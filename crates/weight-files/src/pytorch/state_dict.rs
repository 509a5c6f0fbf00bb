//! The state dict of a checkpoint, and where its tensors are in the file.

use std::collections::{BTreeMap, BTreeSet};

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
    for (name, value) in state_dict {
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
            _ => _ = ignored.insert(name),
        }
    }
    content.ignored = ignored.into_iter().map(ToOwned::to_owned).collect();
    Ok(content)
}

/// The items of a dictionary, the last one of each key.
type Items<'a> = BTreeMap<&'a str, Id>;

/// The items of the dictionary at `id`, if it is one. Keys that are no text share one name.
fn items<'a>(values: &[Value<'a>], id: Id) -> Option<Items<'a>> {
    let Value::Dict(items) = &values[id as usize] else {
        return None;
    };
    // Values before texts: comparing one long text with itself again and again would take long.
    let items: BTreeMap<Id, Id> = items.iter().copied().collect();
    let item = |(key, value)| match &values[key as usize] {
        Value::Text(key) => (*key, value),
        _ => ("a key that is no text", value),
    };
    Some(items.into_iter().map(item).collect())
}

fn holds_tensors(values: &[Value<'_>], items: &Items<'_>) -> bool {
    let is_tensor =
        |value: &Id| matches!(values[*value as usize], Value::Tensor(_) | Value::Unread(_));
    items.values().any(is_tensor)
}

/// The items of the state dict, and the keys beside it.
fn find<'a>(values: &[Value<'a>], root: Id) -> Result<(Items<'a>, BTreeSet<&'a str>), Fault> {
    if let Value::Object(class) = &values[root as usize] {
        return Err(Fault::WholeObject {
            class: class.to_string(),
        });
    }
    let outer = items(values, root).unwrap_or_default();
    // Before the dictionary itself: beside the weights programs store tensors such as the state of a random generator.
    for wanted in KEYS {
        let inner = outer.get(wanted).and_then(|value| items(values, *value));
        if let Some(inner) = inner.filter(|inner| holds_tensors(values, inner)) {
            let beside = outer.into_keys().filter(|key| *key != wanted);
            return Ok((inner, beside.collect()));
        }
    }
    if holds_tensors(values, &outer) {
        return Ok((outer, BTreeSet::new()));
    }
    let shown = |(key, value): (&str, Id)| match &values[value as usize] {
        Value::Object(class) => format!("{key} (an object of {class})"),
        _ => key.to_owned(),
    };
    Err(Fault::NoStateDict {
        keys: outer.into_iter().take(NAMED_KEYS).map(shown).collect(),
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
