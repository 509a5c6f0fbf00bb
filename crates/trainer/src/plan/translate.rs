//! What a recorded operation does with memory, as the CPU backend carries it out.

use burn::tensor::Slice;
use burn_ir::{
    ActivationOperationIr, BaseOperationIr, FloatOperationIr, ModuleOperationIr,
    NumericOperationIr, OperationIr, ScalarIr, TensorIr, TensorStatus,
};
use memory_planner::{Action, Operand, Operation, Range, Tensor, TensorId, View};

use crate::plan::products::{Product, threads};

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

/// A recorded tensor.
pub(super) fn tensor(recorded: &TensorIr) -> Tensor {
    Tensor {
        id: TensorId(recorded.id.value()),
        shape: recorded.shape.to_vec(),
        element: recorded.dtype.size(),
    }
}

/// A recorded operation, of no part yet.
pub(super) fn operation(recorded: &OperationIr) -> Operation {
    let (name, action, contiguous) = action(recorded);
    let operand = |(index, read): (usize, &TensorIr)| Operand {
        tensor: TensorId(read.id.value()),
        consumed: read.status == TensorStatus::ReadWrite,
        contiguous: contiguous.includes(index),
    };
    Operation {
        name,
        action,
        inputs: recorded.inputs().enumerate().map(operand).collect(),
        outputs: recorded.outputs().map(tensor).collect(),
        part: 0,
    }
}

/// Which operands are wanted row by row.
#[derive(Debug, Clone, Copy)]
enum Contiguous {
    None,
    All,
    Only(usize),
    AllBut(usize),
}

impl Contiguous {
    fn includes(self, index: usize) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Only(one) => index == one,
            Self::AllBut(one) => index != one,
        }
    }
}

