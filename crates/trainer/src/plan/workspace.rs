//! What kernels of the CPU backend take beside their results: copies, columns and packed operands.

use burn_ir::TensorIr;

use super::products::{Product, threads};

/// Channels up to which the CPU backend convolves without unfolding, into and out of a kernel.
const FEW_CHANNELS: [usize; 2] = [4, 16];
/// Output pixels that the CPU backend unfolds at a time.
const UNFOLDED_PIXELS: usize = 512;
/// Bytes of columns that the CPU backend makes at a time for the gradient of a convolution's input.
const COLUMN_BYTES: usize = 8 << 20;
/// Numbers of a result from which images of a batch are worked on side by side there.
const SIDE_BY_SIDE: usize = 256 * 1024;
/// Pieces of such work that a thread has begun: while others help with the product of one, it may take up another.
const PIECES_A_THREAD: usize = 2;

pub(super) fn bytes(tensor: &TensorIr) -> u64 {
    (tensor.shape.num_elements() * tensor.dtype.size()) as u64
}

/// The CPU backend makes the result of a product, and tensors of zeros, as bytes, which it then copies to where numbers may
/// lie: for a moment they are there twice. That is over before the product packs anything.
pub(super) fn copied(out: &TensorIr) -> u64 {
    bytes(out)
}

/// Copies that a convolution makes of its input and its kernel, and what it unfolds at a time.
pub(super) fn convolution(x: &TensorIr, weight: &TensorIr, out: &TensorIr) -> u64 {
    let [kernels, channels, rows, columns] = weight.shape.dims::<4>();
    if few(channels, kernels) || rows * columns == 1 {
        return 0;
    }
    let [images, _, height, width] = out.shape.dims::<4>();
    let unfolded = tiles(images, height * width, channels * rows * columns, kernels);
    bytes(x) + bytes(weight) + unfolded
}

/// Whether a convolution of this many channels by this many kernels unfolds nothing.
pub(super) fn few(channels: usize, kernels: usize) -> bool {
    channels <= FEW_CHANNELS[0] && kernels <= FEW_CHANNELS[1]
}

/// Bytes of the tiles that a convolution works on: what is unfolded of the input, what is made of it, and the copies of the
/// product in between.
pub(super) fn tiles(images: usize, pixels: usize, unfolded: usize, kernels: usize) -> u64 {
    let tile = UNFOLDED_PIXELS.min(pixels);
    let all = images * pixels.div_ceil(UNFOLDED_PIXELS);
    let product = Product {
        rows: kernels,
        inner: unfolded,
        columns: tile,
        first_by_rows: true,
        second_by_rows: false,
    };
    let numbers = tile * (unfolded + kernels);
    let each = numbers * size_of::<f32>() + product.packed_bytes();
    (all.min(begun(product)) * each) as u64
}

/// Bytes of the columns that the gradient of a convolution's input is added up from, and of the copies of the product that
/// makes them.
pub(super) fn columns(weight: &TensorIr, gradient: &TensorIr, out: &TensorIr) -> u64 {
    let [kernels, channels, height, width] = weight.shape.dims::<4>();
    let [images, _, rows, columns] = gradient.shape.dims::<4>();
    let unfolded = channels * height * width;
    let most = COLUMN_BYTES / size_of::<f32>() / unfolded.max(1);
    let product = Product {
        rows: unfolded,
        inner: kernels,
        columns: (rows * columns).min(most.max(1)),
        first_by_rows: false,
        second_by_rows: true,
    };
    let numbers = unfolded * product.columns;
    let each = numbers * size_of::<f32>() + product.packed_bytes();
    let at_once = if out.shape.num_elements() >= SIDE_BY_SIDE {
        images.min(begun(product))
    } else {
        1
    };
    (at_once * each) as u64
}

/// Pieces of work that are begun at a time, each with such a product.
fn begun(product: Product) -> usize {
    let each = if product.is_shared() {
        PIECES_A_THREAD
    } else {
        1
    };
    each * threads()
}

/// Bytes of the copies that products take, this many side by side.
pub(super) fn packed(batches: usize, each: Product) -> u64 {
    (batches.min(threads()) * each.packed_bytes()) as u64
}

/// Of a linear layer, which multiplies all rows at once or batch by batch, by a matrix that lies row by row or not.
pub(super) fn packed_linear(from: &TensorIr, to: &TensorIr, by_rows: bool) -> u64 {
    let [batches, rows, columns] = matrices(to);
    let [.., inner] = matrices(from);
    let product = |rows| Product {
        rows,
        inner,
        columns,
        first_by_rows: true,
        second_by_rows: by_rows,
    };
    let packed = packed(batches, product(rows)).max(packed(1, product(batches * rows)));
    packed.max(copied(to))
}

/// Matrices side by side, their rows and their columns.
pub(super) fn matrices(tensor: &TensorIr) -> [usize; 3] {
    match tensor.shape[..] {
        [.., rows, columns] => {
            let batches = tensor.shape.num_elements() / (rows * columns).max(1);
            [batches, rows, columns]
        }
        _ => [1, 1, tensor.shape.num_elements()],
    }
}
