//! Storages and tensors from the values that describe them.

use super::value::{Broken, Element, Function, Id, Storage, Unread, Value, View};
use crate::Dtype;

/// Axes of the tensor with the most of them. Weights have up to five.
const MOST_AXES: usize = 8;

/// Length of the longest key of a storage, in bytes. `PyTorch` counts storages or uses addresses.
const LONGEST_KEY: usize = 64;

/// A type with its storage's class and the length of an element in bytes.
const fn element(storage: &'static str, dtype: Option<Dtype>, bytes: u64) -> Element {
    Element {
        storage,
        dtype,
        bytes,
    }
}

static ELEMENTS: [Element; 18] = [
    element("FloatStorage", Some(Dtype::F32), 4),
    element("DoubleStorage", Some(Dtype::F64), 8),
    element("HalfStorage", Some(Dtype::F16), 2),
    element("BFloat16Storage", Some(Dtype::BF16), 2),
    element("LongStorage", Some(Dtype::I64), 8),
    element("IntStorage", Some(Dtype::I32), 4),
    element("ShortStorage", Some(Dtype::I16), 2),
    element("CharStorage", Some(Dtype::I8), 1),
    element("ByteStorage", Some(Dtype::U8), 1),
    element("BoolStorage", Some(Dtype::BOOL), 1),
    element("ComplexFloatStorage", None, 8),
    element("ComplexDoubleStorage", None, 16),
    element("QInt8Storage", None, 1),
    element("QUInt8Storage", None, 1),
    element("QInt32Storage", None, 4),
    element("QUInt4x2Storage", None, 1),
    element("QUInt2x4Storage", None, 1),
    element(UNTYPED, None, 1),
];

/// Bytes whose type every tensor states for itself.
const UNTYPED: &str = "UntypedStorage";

/// The types that tensors over untyped bytes may state and that are read.
const DTYPES: [(&str, Dtype); 13] = [
    ("float32", Dtype::F32),
    ("float64", Dtype::F64),
    ("float16", Dtype::F16),
    ("bfloat16", Dtype::BF16),
    ("int64", Dtype::I64),
    ("int32", Dtype::I32),
    ("int16", Dtype::I16),
    ("int8", Dtype::I8),
    ("uint8", Dtype::U8),
    ("uint16", Dtype::U16),
    ("uint32", Dtype::U32),
    ("uint64", Dtype::U64),
    ("bool", Dtype::BOOL),
];

/// What the persistent id at `id` stands for: the storage that the tuple `("storage", type, key, location, elements)`
/// describes, or else an object.
pub(super) fn persistent<'a>(values: &[Value<'a>], id: Id) -> Result<Value<'a>, Broken> {
    let at = |id: Id| &values[id as usize];
    let Value::Tuple(fields) = at(id) else {
        return Err(Broken("a storage is no tuple"));
    };
    let [tag, rest @ ..] = &fields[..] else {
        return Err(Broken("a storage has too few fields"));
    };
    // Old checkpoints name the source text of a class in this way.
    if matches!(at(*tag), Value::Text(tag) if *tag != "storage") {
        return Ok(Value::Opaque);
    }
    let [kind, key, _, elements, view @ ..] = rest else {
        return Err(Broken("a storage has too few fields"));
    };
    if view
        .iter()
        .any(|field| !matches!(at(*field), Value::Opaque))
    {
        return Err(Broken("a storage is part of another, which is not read"));
    }
    match (at(*kind), at(*key), at(*elements)) {
        (Value::Function(kind), Value::Text(key), Value::Int(elements))
            if key.len() <= LONGEST_KEY =>
        {
            let Some(element) = element_of(*kind) else {
                return Ok(Value::Object(*kind));
            };
            Ok(Value::Storage(Storage {
                key,
                element,
                elements: u64::try_from(*elements)
                    .map_err(|_| Broken("a storage has a negative number of elements"))?,
            }))
        }
        _ => Err(Broken("a storage has fields of the wrong kind")),
    }
}

