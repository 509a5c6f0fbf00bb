//! Steps of the graph whose gradients a closure computes.

use std::fmt;
use std::sync::Arc;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, Backend, BackendTensor, Dispatch, DispatchKindConversion, DispatchTensor,
    backend_extension,
};
use burn::tensor::Tensor;

/// A gradient without autodiff; none if there is nothing to add.
pub(crate) type Gradient = Option<DispatchTensor>;

/// Where the gradients of a step go, and how they follow from the gradient of its output.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    targets: Vec<DispatchTensor>,
    gradients: GradientsOf,
}

#[derive(Clone)]
struct GradientsOf(Arc<dyn Fn(DispatchTensor) -> Vec<Gradient> + Send + Sync>);

impl fmt::Debug for GradientsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GradientsOf")
    }
}

impl Rule {
    /// - `targets`: tensors of any rank on an autodiff device
    /// - `gradients`: from the gradient of the output, without autodiff, to those of the targets in their order
    pub(crate) fn new(
        targets: Vec<DispatchTensor>,
        gradients: impl Fn(DispatchTensor) -> Vec<Gradient> + Send + Sync + 'static,
    ) -> Self {
        Self {
            targets,
            gradients: GradientsOf(Arc::new(gradients)),
        }
    }
}

/// `output` as a step of the graph behind the two parents, whatever it was computed from; without a graph behind either
/// parent, `output` alone.
///
/// A target that is neither a parent nor a parameter is behind a parent, or its gradient comes too late.
pub(crate) fn graph_step<const D: usize>(
    output: Tensor<D>,
    parents: [DispatchTensor; 2],
    rule: Rule,
) -> Tensor<D> {
    let [first, second] = parents;
    let output = output.into_dispatch();
    Tensor::from_dispatch(<Dispatch as GraphStep>::graph_step(
        output, first, second, rule,
    ))
}

/// `x` itself, as a step of its own.
///
/// The gradient of a tensor with many users is a sum, and the order of its terms depends on everything else in the graph.
/// One such step for a group of users adds theirs up first.
pub fn identity<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let node = x.clone().into_dispatch();
    let rule = Rule::new(vec![node.clone()], |gradient| vec![Some(gradient)]);
    graph_step(x, [node.clone(), node], rule)
}

/// The operation as Burn dispatches it.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(any(feature = "cuda", feature = "wgpu")),
    Capture,
    Autodiff
)]
pub(crate) trait GraphStep: Backend {
    /// Without a graph there are no steps, and the output is all that is left.
    fn graph_step(
        output: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        rule: Rule,
    ) -> FloatTensor<Self> {
        drop((first, second, rule));
        output
    }
}

on_plain_backends!(GraphStep {});

impl<B, C> GraphStep for Autodiff<B, C>
where
    B: GraphStep,
    C: CheckpointStrategy,
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Self>,
{
    fn graph_step(
        output: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        rule: Rule,
    ) -> FloatTensor<Self> {
        let parents = [first.node(), second.node()];
        let output = output.into_primitive();
        match Recorded.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let targets = rule.targets.into_iter();
                let targets = targets.map(|target| primitive::<Self>(target).id());
                prepared.finish((targets.collect(), rule.gradients), output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}

/// What the graph holds of the operation: the rule, whose targets are nodes and nothing that keeps a node alive.
#[derive(Debug)]
struct Recorded;

impl<B: Backend> Backward<B, 2> for Recorded
where
    DispatchTensor: DispatchKindConversion<B>,
{
    type State = (Vec<NodeId>, GradientsOf);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = BackendTensor::<B>::Float(gradients.consume::<B>(&ops.node));
        let (targets, GradientsOf(gradients_of)) = ops.state;
        let own = gradients_of(DispatchTensor::from_backend(gradient));
        for (target, gradient) in targets.into_iter().zip(own) {
            if let Some(gradient) = gradient {
                gradients.register::<B>(target, primitive::<B>(gradient));
            }
        }
    }
}

/// What backend `B` calls the tensor.
fn primitive<B: Backend>(tensor: DispatchTensor) -> FloatTensor<B>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    DispatchTensor::try_into_backend(tensor)
        .unwrap_or_else(|other| panic!("a step and its gradients are on one backend: {other}"))
        .float()
}
