//! Safetensors files. The length in front of the header follows from the header, which would hardly be found by chance.

#![no_main]

mod read;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    read::read(data.to_vec());
    // Text up to the last brace, numbers behind it.
    let end = data.iter().rposition(|byte| *byte == b'}').map_or(data.len(), |at| at + 1);
    read::read([&(end as u64).to_le_bytes(), data].concat());
});
