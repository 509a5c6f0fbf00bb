//! Storages and tensors from the values that describe them.

use super::pickle::Broken;
use super::value::{Function, Id, Storage, Value, View};
use crate::Dtype;
use crate::error::Fault;

/// Axes of the tensor with the most of them. Weights have up to five.
const MOST_AXES: usize = 8;

/// Length of the longest key of a storage, in bytes. `PyTorch` counts storages or uses addresses.
const LONGEST_KEY: usize = 64;

/// The storage that the tuple `("storage", type, key, location, elements)` at `id` describes.
pub(super) fn storage<'a>(values: &[Value<'a>], id: Id) -> Result<Storage<'a>, Broken> {
    let at = |id: Id| &values[id as usize];
    let Value::Tuple(fields) = at(id) else {
        return Err(Broken::Pickle("a storage is no tuple"));
    };
    let [_, kind, key, _, elements, view @ ..] = &fields[..] else {
        return Err(Broken::Pickle("a storage has too few fields"));
    };
    if view
        .iter()
        .any(|field| !matches!(at(*field), Value::Opaque))
    {
        return Err(Broken::Pickle(
            "a storage is part of another, which is not read",
        ));
    }
    match (at(*kind), at(*key), at(*elements)) {
        (Value::Function(kind), Value::Text(key), Value::Int(elements))
            if key.len() <= LONGEST_KEY =>
        {
            Ok(Storage {
                key,
                dtype: element_type(*kind)?,
                elements: u64::try_from(*elements)
                    .map_err(|_| Broken::Pickle("a storage has less than no elements"))?,
            })
        }
        _ => Err(Broken::Pickle("a storage has fields of the wrong kind")),
    }
}

fn element_type(storage: Function<'_>) -> Result<Dtype, Broken> {
    Ok(match (storage.module, storage.name) {
        ("torch", "FloatStorage") => Dtype::F32,
        ("torch", "DoubleStorage") => Dtype::F64,
        ("torch", "HalfStorage") => Dtype::F16,
        ("torch", "BFloat16Storage") => Dtype::BF16,
        ("torch", "LongStorage") => Dtype::I64,
        ("torch", "IntStorage") => Dtype::I32,
        ("torch", "ShortStorage") => Dtype::I16,
        ("torch", "CharStorage") => Dtype::I8,
        ("torch", "ByteStorage") => Dtype::U8,
        ("torch", "BoolStorage") => Dtype::BOOL,
        (module, name) => {
            return Err(Broken::Other(Fault::Storage {
                storage: format!("{module}.{name}"),
            }));
        }
    })
}

/// The tensor that `[storage, offset, shape, strides, ..]` describe.
pub(super) fn view<'a>(values: &[Value<'a>], arguments: &[Id]) -> Result<View<'a>, Broken> {
    let at = |id: Id| &values[id as usize];
    let [storage, offset, shape, strides, ..] = arguments else {
        return Err(Broken::Pickle("a tensor has too few fields"));
    };
    let (Value::Storage(storage), Value::Int(offset)) = (at(*storage), at(*offset)) else {
        return Err(Broken::Pickle("a tensor has fields of the wrong kind"));
    };
    let sizes = |id: Id| -> Result<Vec<usize>, Broken> {
        let Value::Tuple(sizes) = at(id) else {
            return Err(Broken::Pickle("the shape of a tensor is no tuple"));
        };
        if sizes.len() > MOST_AXES {
            return Err(Broken::Pickle("a tensor has too many axes"));
        }
        let size = |id: &Id| match at(*id) {
            Value::Int(size) => usize::try_from(*size).ok(),
            _ => None,
        };
        let sizes: Option<Vec<usize>> = sizes.iter().map(size).collect();
        sizes.ok_or(Broken::Pickle(
            "the shape of a tensor has something else than sizes",
        ))
    };
    Ok(View {
        storage: *storage,
        offset: u64::try_from(*offset)
            .map_err(|_| Broken::Pickle("a tensor begins in front of its storage"))?,
        shape: sizes(*shape)?,
        strides: sizes(*strides)?,
    })
}
