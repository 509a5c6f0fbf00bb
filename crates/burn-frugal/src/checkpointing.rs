//! Segment checkpointing: layers whose activations are computed twice instead of kept.

use burn::backend::DispatchTensor;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::capture::{self, Gradients};

use crate::ops::{Gradient, Rule, graph_step, identity};
use crate::precision::Precision;
use crate::segments::{SegmentWork, notify};

/// What the forward pass keeps for the backward pass, and what is computed a second time there.
///
/// Losses and gradients are the same bit for bit whether segments are rebuilt or not. Another length of segments changes
/// gradients to rounding where several segments look at one context, and memory-efficient attention changes both to
/// rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpointing {
    /// Keep only the borders of segments, and rebuild each segment when the backward pass comes to it. The last segment
    /// of a stack is kept: the backward pass begins with it.
    pub rebuild: bool,
    /// Layers of a segment, at least 1. One layer saves most: a layer keeps about ten times what its border takes. Longer
    /// segments leave more to the one that is kept, so less is computed twice.
    pub segment: usize,
    /// Keep the sum of each row of attention weights, and compute the weights again from it.
    pub memory_efficient_attention: bool,
}

impl Default for Checkpointing {
    /// Everything is kept.
    fn default() -> Self {
        Self {
            rebuild: false,
            segment: 1,
            memory_efficient_attention: false,
        }
    }
}

/// How a stack runs its layers; one that keeps everything, if nothing else is said.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stack {
    /// What it keeps for the backward pass.
    pub checkpointing: Checkpointing,
}

impl Stack {
    /// Begins a pass of `x` through `layers`. Where nothing is trained, nothing is kept either, and the layers just run.
    pub fn pass<M: Module, const D: usize>(&self, layers: &M, x: &Tensor<D>) -> Pass {
        let trained = x.is_autodiff() && (x.is_tracked() || is_trained(layers));
        Pass {
            checkpointing: trained.then_some(self.checkpointing),
        }
    }
}

/// One pass through a stack.
pub struct Pass {
    /// None if nothing is trained.
    checkpointing: Option<Checkpointing>,
}

impl Pass {
    /// Runs some layers of the stack, one after another.
    ///
    /// - `x`: what goes through the layers
    /// - `context`: what each of them looks at
    /// - `ends`: whether these are the last layers of the stack
    /// - `layer`: runs the layer of an index, from 0. It may be called once more in the backward pass, so what it captures
    ///   has no gradient
    pub fn run<L, F, const D: usize>(
        &self,
        layers: &[L],
        mut x: Tensor<D>,
        context: Option<Tensor<3>>,
        ends: bool,
        layer: F,
    ) -> Tensor<D>
    where
        L: Module + Sync + 'static,
        F: Fn(usize, &L, Tensor<D>, Option<&Tensor<3>>) -> Tensor<D>,
        F: Clone + Send + Sync + 'static,
    {
        let Some(Checkpointing {
            rebuild, segment, ..
        }) = self.checkpointing
        else {
            notify(SegmentWork::Forward, &x);
            let layers = layers.iter().enumerate();
            return layers.fold(x, |x, (index, one)| layer(index, one, x, context.as_ref()));
        };
        // With two terms in every sum their order is of no account, so each segment has the context to itself.
        let mut remaining = context.map(identity);
        let segments = layers.len().div_ceil(segment);
        for (index, layers) in layers.chunks(segment).enumerate() {
            let own = remaining.clone().map(identity);
            remaining = remaining.map(identity);
            let layer = layer.clone();
            let first = index * segment;
            let run = move |layers: &[L], x: Tensor<D>, context: Option<Tensor<3>>| {
                let layers = layers.iter().zip(first..);
                layers.fold(x, |x, (one, index)| layer(index, one, x, context.as_ref()))
            };
            notify(SegmentWork::Forward, &x);
            x = if rebuild && !(ends && index + 1 == segments) {
                rebuilt(layers, x, own, run)
            } else {
                run(layers, x, own)
            };
        }
        x
    }
}

