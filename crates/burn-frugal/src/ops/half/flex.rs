//! Rounding on the CPU, which has no products of half precision: it multiplies rounded numbers in single precision.

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{DType, Flex, FlexDevice, TensorMetadata};
use burn::tensor::{Element, FloatDType, TensorData, bf16, f16};
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::HalfProducts;
use crate::ops::flex::{TASK, row_by_row};
use crate::precision::half_of;

impl HalfProducts for Flex {
    fn rounded(x: FloatTensor<Self>, half: FloatDType) -> FloatTensor<Self> {
        let x = row_by_row(x);
        let numbers = x.storage::<f32>();
        match half {
            FloatDType::BF16 => tensor(
                convert(numbers, bf16::ZERO, |from, to| {
                    to.convert_from_f32_slice(from);
                }),
                &x,
            ),
            FloatDType::F16 => tensor(
                convert(numbers, f16::ZERO, |from, to| {
                    to.convert_from_f32_slice(from);
                }),
                &x,
            ),
            other => unreachable!("{other:?} is no type of 16 bits"),
        }
    }

    fn widened(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = row_by_row(x);
        match x.dtype() {
            DType::BF16 => tensor(
                convert(x.storage::<bf16>(), 0.0, |from, to| {
                    from.convert_to_f32_slice(to);
                }),
                &x,
            ),
            DType::F16 => tensor(
                convert(x.storage::<f16>(), 0.0, |from, to| {
                    from.convert_to_f32_slice(to);
                }),
                &x,
            ),
            _ => x,
        }
    }

    fn factor(x: FloatTensor<Self>, half: Option<FloatDType>) -> FloatTensor<Self> {
        match half {
            None => x,
            Some(_) if half_of(x.dtype()).is_some() => Self::widened(x),
            Some(half) => round(x, half),
        }
    }

    fn product(made: FloatTensor<Self>, half: Option<FloatDType>) -> FloatTensor<Self> {
        match half {
            Some(half) => round(made, half),
            None => made,
        }
    }
}

/// The nearest numbers that 16 bits can hold, in single precision; over `x` where nothing else needs it.
fn round(x: FloatTensor<Flex>, half: FloatDType) -> FloatTensor<Flex> {
    match half {
        FloatDType::BF16 => round_by::<bf16>(x),
        _ => round_by::<f16>(x),
    }
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
