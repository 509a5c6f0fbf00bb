//! What the matrix library takes of memory, against what is counted. One test a binary: the count is the process's.
#![cfg(feature = "flex")]

use burn::tensor::{Device, Distribution, Tensor};
use trainer::memory::{HostMeter, Meter};
use trainer::plan::products::{Product, keep_thread_buffers};

fn usage() -> (u64, u64) {
    let usage = HostMeter.take().expect("the CPU is measured");
    (usage.live_bytes, usage.peak_bytes)
}

fn matrix(rows: usize, columns: usize, by_rows: bool, device: &Device) -> Tensor<2> {
    let uniform = Distribution::Uniform(-1.0, 1.0);
    if by_rows {
        Tensor::random([rows, columns], uniform, device)
    } else {
        Tensor::random([columns, rows], uniform, device).transpose()
    }
}

/// Multiplies on every thread at once, so that none is left out.
fn multiply_everywhere(device: &Device) {
    rayon::broadcast(|_| {
        for size in [64, 512] {
            let matrix = matrix(size, size, true, device);
            drop(matrix.clone().matmul(matrix).into_data());
        }
    });
}

#[test]
fn products_take_what_is_said_of_them() {
    let device = Device::flex();
    keep_thread_buffers();
    let (before, _) = usage();
    multiply_everywhere(&device);
    let (after, _) = usage();
    let kept = after.saturating_sub(before);
    assert!(kept < 16 << 10, "threads keep {kept} bytes more");

    let lengths = [3, 24, 100, 300, 1000, 2500];
    let orders = [true, false];
    for (rows, columns) in lengths
        .into_iter()
        .flat_map(|one| lengths.map(|other| (one, other)))
    {
        for inner in [16, 600, 2000] {
            for (first_by_rows, second_by_rows) in orders
                .into_iter()
                .flat_map(|one| orders.map(|other| (one, other)))
            {
                let product = Product {
                    rows,
                    inner,
                    columns,
                    first_by_rows,
                    second_by_rows,
                };
                let first = matrix(rows, inner, first_by_rows, &device);
                let second = matrix(inner, columns, second_by_rows, &device);
                let (before, _) = usage();
                let made = first.matmul(second);
                let (_, peak) = usage();
                let taken = peak.saturating_sub(before) as usize;
                drop(made);
                // The result is there twice for a moment, before anything is copied.
                let result = rows * columns * size_of::<f32>();
                let expected = result + result.max(product.packed_bytes());
                let apart = taken.abs_diff(expected);
                assert!(
                    apart < 16 << 10,
                    "{product:?}: {taken} bytes, {expected} expected"
                );
            }
        }
    }
}
