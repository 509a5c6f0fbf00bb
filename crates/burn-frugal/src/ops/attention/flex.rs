//! Attention on the CPU: every row of the batch and every head is a task of its own, or a block of rows where these are
//! small, and the steps between the matrix products of a tile are one pass each over rows that lie in a core's cache.

use std::ops::Range;

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{DType, Flex, TensorMetadata};
use burn::tensor::Shape;
use rayon::prelude::*;

use crate::ops::dropout::RowDropout;
use crate::ops::flex::{exp, reduce};

use super::tiles;
use super::tiles::{Gradients, Inputs, Kernel, at, concatenate, range};

impl Kernel for Flex {
    /// 1 MiB in single precision, about the second-level cache of a core. A block of 8 heads of 64 channels over 2,048
    /// tokens took 480 ms of processor time forward and backward with 2^16 weights, 415 with 2^17, 360 with 2^18 and 355
    /// with 2^19.
    const TILE: usize = 1 << 18;

    fn forward(inputs: Inputs<Self>) -> FloatTensor<Self> {
        if let Some(blocks) = blocks(&inputs) {
            let attended = blocks
                .into_par_iter()
                .map(|rows| inputs.rows(&rows).attend());
            return concatenate::<Self>(attended.collect(), 0);
        }
        let [batch, heads, ..] = inputs.dims();
        let matrices = (0..batch * heads).into_par_iter();
        let attended = matrices.map(|index| inputs.matrix(index / heads, index % heads).attend());
        stack(attended.collect(), &inputs.query.shape())
    }

    fn backward(
        inputs: Inputs<Self>,
        gradient: FloatTensor<Self>,
        trains_bias: bool,
    ) -> Gradients<Self> {
        if let Some(blocks) = blocks(&inputs) {
            return backward_by_block(&inputs, blocks, &gradient, trains_bias);
        }
        let [batch, heads, ..] = inputs.dims();
        let shape = inputs.bias.shape();
        // Matrices that share a bias are one task: what they add to its gradient is summed in the same order always.
        let [rows, columns] = if trains_bias {
            [shape[0], shape[1]]
        } else {
            [batch, heads]
        };
        let tasks = (0..rows * columns).into_par_iter().map(|task| {
            let sharing = (task / columns..batch).step_by(rows).flat_map(|row| {
                (task % columns..heads)
                    .step_by(columns)
                    .map(move |head| (row, head))
            });
            let mut bias: Option<FloatTensor<Self>> = None;
            let mut others = Vec::new();
            for (row, head) in sharing {
                let part = at::<Self>(&at::<Self>(&gradient, 0, row), 1, head);
                let own = inputs.matrix(row, head).attend_backward(&part, trains_bias);
                bias = match (bias, own.bias) {
                    (Some(bias), Some(own)) => Some(Self::float_add(bias, own)),
                    (bias, own) => bias.or(own),
                };
                others.push((row * heads + head, [own.query, own.key, own.value]));
            }
            (others, bias)
        });
        let (others, bias): (Vec<_>, Vec<_>) = tasks.unzip();
        let mut others: Vec<_> = others.into_iter().flatten().collect();
        others.sort_unstable_by_key(|(matrix, _)| *matrix);
        let mut parts = [Vec::new(), Vec::new(), Vec::new()];
        for (_, own) in others {
            for (parts, part) in parts.iter_mut().zip(own) {
                parts.push(part);
            }
        }
        let [query, key, value] = parts;
        let bias: Option<Vec<_>> = bias.into_iter().collect();
        Gradients {
            query: stack(query, &inputs.query.shape()),
            key: stack(key, &inputs.key.shape()),
            value: stack(value, &inputs.value.shape()),
            bias: bias.map(|bias| stack(bias, &shape)),
        }
    }

    fn weights(mut products: FloatTensor<Self>, tile: &Inputs<Self>) -> FloatTensor<Self> {
        if products.dtype() != DType::F32 {
            return tiles::weights(products, tile);
        }
        let [batch, heads, queries, keys] = tile.dims();
        let scale = tile.scale() as f32;
        let bias = Rows::new(&tile.bias);
        let mask = tile.mask.as_ref().map(Rows::new);
        let places = (0..batch).flat_map(|row| {
            (0..heads).flat_map(move |head| (0..queries).map(move |query| [row, head, query]))
        });
        let rows = products.storage_mut::<f32>().chunks_exact_mut(keys.max(1));
        for (row, place) in rows.zip(places) {
            for (score, bias) in row.iter_mut().zip(bias.row(place)) {
                *score = *score * scale + bias;
            }
            if let Some(mask) = &mask {
                for (score, mask) in row.iter_mut().zip(mask.row(place)) {
                    *score += mask;
                }
            }
            softmax(row);
        }
        products
    }

