//! What a recorded operation does with memory, as the CPU backend carries it out.

use burn::tensor::Slice;
use burn_frugal::capture::{ELEMENTWISE, ROUND, WIDEN};
use burn_ir::{
    ActivationOperationIr, BaseOperationIr, FloatOperationIr, ModuleOperationIr,
    NumericOperationIr, OperationIr, ScalarIr, TensorIr, TensorStatus,
};
use memory_planner::{Action, Operand, Operation, Range, Tensor, TensorId, View};

use super::products::Product;
use super::workspace::{
    bytes, columns, convolution, copied, few, matrices, packed, packed_linear, tiles,
};

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
        OperationIr::Custom(custom) if custom.id == ELEMENTWISE => {
            in_place(ELEMENTWISE, Action::Scalar)
        }
        OperationIr::Custom(custom) if [ROUND, WIDEN].contains(&custom.id.as_str()) => {
            kernel("round or widen", Contiguous::All)
        }
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
