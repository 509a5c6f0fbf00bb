//! The kernel of the CPU, in single precision, a task of rows at a time.

use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::ops::ModuleOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{DType, Flex, FlexDevice, TensorMetadata};
use burn::tensor::TensorData;
use rayon::prelude::*;

use super::{Kernel, Parts, TASK_ROWS, Wanted, backward_by_operations};
use crate::ops::flex::{row_by_row, sum_by};

impl Kernel for Flex {
    fn forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        if x.dtype() != DType::F32 {
            return Self::layer_norm(x, gamma, Some(beta), epsilon);
        }
        let [x, gamma, beta] = [x, gamma, beta].map(row_by_row);
        let numbers = x.storage::<f32>();
        let [gamma, beta] = [&gamma, &beta].map(FlexTensor::storage::<f32>);
        let channels = gamma.len().max(1);
        let mut made = vec![0.0; numbers.len()];
        let task = TASK_ROWS * channels;
        let tasks = made.par_chunks_mut(task).zip(numbers.par_chunks(task));
        tasks.for_each(|(made, numbers)| {
            let rows = made.chunks_exact_mut(channels);
            for (made, numbers) in rows.zip(numbers.chunks_exact(channels)) {
                let (mean, scale) = statistics(numbers, epsilon as f32);
                let factors = gamma.iter().zip(beta);
                for ((made, number), (gamma, beta)) in made.iter_mut().zip(numbers).zip(factors) {
                    *made = (number - mean) * scale * gamma + beta;
                }
            }
        });
        Self::float_from_data(TensorData::new(made, x.shape()), &FlexDevice)
    }

    fn backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        epsilon: f64,
        wanted: Wanted,
    ) -> Parts<Self> {
        if x.dtype() != DType::F32 {
            return backward_by_operations::<Self>(x, gamma, gradient, epsilon, wanted);
        }
        let [x, gamma, gradient] = [x, gamma, gradient].map(row_by_row);
        let [numbers, scales, upstream] = [&x, &gamma, &gradient].map(FlexTensor::storage::<f32>);
        let channels = scales.len().max(1);
        let task = TASK_ROWS * channels;
        let mut for_x = vec![0.0; if wanted.input() { numbers.len() } else { 0 }];
        let mut of_tasks: Vec<Option<&mut [f32]>> = for_x.chunks_mut(task).map(Some).collect();
        of_tasks.resize_with(numbers.len().div_ceil(task), || None);
        let tasks = of_tasks.into_par_iter();
        let tasks = tasks
            .zip(numbers.par_chunks(task))
            .zip(upstream.par_chunks(task));
        let added = tasks.map(|((mut for_x, numbers), upstream)| {
            let mut added = vec![0.0; if wanted.affine() { 2 * channels } else { 0 }];
            let rows = numbers.chunks_exact(channels);
            let rows = rows.zip(upstream.chunks_exact(channels)).enumerate();
            for (row, (numbers, upstream)) in rows {
                let (mean, scale) = statistics(numbers, epsilon as f32);
                if wanted.affine() {
                    let (for_gamma, for_beta) = added.split_at_mut(channels);
                    for (channel, upstream) in upstream.iter().enumerate() {
                        for_gamma[channel] += upstream * ((numbers[channel] - mean) * scale);
                        for_beta[channel] += upstream;
                    }
                }
                if let Some(for_x) = &mut for_x {
                    let for_x = &mut for_x[row * channels..][..channels];
                    for ((made, upstream), factor) in for_x.iter_mut().zip(upstream).zip(scales) {
                        *made = upstream * factor;
                    }
                    let shift = sum_by([for_x], |[g]| g) / channels as f32;
                    let along = sum_by([for_x, numbers], |[g, x]| g * (x - mean) * scale);
                    let along = along / channels as f32;
                    for (made, number) in for_x.iter_mut().zip(numbers) {
                        *made = scale * (*made - shift - (number - mean) * scale * along);
                    }
                }
            }
            added
        });
        let added: Vec<Vec<f32>> = added.collect();
        let tensor = |numbers: Vec<f32>, shape| {
            Self::float_from_data(TensorData::new(numbers, shape), &FlexDevice)
        };
        let affine = wanted.affine().then(|| {
            let mut total = vec![0.0; 2 * channels];
            for added in added {
                for (total, added) in total.iter_mut().zip(added) {
                    *total += added;
                }
            }
            let for_beta = total.split_off(channels);
            (
                tensor(total, gamma.shape()),
                tensor(for_beta, gamma.shape()),
            )
        });
        let (for_gamma, for_beta) = affine.unzip();
        Parts {
            x: wanted.input().then(|| tensor(for_x, x.shape())),
            gamma: for_gamma,
            beta: for_beta,
        }
    }
}

/// Mean of a row, and one divided by its deviation.
fn statistics(row: &[f32], epsilon: f32) -> (f32, f32) {
    let count = row.len().max(1) as f32;
    let mean = sum_by([row], |[number]| number) / count;
    let variance = sum_by([row], |[number]| (number - mean) * (number - mean)) / count;
    (mean, (variance + epsilon).sqrt().recip())
}
