//! What the setting is for. One test to a process: the setting is the process's.
#![cfg(target_os = "linux")]

use std::fs;
use std::hint::black_box;

/// Page faults of this process so far.
fn page_faults() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("the kernel counts");
    let after_name = stat.rsplit_once(')').expect("the name is in parentheses").1;
    // `minflt` is the tenth field, and the eighth behind the name.
    let faults = after_name.split_whitespace().nth(7);
    faults
        .and_then(|field| field.parse().ok())
        .expect("a number")
}

#[test]
fn freed_memory_is_used_again_without_page_faults() {
    allocator::keep_freed_memory();
    let tensors = || {
        for megabytes in [3, 40, 7, 90, 20] {
            black_box(vec![1_u8; megabytes << 20]);
        }
    };
    tensors();
    let before = page_faults();
    for _ in 0..20 {
        tensors();
    }
    let faults = page_faults() - before;
    assert!(faults < 200, "{faults} page faults");
}