/// `run(layers, x, context)`, of which the graph keeps nothing but `x` and `context`.
///
/// In the backward pass `run` is run again, as a graph of its own, which is back-propagated at once.
fn rebuilt<L, F, const D: usize>(
    layers: &[L],
    x: Tensor<D>,
    context: Option<Tensor<3>>,
    run: F,
) -> Tensor<D>
where
    L: Module + Sync + 'static,
    F: Fn(&[L], Tensor<D>, Option<Tensor<3>>) -> Tensor<D> + Send + Sync + 'static,
{
    let layers = layers.to_vec();
    let parameters = Parameters::of(&layers);
    let node = x.clone().into_dispatch();
    let context_node = context.clone().map(Tensor::into_dispatch);
    // With constants for inputs, the segment is behind a parameter.
    let other = match &context {
        Some(context) if context.is_tracked() => context_node.clone(),
        _ => parameters.trained,
    };
    let parents = [node.clone(), other.unwrap_or_else(|| node.clone())];
    let targets = [node].into_iter().chain(context_node).chain(parameters.all);

    let (x, context) = (Border::new(x), context.map(Border::new));
    let constant = context.as_ref().map(Border::constant);
    let output = run(&layers.clone().no_grad(), x.constant(), constant);
    let layers = capture::valid(&layers); // holds no node of this graph
    let precision = Precision::current();
    let gradients = move |gradient: DispatchTensor| {
        let layers = capture::train(layers.clone());
        let (x, context) = (x.leaf(), context.as_ref().map(Border::leaf));
        notify(SegmentWork::Rebuild, &x);
        let output = precision.run(|| run(&layers, x.clone(), context.clone()));
        let mut gradients = capture::backward(end(output, gradient));
        notify(SegmentWork::Backward, &x);
        let mut own = vec![gradients.remove(x).map(Tensor::into_dispatch)];
        if let Some(context) = context {
            let gradient = gradients.remove(context);
            own.push(gradient.map(Tensor::into_dispatch));
        }
        own.extend(ParameterGradients::take(&layers, gradients));
        own
    };
    graph_step(output, parents, Rule::new(targets.collect(), gradients))
}

/// What is kept of an input of a segment.
struct Border<const D: usize> {
    /// Without autodiff.
    value: Tensor<D>,
    tracked: bool,
}

impl<const D: usize> Border<D> {
    fn new(input: Tensor<D>) -> Self {
        Self {
            tracked: input.is_tracked(),
            value: capture::leave_graph(input),
        }
    }

    /// The input with no graph behind it. A detached leaf would still be tracked.
    fn constant(&self) -> Tensor<D> {
        capture::enter_graph(self.value.clone())
    }

    /// The input as the beginning of a graph.
    fn leaf(&self) -> Tensor<D> {
        self.constant().set_require_grad(self.tracked)
    }
}

/// A number from which the backward pass of a graph begins when its `output` has the given gradient.
fn end<const D: usize>(output: Tensor<D>, gradient: DispatchTensor) -> Tensor<1> {
    let number = Tensor::zeros([1], &output.device());
    let node = output.into_dispatch();
    let rule = Rule::new(vec![node.clone()], move |_| vec![Some(gradient.clone())]);
    graph_step(number, [node.clone(), node], rule)
}

/// Whether a parameter of the module has a gradient.
fn is_trained<M: Module>(module: &M) -> bool {
    Parameters::of(module).trained.is_some()
}

/// Parameters of a module, as tensors of any rank.
#[derive(Default)]
struct Parameters {
    all: Vec<DispatchTensor>,
    /// The last of those that have a gradient.
    trained: Option<DispatchTensor>,
}

impl Parameters {
    fn of<M: Module>(module: &M) -> Self {
        let mut parameters = Self::default();
        module.visit(&mut parameters);
        parameters
    }
}

impl ModuleVisitor for Parameters {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val().into_dispatch();
        if param.is_require_grad() {
            self.trained = Some(tensor.clone());
        }
        self.all.push(tensor);
    }
}

/// Gradients of the parameters of a module, in the order of [`Parameters`].
struct ParameterGradients {
    from: Gradients,
    found: Vec<Gradient>,
}

impl ParameterGradients {
    fn take<M: Module>(module: &M, from: Gradients) -> Vec<Gradient> {
        let found = Vec::new();
        let mut gradients = Self { from, found };
        module.visit(&mut gradients);
        gradients.found
    }
}

impl ModuleVisitor for ParameterGradients {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = self.from.remove(param.val());
        self.found.push(gradient.map(Tensor::into_dispatch));
    }
}
