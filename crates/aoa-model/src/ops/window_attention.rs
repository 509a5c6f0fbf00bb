//! Attention within windows that keeps no attention weights.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
#[cfg(feature = "flex")]
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Slice, Tensor};

/// Multi-head attention within windows, `softmax(q k^T / sqrt(d) + bias + mask) v`.
///
/// The backward pass computes the attention weights once more instead of keeping them: they would be the largest tensors
/// of the image encoder, and cost little beside the projections.
///
/// # Shapes
///
/// - `qkv`: `[windows, cells, 3, heads, d]`: queries, keys and values
/// - `bias`: `[heads, cells, cells]`
/// - `mask`: `[windows of an image, cells, cells]`, a constant; the windows of `qkv` are those of one image after another.
///   With a single one it is the same for all windows
/// - result: `[windows, cells, heads * d]`
pub(crate) fn window_attention(qkv: Tensor<5>, bias: Tensor<3>, mask: Tensor<3>) -> Tensor<3> {
    let [windows, cells, _, heads, dim_head] = qkv.dims();
    let attended = <Dispatch as WindowAttention>::window_attention(
        qkv.into_dispatch(),
        bias.into_dispatch(),
        mask.into_dispatch(),
    );
    Tensor::<4>::from_dispatch(attended).reshape([windows, cells, heads * dim_head])
}

