//! Rounding on the CPU, which has no products of half precision: it multiplies rounded numbers in single precision.

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{DType, Flex, FlexDevice, TensorMetadata};
use burn::tensor::{Element, FloatDType, TensorData, bf16, f16};
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::HalfProducts;
use crate::ops::flex::{TASK, row_by_row};

impl HalfProducts for Flex {
    fn rounded(x: FloatTensor<Self>, half: FloatDType) -> FloatTensor<Self> {
        match half {
            FloatDType::BF16 => rounded_to(x, bf16::ZERO),
            _ => rounded_to(x, f16::ZERO),
        }
    }

    fn widened(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = row_by_row(x);
        let single = match x.dtype() {
            DType::BF16 => convert(
                x.storage::<bf16>(),
                0.0,
                HalfFloatSliceExt::convert_to_f32_slice,
            ),
            DType::F16 => convert(
                x.storage::<f16>(),
                0.0,
                HalfFloatSliceExt::convert_to_f32_slice,
            ),
            _ => return x,
        };
        tensor(single, &x)
    }

    fn nearest(x: FloatTensor<Self>, half: FloatDType) -> FloatTensor<Self> {
        match half {
            FloatDType::BF16 => round_by::<bf16>(x),
            _ => round_by::<f16>(x),
        }
    }
}

fn rounded_to<H: Element>(x: FloatTensor<Flex>, zero: H) -> FloatTensor<Flex>
where
    [H]: HalfFloatSliceExt,
{
    let x = row_by_row(x);
    let numbers = x.storage::<f32>();
    let rounded = convert(numbers, zero, |from, to: &mut [H]| {
        to.convert_from_f32_slice(from);
    });
    tensor(rounded, &x)
}

fn round_by<H: Copy + Default>(x: FloatTensor<Flex>) -> FloatTensor<Flex>
where
    [H]: HalfFloatSliceExt,
{
    let mut x = row_by_row(x);
    if x.is_unique() {
        let tasks = x.storage_mut::<f32>().par_chunks_mut(TASK);
        tasks.for_each(|numbers| round_task::<H>(numbers));
        return x;
    }
    let rounded = convert(x.storage::<f32>(), 0.0, |from: &[f32], to: &mut [f32]| {
        to.copy_from_slice(from);
        round_task::<H>(to);
    });
    tensor(rounded, &x)
}

/// Numbers that are rounded at once.
const AT_ONCE: usize = 256;

fn round_task<H: Copy + Default>(numbers: &mut [f32])
where
    [H]: HalfFloatSliceExt,
{
    let mut rounded = [H::default(); AT_ONCE];
    for numbers in numbers.chunks_mut(AT_ONCE) {
        let rounded = &mut rounded[..numbers.len()];
        rounded.convert_from_f32_slice(numbers);
        rounded.convert_to_f32_slice(numbers);
    }
}

fn convert<A: Sync, Z: Copy + Send>(
    numbers: &[A],
    zero: Z,
    task: impl Fn(&[A], &mut [Z]) + Sync,
) -> Vec<Z> {
    let mut converted = vec![zero; numbers.len()];
    let tasks = converted.par_chunks_mut(TASK).zip(numbers.par_chunks(TASK));
    tasks.for_each(|(converted, numbers)| task(numbers, converted));
    converted
}

fn tensor<E: Element>(numbers: Vec<E>, like: &FloatTensor<Flex>) -> FloatTensor<Flex> {
    Flex::float_from_data(TensorData::new(numbers, like.shape()), &FlexDevice)
}