type Found = (&'static str, Action, Contiguous);

const fn kernel(name: &'static str, contiguous: Contiguous) -> Found {
    (name, Action::Kernel { workspace: 0 }, contiguous)
}

const fn in_place(name: &'static str, action: Action) -> Found {
    (name, action, Contiguous::None)
}

fn action(recorded: &OperationIr) -> Found {
    match recorded {
        OperationIr::BaseFloat(base) | OperationIr::BaseInt(base) | OperationIr::BaseBool(base) => {
            base_action(base)
        }
        OperationIr::NumericFloat(_, numeric) | OperationIr::NumericInt(_, numeric) => {
            numeric_action(numeric)
        }
        OperationIr::Float(_, float) => float_action(float),
        OperationIr::Module(module) => module_action(module),
        OperationIr::Activation(activation) => activation_action(activation),
        OperationIr::Custom(custom) => {
            let workspace = match custom.scalars.first() {
                Some(ScalarIr::UInt(bytes)) => *bytes,
                _ => 0,
            };
            in_place("kernel of the model", Action::Kernel { workspace })
        }
        OperationIr::Init(_) => kernel("upload", Contiguous::None),
        _ => kernel("other", Contiguous::None),
    }
}

fn base_action(base: &BaseOperationIr) -> Found {
    let view = |name, view| in_place(name, Action::View(view));
    match base {
        BaseOperationIr::Reshape(_) => view("reshape", View::Reshape),
        BaseOperationIr::Expand(_) => view("expand", View::Expand),
        BaseOperationIr::SwapDims(swap) => {
            let mut axes: Vec<usize> = (0..swap.input.shape.num_dims()).collect();
            axes.swap(swap.dim1, swap.dim2);
            view("swap_dims", View::Permute(axes))
        }
        BaseOperationIr::Permute(permute) => view("permute", View::Permute(permute.axes.clone())),
        BaseOperationIr::Flip(flip) => view("flip", View::Flip(flip.axes.clone())),
        BaseOperationIr::Slice(slice) => {
            let axes = slice.tensor.shape.iter().zip(&slice.ranges);
            let ranges = axes.map(|(&length, range)| self::range(length, range));
            view("slice", View::Slice(ranges.collect()))
        }
        BaseOperationIr::Cat(cat) if cat.tensors.len() == 1 => view("cat", View::Reshape),
        BaseOperationIr::Cast(cast) if cast.input.dtype == cast.out.dtype => {
            view("cast", View::Reshape)
        }
        BaseOperationIr::SliceAssign(_) => ("slice_assign", Action::Update, Contiguous::Only(1)),
        BaseOperationIr::SelectAssign(_) => {
            ("select_assign", Action::Update, Contiguous::AllBut(0))
        }
        BaseOperationIr::Scatter(_) => ("scatter", Action::Update, Contiguous::AllBut(0)),
        BaseOperationIr::MaskWhere(_) => in_place("mask_where", Action::Update),
        BaseOperationIr::MaskFill(_) => in_place("mask_fill", Action::Update),
        BaseOperationIr::Empty(made) | BaseOperationIr::Zeros(made) => {
            let workspace = copied(&made.out);
            in_place("zeros", Action::Kernel { workspace })
        }
        BaseOperationIr::Cat(_) => kernel("cat", Contiguous::All),
        BaseOperationIr::Select(_) => kernel("select", Contiguous::All),
        BaseOperationIr::Gather(_) => kernel("gather", Contiguous::All),
        BaseOperationIr::RepeatDim(repeated) => {
            let workspace = copied(&repeated.out);
            ("repeat_dim", Action::Kernel { workspace }, Contiguous::All)
        }
        _ => kernel("base", Contiguous::None),
    }
}

/// Flex counts a negative index from the end, and a negative step goes from the end of the range to its start.
fn range(length: usize, range: &Slice) -> Range {
    let index = |index: isize| {
        let from_end = length.saturating_add_signed(index);
        usize::try_from(index).unwrap_or(from_end).min(length)
    };
    let start = if range.step < 0 {
        range.end.map_or(length, index).saturating_sub(1)
    } else {
        index(range.start)
    };
    Range {
        start,
        step: range.step,
    }
}

fn numeric_action(numeric: &NumericOperationIr) -> Found {
    use NumericOperationIr as Op;
    match numeric {
        Op::Add(_) | Op::Sub(_) | Op::Mul(_) | Op::Div(_) | Op::Rem(_) | Op::Powi(_) => {
            in_place("arithmetic", Action::Binary)
        }
        Op::AddScalar(_)
        | Op::SubScalar(_)
        | Op::MulScalar(_)
        | Op::DivScalar(_)
        | Op::RemScalar(_) => in_place("arithmetic with a number", Action::Scalar),
        Op::Abs(_)
        | Op::Neg(_)
        | Op::Sign(_)
        | Op::Clamp(_)
        | Op::ClampMin(_)
        | Op::ClampMax(_)
        | Op::PowiScalar(_) => in_place("element by element", Action::Unary),
        Op::Sum(_) | Op::Mean(_) => kernel("sum", Contiguous::None),
        Op::SumDim(_) | Op::MeanDim(_) | Op::SumDims(_) => {
            kernel("sum of an axis", Contiguous::All)
        }
        _ => kernel("numeric", Contiguous::None),
    }
}

fn float_action(float: &FloatOperationIr) -> Found {
    use FloatOperationIr as Op;
    match float {
        Op::Matmul(product) => {
            let [batches, rows, columns] = matrices(&product.out);
            let [.., inner] = matrices(&product.lhs);
            let each = Product {
                rows,
                inner,
                columns,
                first_by_rows: false,
                second_by_rows: false,
            };
            let workspace = packed(batches, each).max(copied(&product.out));
            in_place("matmul", Action::Kernel { workspace })
        }
        Op::Random(_) => kernel("random", Contiguous::None),
        Op::IntoInt(_) => kernel("into_int", Contiguous::All),
        Op::Powf(_) | Op::ArcTan2(_) | Op::Hypot(_) => in_place("arithmetic", Action::Binary),
        Op::Exp(_)
        | Op::Log(_)
        | Op::Log1p(_)
        | Op::Erf(_)
        | Op::PowfScalar(_)
        | Op::Sqrt(_)
        | Op::Cos(_)
        | Op::Sin(_)
        | Op::Tanh(_)
        | Op::Floor(_)
        | Op::Ceil(_)
        | Op::Round(_)
        | Op::Trunc(_)
        | Op::Recip(_) => in_place("element by element", Action::Unary),
        _ => kernel("float", Contiguous::None),
    }
}

fn activation_action(activation: &ActivationOperationIr) -> Found {
    use ActivationOperationIr as Op;
    match activation {
        Op::Softmax(softmax) if softmax.axis + 1 == softmax.input.shape.num_dims() => {
            kernel("softmax", Contiguous::All)
        }
        Op::Softmax(softmax) => {
            let copy = softmax.input.shape.num_elements() * softmax.input.dtype.size();
            let workspace = copy as u64;
            in_place("softmax", Action::Kernel { workspace })
        }
        Op::ReluBackward(_)
        | Op::PRelu(_)
        | Op::GeluBackward(_)
        | Op::SigmoidBackward(_)
        | Op::LogSigmoidBackward(_) => in_place("activation backward", Action::Binary),
        Op::LogSoftmax(_) | Op::Softmin(_) => kernel("log_softmax", Contiguous::All),
        _ => in_place("activation", Action::Unary),
    }
}

fn module_action(module: &ModuleOperationIr) -> Found {
    use ModuleOperationIr as Op;
    match module {
        Op::Linear(linear) => {
            let workspace = packed_linear(&linear.x, &linear.out, true);
            ("linear", Action::Kernel { workspace }, Contiguous::Only(0))
        }
        Op::LinearXBackward(linear) => {
            let workspace = packed_linear(&linear.output_grad, &linear.out, false);
            (
                "linear backward",
                Action::Kernel { workspace },
                Contiguous::Only(1),
            )
        }
        Op::LinearWeightBackward(linear) => {
            let [batches, rows, _] = matrices(&linear.x);
            let [_, inputs, outputs] = matrices(&linear.out);
            let product = Product {
                rows: inputs,
                inner: batches * rows,
                columns: outputs,
                first_by_rows: false,
                second_by_rows: true,
            };
            let workspace = packed(1, product).max(copied(&linear.out));
            (
                "linear weight backward",
                Action::Kernel { workspace },
                Contiguous::All,
            )
        }
        Op::LinearBiasBackward(_) => kernel("linear bias backward", Contiguous::All),
        Op::Embedding(_) => kernel("embedding", Contiguous::All),
        Op::EmbeddingBackward(_) => kernel("embedding backward", Contiguous::AllBut(0)),
        Op::Conv2d(conv) => {
            let workspace = convolution(&conv.x, &conv.weight, &conv.out);
            (
                "convolution",
                Action::Kernel { workspace },
                Contiguous::Only(0),
            )
        }
        Op::Conv2dWeightBackward(conv) => {
            // A convolution of the input with the gradient in place of the kernel; both are turned around first.
            let [images, channels, ..] = conv.x.shape.dims::<4>();
            let [_, kernels, height, width] = conv.output_grad.shape.dims::<4>();
            // It has a rim where strides left some of the input over, which stays in memory with the gradient.
            let moves = |axis: usize| {
                let (before, behind) = conv.options.padding[axis];
                let padded = conv.x.shape[2 + axis] + before + behind;
                let reach = conv.options.stride[axis] * (conv.output_grad.shape[2 + axis] - 1);
                padded.saturating_sub(reach + 1) / conv.options.dilation[axis] + 1
            };
            let of = vec![kernels, channels, moves(0), moves(1)];
            let both = bytes(&conv.x) + bytes(&conv.output_grad);
            let turned = if images > 1 { both } else { 0 };
            let unfolded = if few(images, kernels) {
                0
            } else {
                let pixels = moves(0) * moves(1);
                both + tiles(channels, pixels, images * height * width, kernels)
            };
            let workspace = turned + unfolded;
            in_place("convolution weight backward", Action::Cut { of, workspace })
        }
        Op::Conv2dXBackward(conv) => {
            let workspace = columns(&conv.weight, &conv.output_grad, &conv.out);
            (
                "convolution backward",
                Action::Kernel { workspace },
                Contiguous::All,
            )
        }
        Op::Conv2dBiasBackward(_) => kernel("convolution bias backward", Contiguous::All),
        _ => kernel("module", Contiguous::None),
    }
}

fn bytes(tensor: &TensorIr) -> u64 {
    (tensor.shape.num_elements() * tensor.dtype.size()) as u64
}

/// The CPU backend makes the result of a product, and tensors of zeros, as bytes, which it then copies to where numbers may
/// lie: for a moment they are there twice. That is over before the product packs anything.
fn copied(out: &TensorIr) -> u64 {
    bytes(out)
}

/// Copies that a convolution makes of its input and its kernel, and what it unfolds at a time.
fn convolution(x: &TensorIr, weight: &TensorIr, out: &TensorIr) -> u64 {
    let [kernels, channels, rows, columns] = weight.shape.dims::<4>();
    if few(channels, kernels) || rows * columns == 1 {
        return 0;
    }
    let [images, _, height, width] = out.shape.dims::<4>();
    let unfolded = tiles(images, height * width, channels * rows * columns, kernels);
    bytes(x) + bytes(weight) + unfolded
}

/// Whether a convolution of so many channels by so many kernels unfolds nothing.
fn few(channels: usize, kernels: usize) -> bool {
    channels <= FEW_CHANNELS[0] && kernels <= FEW_CHANNELS[1]
}

/// Bytes of the tiles that a convolution works on: what is unfolded of the input, what is made of it, and the copies of the
/// product in between.
fn tiles(images: usize, pixels: usize, unfolded: usize, kernels: usize) -> u64 {
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
fn columns(weight: &TensorIr, gradient: &TensorIr, out: &TensorIr) -> u64 {
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

/// Bytes of the copies that products take, so many side by side.
fn packed(batches: usize, each: Product) -> u64 {
    (batches.min(threads()) * each.packed_bytes()) as u64
}

/// Of a linear layer, which multiplies all rows at once or batch by batch, by a matrix that lies row by row or not.
fn packed_linear(from: &TensorIr, to: &TensorIr, by_rows: bool) -> u64 {
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
fn matrices(tensor: &TensorIr) -> [usize; 3] {
    match tensor.shape[..] {
        [.., rows, columns] => {
            let batches = tensor.shape.num_elements() / (rows * columns).max(1);
            [batches, rows, columns]
        }
        _ => [1, 1, tensor.shape.num_elements()],
    }
}