/// The operation as Burn dispatches it; its result is `[windows, cells, heads, d]`.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(any(feature = "cuda", feature = "wgpu")),
    Autodiff
)]
pub(crate) trait WindowAttention: Backend {
    fn window_attention(
        qkv: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        mask: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// Forward and backward pass on a backend that computes.
trait Kernel: Backend {
    fn forward(block: Block<Self>) -> FloatTensor<Self> {
        block.attend()
    }

    /// Gradients of `qkv` and `bias`.
    fn backward(block: Block<Self>, gradient: FloatTensor<Self>) -> [FloatTensor<Self>; 2] {
        block.attend_backward(gradient)
    }
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
impl Kernel for burn::backend::Cube {}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
impl WindowAttention for burn::backend::Cube {
    fn window_attention(
        qkv: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        mask: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        Self::forward(Block { qkv, bias, mask })
    }
}

#[cfg(feature = "flex")]
impl WindowAttention for burn::backend::Flex {
    fn window_attention(
        qkv: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        mask: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        Self::forward(Block { qkv, bias, mask })
    }
}

/// On the CPU each head is a task, which goes from window to window: the weights of one window and one head fit into a
/// core's cache.
#[cfg(feature = "flex")]
impl Kernel for burn::backend::Flex {
    fn forward(block: Block<Self>) -> FloatTensor<Self> {
        let heads = block.for_each_head(|block, _| {
            let windows = (0..block.windows()).map(|window| block.window(window).attend());
            Self::float_cat(windows.collect(), 0)
        });
        Self::float_cat(heads, 2)
    }

    fn backward(block: Block<Self>, gradient: FloatTensor<Self>) -> [FloatTensor<Self>; 2] {
        let heads = block.for_each_head(|block, head| {
            let gradient = at::<Self>(&gradient, 2, head);
            let gradients = (0..block.windows()).map(|window| {
                let gradient = at::<Self>(&gradient, 0, window);
                block.window(window).attend_backward(gradient)
            });
            let (qkv, bias): (Vec<_>, Vec<_>) = gradients.map(|[qkv, bias]| (qkv, bias)).unzip();
            let bias = bias.into_iter().reduce(Self::float_add);
            (Self::float_cat(qkv, 0), bias)
        });
        let (qkv, bias): (Vec<_>, Vec<_>) = heads.into_iter().unzip();
        let bias = bias.into_iter().flatten().collect();
        [Self::float_cat(qkv, 3), Self::float_cat(bias, 0)]
    }
}

/// Some windows and some heads.
#[derive(Debug, Clone)]
struct Block<B: Backend> {
    /// `[windows, cells, 3, heads, d]`
    qkv: FloatTensor<B>,
    /// `[heads, cells, cells]`
    bias: FloatTensor<B>,
    /// `[windows of an image, cells, cells]`
    mask: FloatTensor<B>,
}

impl<B: Backend> Block<B> {
    /// Queries, keys or values, `[windows, heads, cells, d]`.
    fn part(&self, index: usize) -> FloatTensor<B> {
        let part = at::<B>(&self.qkv, 2, index);
        let [windows, cells, _, heads, dim_head] = part.shape().dims();
        let part = B::float_reshape(part, Shape::new([windows, cells, heads, dim_head]));
        B::float_swap_dims(part, 1, 2)
    }

    /// What scores are multiplied by.
    fn scale(&self) -> f64 {
        let [.., dim_head] = self.qkv.shape().dims::<5>();
        (dim_head as f64).powf(-0.5)
    }

    /// Attention weights, `[windows, heads, cells, cells]`.
    fn weights(&self, query: FloatTensor<B>, key: FloatTensor<B>) -> FloatTensor<B> {
        let scores = B::float_matmul(query, B::float_transpose(key));
        let scores = B::float_mul_scalar(scores, self.scale().into());
        let shape = scores.shape();
        let [windows, heads, cells, _] = shape.dims();
        let of_image = self.mask.shape()[0];
        // [images, windows of an image, heads, cells, cells]
        let by_image = Shape::new([windows / of_image, of_image, heads, cells, cells]);
        let bias = Shape::new([1, 1, heads, cells, cells]);
        let mask = Shape::new([1, of_image, 1, cells, cells]);
        let scores = B::float_reshape(scores, by_image);
        let scores = B::float_add(scores, B::float_reshape(self.bias.clone(), bias));
        let scores = B::float_add(scores, B::float_reshape(self.mask.clone(), mask));
        B::softmax(B::float_reshape(scores, shape), 3)
    }

    /// `[windows, cells, heads, d]`
    fn attend(&self) -> FloatTensor<B> {
        let [query, key, value] = [0, 1, 2].map(|index| self.part(index));
        let attended = B::float_matmul(self.weights(query, key), value);
        B::float_swap_dims(attended, 1, 2)
    }

    /// Gradients of `qkv` and `bias` from that of the result.
    fn attend_backward(&self, gradient: FloatTensor<B>) -> [FloatTensor<B>; 2] {
        let [query, key, value] = [0, 1, 2].map(|index| self.part(index));
        let gradient = B::float_swap_dims(gradient, 1, 2); // [windows, heads, cells, d]
        let weights = self.weights(query.clone(), key.clone());
        let for_value = B::float_matmul(B::float_transpose(weights.clone()), gradient.clone());

        // Through the softmax: w (g - sum of w g), where g is the gradient of the weights w.
        let products = B::float_mul(
            B::float_matmul(gradient, B::float_transpose(value)),
            weights.clone(),
        );
        let sums = B::float_sum_dim(products.clone(), 3);
        let scores = B::float_sub(products, B::float_mul(weights, sums));
        let [_, heads, cells, _] = scores.shape().dims();
        let for_bias = B::float_sum_dim(scores.clone(), 0);
        let for_bias = B::float_reshape(for_bias, Shape::new([heads, cells, cells]));

        let scores = B::float_mul_scalar(scores, self.scale().into());
        let for_query = B::float_matmul(scores.clone(), key);
        let for_key = B::float_matmul(B::float_transpose(scores), query);
        let parts = [for_query, for_key, for_value].map(|part| {
            let [windows, heads, cells, dim_head] = part.shape().dims();
            let part = B::float_swap_dims(part, 1, 2);
            B::float_reshape(part, Shape::new([windows, cells, 1, heads, dim_head]))
        });
        [B::float_cat(parts.into(), 2), for_bias]
    }
}

#[cfg(feature = "flex")]
impl<B: Backend> Block<B> {
    /// Runs every head as a task, with its index.
    fn for_each_head<T: Send>(&self, run: impl Fn(Self, usize) -> T + Sync) -> Vec<T> {
        use rayon::prelude::*;

        let [_, _, _, heads, _] = self.qkv.shape().dims();
        let heads = (0..heads).into_par_iter().map(|head| {
            let block = Self {
                qkv: at::<B>(&self.qkv, 3, head),
                bias: at::<B>(&self.bias, 0, head),
                mask: self.mask.clone(),
            };
            run(block, head)
        });
        heads.collect()
    }

    fn windows(&self) -> usize {
        self.qkv.shape()[0]
    }

    /// One window.
    fn window(&self, window: usize) -> Self {
        Self {
            qkv: at::<B>(&self.qkv, 0, window),
            bias: self.bias.clone(),
            mask: at::<B>(&self.mask, 0, window % self.mask.shape()[0]),
        }
    }
}

/// The part of a tensor at one index of an axis, which stays with length 1.
fn at<B: Backend>(tensor: &FloatTensor<B>, axis: usize, index: usize) -> FloatTensor<B> {
    let mut slices = vec![Slice::from(..); tensor.rank()];
    slices[axis] = Slice::index(index as isize);
    B::float_slice(tensor.clone(), &slices)
}

/// Attention on a backend that records a graph.
impl<B: Kernel, C: CheckpointStrategy> WindowAttention for Autodiff<B, C> {
    fn window_attention(
        qkv: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        mask: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let parents = [qkv.node(), bias.node()];
        let block = Block::<B> {
            qkv: qkv.into_primitive(),
            bias: bias.into_primitive(),
            mask: mask.into_primitive(),
        };
        match Recorded.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(block.clone(), B::forward(block)),
            OpsKind::UnTracked(prepared) => prepared.finish(B::forward(block)),
        }
    }
}

/// What the graph holds of the operation: its inputs.
#[derive(Debug)]
struct Recorded;

impl<B: Kernel> Backward<B, 2> for Recorded {
    type State = Block<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let own = B::backward(ops.state, gradient);
        for (node, gradient) in ops.parents.into_iter().zip(own) {
            if let Some(node) = node {
                gradients.register::<B>(node.id, gradient);
            }
        }
    }
}
