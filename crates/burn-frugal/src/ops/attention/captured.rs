//! Attention on a capture device: recorded as the kernels that it is on the CPU.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Capture, TensorMetadata};
use burn::tensor::Shape;

use crate::capture::{record, threads};

use super::tiles::{Gradients, Inputs, Kernel};

/// Tiles that a thread has at a time, forward and backward: attention weights, the weights after dropout, and their
/// gradient.
const TILES: [usize; 2] = [1, 3];

impl Kernel for Capture {
    const TILE: usize = 1 << 18;

    fn forward(inputs: Inputs<Self>) -> FloatTensor<Self> {
        let attended = inputs.query.shape();
        // The result of every matrix, before they are put together.
        let parts = attended.num_elements();
        let workspace = parts + TILES[0] * tiles_in_work(&inputs) + factors_in_work(&inputs);
        let [attended] = record("attention", tensors(inputs), [attended], workspace);
        attended
    }

    fn backward(
        inputs: Inputs<Self>,
        gradient: FloatTensor<Self>,
        trains_bias: bool,
    ) -> Gradients<Self> {
        let [query, key, value, bias] = [
            inputs.query.shape(),
            inputs.key.shape(),
            inputs.value.shape(),
            inputs.bias.shape(),
        ];
        let own = [&query, &key, &value]
            .into_iter()
            .chain(trains_bias.then_some(&bias));
        let parts: usize = own.map(Shape::num_elements).sum();
        let workspace = parts + TILES[1] * tiles_in_work(&inputs) + factors_in_work(&inputs);
        let mut read = tensors(inputs);
        read.push(gradient);
        let name = "attention backward";
        if trains_bias {
            let [query, key, value, bias] =
                record(name, read, [query, key, value, bias], workspace);
            let bias = Some(bias);
            Gradients {
                query,
                key,
                value,
                bias,
            }
        } else {
            let [query, key, value] = record(name, read, [query, key, value], workspace);
            Gradients {
                query,
                key,
                value,
                bias: None,
            }
        }
    }
}

fn tensors(inputs: Inputs<Capture>) -> Vec<FloatTensor<Capture>> {
    let mut tensors = vec![inputs.query, inputs.key, inputs.value, inputs.bias];
    tensors.extend(inputs.mask);
    tensors.extend(inputs.dropout.map(|dropout| dropout.rows));
    tensors
}

/// Elements of one tile, or of one block of small rows, for every thread.
fn tiles_in_work(inputs: &Inputs<Capture>) -> usize {
    let [batch, heads, queries, keys] = inputs.dims();
    let rows = inputs.rows_of_a_block();
    if rows > 1 {
        let blocks = batch.div_ceil(rows).min(threads());
        return blocks * rows * heads * queries * keys;
    }
    let tile = Capture::TILE / keys.max(1);
    let matrices = (batch * heads).min(threads());
    matrices * queries.min(tile.max(64)) * keys
}

/// Elements of the rounded queries, keys, values and gradients that the threads multiply in half precision.
fn factors_in_work(inputs: &Inputs<Capture>) -> usize {
    if inputs.half().is_none() {
        return 0;
    }
    let [batch, heads, queries, keys] = inputs.dims();
    let dim_head = inputs.query.shape()[3];
    let rows = inputs.rows_of_a_block();
    let matrices = if rows > 1 {
        batch.div_ceil(rows).min(threads()) * rows * heads
    } else {
        (batch * heads).min(threads())
    };
    matrices * 2 * (queries + keys) * dim_head
}
