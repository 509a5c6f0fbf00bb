//! What a model does on Burn's capture device, where operations are recorded and not carried out.
//!
//! A capture device takes a computation down with its shapes, which is how its memory can be planned. Burn lets a graph be
//! recorded there, too, but not be entered, left or gone back along through [`Tensor`]; the functions here do so on every
//! device. A model that computes something without a graph inside its loss calls them instead of
//! [`Tensor::from_inner`], [`Tensor::without_autodiff`] and [`Module::valid`].

use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, BackendTensor, Capture, DispatchKindConversion, DispatchTensor, DispatchTensorKind,
};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Shape, Tensor};
use burn_ir::{CustomOpIr, OperationIr, ScalarIr, TensorId, TensorIr};
use burn_router::RouterClient;

/// A tensor of a capture device.
type Captured = FloatTensor<Capture>;
/// The same with a graph behind it.
type Tracked = FloatTensor<Autodiff<Capture>>;

/// The tensor without a graph behind it.
pub fn leave_graph<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    match with_graph(tensor) {
        Ok(captured) => plain(captured.into_primitive()),
        Err(other) => other.without_autodiff(),
    }
}

/// A constant of a graph.
pub fn enter_graph<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    match without_graph(tensor) {
        Ok(captured) => {
            let constant = BackendTensor::Float(Tracked::new(captured));
            Tensor::from_dispatch(<DispatchTensor as DispatchKindConversion<
                Autodiff<Capture>,
            >>::from_backend(constant))
        }
        Err(other) => Tensor::from_inner(other),
    }
}

/// The module for evaluation: no autodiff graph, no dropout.
pub fn valid<M: Module>(module: &M) -> M {
    struct LeaveGraph;
    impl ModuleMapper for LeaveGraph {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(leave_graph)
        }
    }
    if is_captured(module) {
        // Constants of the module may stay in a graph: they keep nothing.
        module.clone().map(&mut LeaveGraph)
    } else {
        module.valid()
    }
}

/// The module as it is trained, of one as it is evaluated.
pub fn train<M: Module>(module: M) -> M {
    struct EnterGraph;
    impl ModuleMapper for EnterGraph {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(enter_graph)
        }
    }
    if is_captured(&module) {
        module.map(&mut EnterGraph).train()
    } else {
        module.train()
    }
}

/// Gradients of a backward pass, computed or recorded.
pub struct Gradients(Found);

enum Found {
    Computed(burn::tensor::Gradients),
    Recorded(burn::backend::autodiff::grads::Gradients),
}

/// Goes back along the graph behind a tensor.
///
/// # Panics
///
/// When it has none.
pub fn backward<const D: usize>(tensor: Tensor<D>) -> Gradients {
    Gradients(match with_graph(tensor) {
        Ok(captured) => Found::Recorded(captured.backward()),
        Err(other) => Found::Computed(other.backward()),
    })
}

impl Gradients {
    /// Takes out the gradient of a tensor that has one.
    pub fn remove<const D: usize>(&mut self, tensor: Tensor<D>) -> Option<Tensor<D>> {
        match (&mut self.0, with_graph(tensor)) {
            (Found::Computed(gradients), Err(tensor)) => tensor.grad_remove(gradients),
            (Found::Recorded(gradients), Ok(captured)) => {
                captured.grad_remove(gradients).map(plain)
            }
            _ => None,
        }
    }
}

/// How a tensor is called in the record of a capture device; none on another device.
pub fn id<const D: usize>(tensor: Tensor<D>) -> Option<TensorId> {
    match with_graph(tensor) {
        Ok(captured) => Some(captured.primitive().id()),
        Err(tensor) => without_graph(tensor).ok().map(|captured| captured.id()),
    }
}

/// Writes a mark into the record of the tensor's capture device.
///
/// # Panics
///
/// When it is on another device.
pub fn mark<const D: usize>(name: &'static str, on: Tensor<D>) {
    let Ok(captured) = without_graph(leave_graph(on)) else {
        panic!("marks are for capture devices");
    };
    let mark = CustomOpIr::new(name, &[], &[]);
    captured.client.register_op(OperationIr::Custom(mark));
}

/// What a kernel is called that writes a changed number over each number of its operand.
pub const ELEMENTWISE: &str = "element by element";

/// What the kernel is called that rounds to half precision, row by row.
pub const ROUND: &str = "round to half precision";

/// What the kernel is called that makes single precision of half precision, row by row.
pub const WIDEN: &str = "widen half precision";

/// Records a kernel that takes this many elements in memory beside its results, which are in single precision.
pub(crate) fn record<const M: usize>(
    name: &'static str,
    inputs: impl IntoIterator<Item = Captured>,
    outputs: [Shape; M],
    workspace: usize,
) -> [Captured; M] {
    record_as(name, inputs, outputs, DType::F32, workspace)
}