fn element_of(storage: Function<'_>) -> Option<&'static Element> {
    let known = matches!(storage.module, "torch" | "torch.storage");
    let mut elements = ELEMENTS.iter().filter(|_| known);
    elements.find(|element| element.storage == storage.name)
}

/// The value that a function of `PyTorch` would make of these arguments, if it makes tensors.
pub(super) fn made<'a>(
    values: &[Value<'a>],
    function: Function<'a>,
    arguments: &[Id],
) -> Result<Option<Value<'a>>, Broken> {
    if !matches!(function.module, "torch._utils" | "torch._tensor") {
        return Ok(None);
    }
    let form = |form| Ok(Some(unread(Unread::Form(form))));
    match function.name {
        "_rebuild_tensor" | "_rebuild_tensor_v2" => view(values, arguments, None).map(Some),
        "_rebuild_tensor_v3" => {
            let Some((dtype, others)) = arguments.get(6).zip(arguments.get(..6)) else {
                return Err(Broken("a tensor has too few fields"));
            };
            // What follows the type is as in the other forms.
            let others = others.iter().chain(&arguments[7..]).copied();
            view(values, &others.collect::<Vec<_>>(), Some(*dtype)).map(Some)
        }
        "_rebuild_qtensor" => form("a quantised tensor"),
        "_rebuild_sparse_tensor" => form("a sparse tensor"),
        "_rebuild_nested_tensor" => form("a nested tensor"),
        "_rebuild_meta_tensor_no_storage" => form("a tensor without numbers"),
        name if name.starts_with("_rebuild") => Ok(Some(unread(Unread::Made(function)))),
        _ => Ok(None),
    }
}

fn unread(why: Unread<'_>) -> Value<'_> {
    Value::Unread(Box::new(why))
}

/// The tensor that `[storage, offset, shape, strides, requires_grad, hooks, metadata]` describe, of which the last three
/// may be left out. Its type is that of its storage unless it states one.
fn view<'a>(
    values: &[Value<'a>],
    arguments: &[Id],
    dtype: Option<Id>,
) -> Result<Value<'a>, Broken> {
    let at = |id: Id| &values[id as usize];
    let [storage, offset, shape, strides, rest @ ..] = arguments else {
        return Err(Broken("a tensor has too few fields"));
    };
    // Marks of a tensor whose numbers are to be negated or conjugated when they are read.
    let marked = |id: &Id| !matches!(at(*id), Value::Opaque) && !is_empty(at(*id));
    if rest.get(2).is_some_and(marked) {
        return Ok(unread(Unread::Form("a negated or conjugated view")));
    }
    let (storage, offset) = match (at(*storage), at(*offset)) {
        (Value::Storage(storage), Value::Int(offset)) => (*storage, *offset),
        (Value::Object(kind), _) => return Ok(unread(Unread::Type(*kind))),
        (Value::Opaque | Value::Unread(_), _) | (_, Value::Opaque | Value::Object(_)) => {
            return Ok(unread(Unread::Parts));
        }
        _ => return Err(Broken("a tensor has fields of the wrong kind")),
    };
    let dtype = match dtype.map(at) {
        None => storage.element.dtype,
        Some(Value::Function(dtype)) => {
            let known = DTYPES.iter().find(|(name, _)| *name == dtype.name);
            match known {
                Some((_, known)) if dtype.module == "torch" => Some(*known),
                _ => return Ok(unread(Unread::Type(*dtype))),
            }
        }
        Some(_) => return Ok(unread(Unread::Parts)),
    };
    let Some(dtype) = dtype else {
        let storage = Function {
            module: "torch",
            name: storage.element.storage,
        };
        return Ok(unread(Unread::Type(storage)));
    };
    let (Some(shape), Some(strides)) = (sizes(values, *shape)?, sizes(values, *strides)?) else {
        return Ok(unread(Unread::Parts));
    };
    Ok(Value::Tensor(Box::new(View {
        storage,
        dtype,
        offset: u64::try_from(offset)
            .map_err(|_| Broken("a tensor begins in front of its storage"))?,
        shape,
        strides,
    })))
}

fn is_empty(value: &Value<'_>) -> bool {
    matches!(value, Value::Dict(items) if items.is_empty())
}

/// The sizes in a tuple; `None` where something that is not read stands in its place.
fn sizes(values: &[Value<'_>], id: Id) -> Result<Option<Vec<usize>>, Broken> {
    let at = |id: Id| &values[id as usize];
    let unknown = |value: &Value<'_>| matches!(value, Value::Opaque | Value::Object(_));
    let sizes = match at(id) {
        Value::Tuple(sizes) => sizes,
        value if unknown(value) => return Ok(None),
        _ => return Err(Broken("the shape of a tensor is no tuple")),
    };
    if sizes.len() > MOST_AXES {
        return Err(Broken("a tensor has too many axes"));
    }
    if sizes.iter().any(|id| unknown(at(*id))) {
        return Ok(None);
    }
    let size = |id: &Id| match at(*id) {
        Value::Int(size) => usize::try_from(*size).ok(),
        _ => None,
    };
    let sizes: Option<Vec<usize>> = sizes.iter().map(size).collect();
    sizes.map(Some).ok_or(Broken(
        "the shape of a tensor has values that are not sizes",
    ))
}
