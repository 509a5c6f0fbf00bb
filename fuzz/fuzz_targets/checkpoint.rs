//! PyTorch checkpoints of either form.

#![no_main]

mod read;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| read::read(data.to_vec()));