    fn drop(mut weights: FloatTensor<Self>, dropout: &RowDropout<Self>) -> FloatTensor<Self> {
        if weights.dtype() != DType::F32 {
            return dropout.apply(weights);
        }
        let [.., columns] = weights.shape().dims::<4>();
        dropout.apply_in_place(weights.storage_mut(), columns);
        weights
    }

    fn through_softmax(
        weights: FloatTensor<Self>,
        dropped: FloatTensor<Self>,
        mut gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        if gradient.dtype() != DType::F32 {
            return tiles::through_softmax::<Self>(weights, dropped, gradient);
        }
        let [.., columns] = weights.shape().dims::<4>();
        let rows = gradient.storage_mut::<f32>().chunks_exact_mut(columns);
        let weights = weights.storage::<f32>().chunks_exact(columns);
        let dropped = dropped.storage::<f32>().chunks_exact(columns);
        for ((gradient, weights), dropped) in rows.zip(weights).zip(dropped) {
            for (gradient, dropped) in gradient.iter_mut().zip(dropped) {
                *gradient *= dropped;
            }
            let sum = reduce(gradient, 0.0, |a, b| a + b);
            for (gradient, weight) in gradient.iter_mut().zip(weights) {
                *gradient -= weight * sum;
            }
        }
        gradient
    }
}

/// Blocks of rows of the batch. None if rows are computed one by one.
fn blocks(inputs: &Inputs<Flex>) -> Option<Vec<Range<usize>>> {
    let [batch, ..] = inputs.dims();
    let rows = inputs.rows_of_a_block();
    let blocks = (0..batch).step_by(rows);
    (rows > 1).then(|| blocks.map(|start| start..batch.min(start + rows)).collect())
}

fn backward_by_block(
    inputs: &Inputs<Flex>,
    blocks: Vec<Range<usize>>,
    gradient: &FloatTensor<Flex>,
    trains_bias: bool,
) -> Gradients<Flex> {
    let gradients = blocks.into_par_iter().map(|rows| {
        let part = range::<Flex>(gradient, 0, &rows);
        inputs.rows(&rows).attend_backward(&part, trains_bias)
    });
    let gradients: Vec<_> = gradients.collect();
    let mut parts = [const { Vec::new() }; 3];
    let mut bias = Vec::new();
    for own in gradients {
        for (parts, part) in parts.iter_mut().zip([own.query, own.key, own.value]) {
            parts.push(part);
        }
        bias.extend(own.bias);
    }
    let [batch, ..] = inputs.dims();
    let [query, key, value] = parts.map(|parts| concatenate::<Flex>(parts, 0));
    Gradients {
        query,
        key,
        value,
        // Of the blocks that share a bias the first is added to first, always.
        bias: if inputs.bias.shape()[0] == batch {
            trains_bias.then(|| concatenate::<Flex>(bias, 0))
        } else {
            bias.into_iter().reduce(Flex::float_add)
        },
    }
}

/// Matrices `[1, 1, ..]`, head after head and row after row, as one tensor.
fn stack(matrices: Vec<FloatTensor<Flex>>, shape: &Shape) -> FloatTensor<Flex> {
    Flex::float_reshape(concatenate::<Flex>(matrices, 2), shape.clone())
}

/// Reads `[p, 1 or heads, 1 or queries, keys]` by row of the batch, head and query.
struct Rows {
    tensor: FloatTensor<Flex>,
}

impl Rows {
    fn new(tensor: &FloatTensor<Flex>) -> Self {
        let tensor = match tensor.as_slice::<f32>() {
            Some(_) => tensor.clone(),
            None => tensor.to_contiguous(),
        };
        Self { tensor }
    }

    fn row(&self, [row, head, query]: [usize; 3]) -> &[f32] {
        let [rows, heads, queries, keys] = self.tensor.shape().dims();
        let index = ((row % rows) * heads + head % heads) * queries + query % queries;
        let values = self.tensor.as_slice().unwrap_or_default();
        &values[index * keys..(index + 1) * keys]
    }
}

fn softmax(row: &mut [f32]) {
    let largest = reduce(row, f32::NEG_INFINITY, f32::max);
    for score in &mut *row {
        *score = exp(*score - largest);
    }
    let sum = reduce(row, 0.0, |a, b| a + b);
    let factor = sum.recip();
    for weight in row {
        *weight *= factor;
    }
}