/// [`record`] of a kernel whose results have another type.
pub(crate) fn record_as<const M: usize>(
    name: &'static str,
    inputs: impl IntoIterator<Item = Captured>,
    outputs: [Shape; M],
    dtype: DType,
    workspace: usize,
) -> [Captured; M] {
    let inputs: Vec<_> = inputs.into_iter().collect();
    let client = inputs[0].client.clone();
    let outputs = outputs.map(|shape| TensorIr::uninit(client.create_empty_handle(), shape, dtype));
    let bytes = (workspace * DType::F32.size()) as u64;
    let kernel = CustomOpIr::with_scalars(
        name,
        &inputs
            .into_iter()
            .map(Captured::into_ir)
            .collect::<Vec<_>>(),
        &outputs,
        vec![ScalarIr::UInt(bytes)],
    );
    let made = client.register(OperationIr::Custom(kernel));
    made.try_into()
        .unwrap_or_else(|_| unreachable!("an operation has the outputs it was given"))
}

/// Threads that the CPU backend computes with.
pub(crate) fn threads() -> usize {
    #[cfg(feature = "flex")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "flex"))]
    return 1;
}

/// Whether parameters of the module are on a capture device.
fn is_captured<M: Module>(module: &M) -> bool {
    struct Look(bool);
    impl ModuleVisitor for Look {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 |= id(param.val()).is_some();
        }
    }
    let mut look = Look(false);
    module.visit(&mut look);
    look.0
}

fn plain<const D: usize>(captured: Captured) -> Tensor<D> {
    Tensor::from_dispatch(
        <DispatchTensor as DispatchKindConversion<Capture>>::from_backend(BackendTensor::Float(
            captured,
        )),
    )
}

/// A tensor of a capture device with autodiff, or what was given.
#[expect(clippy::result_large_err, reason = "either way a tensor is handed on")]
fn with_graph<const D: usize>(tensor: Tensor<D>) -> Result<Tracked, Tensor<D>> {
    let DispatchTensor { kind, autodiff } = tensor.into_dispatch();
    let kind = match kind {
        DispatchTensorKind::Autodiff(inner) => match *inner {
            DispatchTensorKind::Capture(captured) => return Ok(captured.autodiff()),
            other => DispatchTensorKind::Autodiff(Box::new(other)),
        },
        other => other,
    };
    Err(Tensor::from_dispatch(DispatchTensor { kind, autodiff }))
}

/// A tensor of a capture device without autodiff, or what was given.
#[expect(clippy::result_large_err, reason = "either way a tensor is handed on")]
fn without_graph<const D: usize>(tensor: Tensor<D>) -> Result<Captured, Tensor<D>> {
    let DispatchTensor { kind, autodiff } = tensor.into_dispatch();
    match kind {
        DispatchTensorKind::Capture(captured) => Ok(captured.float()),
        kind => Err(Tensor::from_dispatch(DispatchTensor { kind, autodiff })),
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    /// A layer and the loss of a row of ones, in which the layer is used with and without a graph.
    fn layer(device: &Device) -> (Linear, Tensor<1>) {
        let layer: Linear = LinearConfig::new(3, 2).init(device);
        let x = Tensor::<2>::ones([1, 3], device);
        let constant = valid(&layer).forward(leave_graph(x.clone()));
        assert!(!constant.device().is_autodiff());
        let loss = (layer.forward(x) * enter_graph(constant)).sum();
        (layer, loss)
    }

    fn check(device: &Device) {
        let (layer, loss) = layer(device);
        let mut gradients = backward(loss);
        let weight = gradients.remove(layer.weight.val());
        assert_eq!(weight.expect("the weight has one").dims(), [3, 2]);
        let bias = layer.bias.as_ref().map(Param::val);
        let bias = bias.and_then(|bias| gradients.remove(bias));
        assert_eq!(bias.expect("the bias has one").dims(), [2]);

        let evaluated = valid(&layer);
        assert!(!evaluated.weight.is_require_grad());
        assert!(train(evaluated).weight.is_require_grad());
        assert!(!train(valid(&layer.freeze())).weight.is_require_grad());
    }

    #[test]
    fn gradients_are_computed() {
        check(&Device::flex().autodiff());
    }

    #[test]
    fn gradients_are_recorded() {
        let device = Device::capture();
        let captured = device.capture_scope(|scope| {
            check(&device.clone().autodiff());
            scope.complete([], [])
        });
        let operations = captured.expect("the scope is whole").graph.operations;
        assert!(operations.len() > 10, "{operations:?}");
    }

    #[test]
    fn a_kernel_is_recorded_with_what_it_takes() {
        let device = Device::capture();
        let captured = device.capture_scope(|scope| {
            let x = Tensor::<2>::ones([4, 5], &device);
            let Ok(x) = without_graph(x) else {
                panic!("the device captures");
            };
            let [y] = record("kernel", [x], [Shape::new([7, 2])], 100);
            assert_eq!(plain::<2>(y).dims(), [7, 2]);
            scope.complete([], [])
        });
        let operations = captured.expect("the scope is whole").graph.operations;
        let Some(OperationIr::Custom(kernel)) = operations.last() else {
            panic!("{operations:?}");
        };
        assert_eq!(kernel.scalars, [ScalarIr::UInt(400)]);
    }
}
