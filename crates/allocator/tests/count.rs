//! The count is exact. One test to a process: the count is the process's.

use std::hint::black_box;
use std::thread;

use allocator::{count_allocations, live_bytes, reserved_bytes, take_peak};

const MIB: usize = 1 << 20;

/// What the test harness allocates meanwhile.
const NOISE: usize = 64 << 10;

#[track_caller]
fn assert_near(actual: usize, expected: usize) {
    assert!(
        actual.abs_diff(expected) < NOISE,
        "{actual} bytes instead of {expected}"
    );
}

#[test]
fn live_and_peak_are_counted() {
    let start = live_bytes();
    take_peak();

    let kept = black_box(vec![1_u8; 5 * MIB]);
    let mut grown = black_box(vec![0_u8; 2 * MIB]);
    grown.reserve_exact(MIB);
    assert_near(live_bytes(), start + 8 * MIB);
    drop(grown);
    assert_near(live_bytes(), start + 5 * MIB);
    // While a block grows its old and its new place may both be taken.
    let peak = take_peak();
    assert!(peak >= start + 8 * MIB, "{peak} bytes");
    assert_near(take_peak(), start + 5 * MIB);
    assert!(reserved_bytes() >= live_bytes());

    // What one thread takes and another frees is counted once.
    let block = thread::spawn(|| black_box(vec![1_u8; 3 * MIB])).join();
    drop(block);
    drop(kept);
    assert_near(live_bytes(), start);
    assert_near(take_peak(), start + 8 * MIB);

    let ((), allocations) = count_allocations(|| {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for size in 0..20_000_usize {
                        drop(black_box(vec![1_u8; 1 + size % 777]));
                    }
                });
            }
        });
    });
    assert_near(live_bytes(), start);
    assert!(
        (80_000..80_500).contains(&allocations),
        "{allocations} blocks"
    );
    drop(black_box(vec![1_u8; 77]));
    let ((), allocations) = count_allocations(|| ());
    assert!(allocations < 500, "{allocations} blocks");
}
