//! Pickles for tests, instruction by instruction.

/// A whole pickle of a value.
pub fn whole(value: &[u8]) -> Vec<u8> {
    [b"\x80\x02", value, b"."].concat()
}

pub fn text(text: &str) -> Vec<u8> {
    let length = (text.len() as u32).to_le_bytes();
    [b"X", &length[..], text.as_bytes()].concat()
}

pub fn int(value: i64) -> Vec<u8> {
    [b"\x8a\x08", &value.to_le_bytes()[..]].concat()
}

pub fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(", &items.concat()[..], b"t"].concat()
}

pub fn dict(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let items = items
        .iter()
        .map(|(key, value)| [text(key), value.clone()].concat());
    [b"}(", &items.collect::<Vec<_>>().concat()[..], b"u"].concat()
}

pub fn function(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

pub fn call(function: &[u8], arguments: &[Vec<u8>]) -> Vec<u8> {
    [function, &tuple(arguments), b"R"].concat()
}

pub fn storage(kind: &str, key: &str, elements: i64) -> Vec<u8> {
    let fields = [
        text("storage"),
        function("torch", kind),
        text(key),
        text("cpu"),
        int(elements),
    ];
    [&tuple(&fields)[..], b"Q"].concat()
}

/// A tensor of single-precision numbers in the storage `0`, which has 16.
pub fn tensor(offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    tensor_in(&storage("FloatStorage", "0", 16), offset, shape, strides)
}

pub fn tensor_in(storage: &[u8], offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let sizes = |sizes: &[i64]| tuple(&sizes.iter().map(|size| int(*size)).collect::<Vec<_>>());
    let hooks = call(&function("collections", "OrderedDict"), &[]);
    let arguments = [
        storage.to_vec(),
        int(offset),
        sizes(shape),
        sizes(strides),
        b"\x89".to_vec(),
        hooks,
    ];
    call(&function("torch._utils", "_rebuild_tensor_v2"), &arguments)
}
