//! Pickles, in an archive with what they refer to.

#![no_main]

#[path = "../../crates/weight-files/tests/it/archive.rs"]
mod archive;
mod read;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| read::read(archive::checkpoint(data)));
