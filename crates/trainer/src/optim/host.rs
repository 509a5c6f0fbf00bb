//! Tensors as plain numbers in host memory.

use burn::tensor::{DType, Device, Tensor, TensorData};
use rayon::prelude::*;

use crate::device::is_cpu;
use crate::parameters::owned;

/// Numbers that one thread works on at a time. Sums are taken chunk by chunk, so they do not depend on the number of
/// threads.
pub(super) const CHUNK: usize = 1 << 14;

/// Partial sums side by side, so that the compiler can keep them in one vector register.
const LANES: usize = 16;

/// The numbers of a tensor of the CPU backend, which holds them in host memory anyway.
pub(super) struct HostTensor<const D: usize> {
    data: TensorData,
    device: Device,
}

impl<const D: usize> HostTensor<D> {
    /// Takes the numbers out of tensors; they are copied only where something else holds a tensor, too.
    ///
    /// # Errors
    ///
    /// The tensors themselves when one is on another device or not of type f32.
    pub(super) fn take<const N: usize>(
        tensors: [Tensor<D>; N],
    ) -> Result<[Self; N], [Tensor<D>; N]> {
        let plain = |tensor: &Tensor<D>| tensor.dtype() == DType::F32 && is_cpu(&tensor.device());
        if tensors.iter().all(plain) {
            Ok(tensors.map(|tensor| Self {
                device: tensor.device(),
                data: owned(tensor.into_data()),
            }))
        } else {
            Err(tensors)
        }
    }

    /// The numbers, row by row.
    pub(super) fn numbers(&mut self) -> &mut [f32] {
        match self.data.as_mut_slice() {
            Ok(numbers) => numbers,
            Err(error) => unreachable!("`take` lets f32 pass alone: {error}"),
        }
    }

    /// Puts the numbers back.
    pub(super) fn into_tensor(self) -> Tensor<D> {
        Tensor::from_data(self.data, &self.device)
    }
}

/// Sum of the squares.
pub(super) fn sum_of_squares(numbers: &[f32]) -> f64 {
    let chunks: Vec<f64> = numbers.par_chunks(CHUNK).map(chunk_of_squares).collect();
    chunks.iter().sum()
}

fn chunk_of_squares(numbers: &[f32]) -> f64 {
    let mut sums = [0.0_f32; LANES];
    let rows = numbers.chunks_exact(LANES);
    let rest = rows.remainder();
    for row in rows {
        for (sum, number) in sums.iter_mut().zip(row) {
            *sum += number * number;
        }
    }
    let rest = rest.iter().map(|number| number * number);
    sums.into_iter().chain(rest).map(f64::from).sum()
}

/// Multiplies every number.
pub(super) fn scale(numbers: &mut [f32], factor: f32) {
    numbers.par_chunks_mut(CHUNK).for_each(|chunk| {
        for number in chunk {
            *number *= factor;
        }
    });
}
