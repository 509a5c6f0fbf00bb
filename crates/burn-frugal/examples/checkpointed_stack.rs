//! Gradients of a stack of layers with and without segment checkpointing: what each keeps, and that they are equal.
//!
//! Run it with `cargo run --package burn-frugal --example checkpointed_stack`.
#![expect(clippy::print_stdout, reason = "its result is its output")]

use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Distribution, Tensor};
use burn_frugal::{Checkpointing, SegmentWork, Stack, project, watch_segments};

const LAYERS: usize = 6;
const WIDTH: usize = 64;

/// The gradient of the first layer's weight, and how often a segment was rebuilt.
fn gradient(layers: &[Linear], x: &Tensor<2>, rebuild: bool) -> (Tensor<2>, usize) {
    let rebuilt = std::rc::Rc::new(std::cell::Cell::new(0));
    let count = rebuilt.clone();
    let _watch = watch_segments(move |work| {
        if work == SegmentWork::Rebuild {
            count.set(count.get() + 1);
        }
    });
    let checkpointing = Checkpointing {
        rebuild,
        ..Checkpointing::default()
    };
    let stack = Stack { checkpointing };
    let layers = layers.to_vec();
    let pass = stack.pass(&layers, x);
    // Each layer keeps several times its input: the product, and what GELU needs of it.
    let y = pass.run(&layers, x.clone(), None, true, |_, layer, x, _| {
        gelu(project(x, layer))
    });
    let gradients = y.sum().backward();
    let first = layers[0].weight.val();
    let gradient = first.grad(&gradients).expect("the weight has a gradient");
    (gradient, rebuilt.get())
}

fn main() {
    let device = Device::flex().autodiff();
    let layers: Vec<Linear> = (0..LAYERS)
        .map(|_| LinearConfig::new(WIDTH, WIDTH).init(&device))
        .collect();
    let x = Tensor::random([32, WIDTH], Distribution::Normal(0.0, 1.0), &device);
    let (kept, _) = gradient(&layers, &x, false);
    let (rebuilt, times) = gradient(&layers, &x, true);
    let difference = (kept - rebuilt).abs().max().into_scalar::<f32>();
    println!("{times} of {LAYERS} segments were rebuilt; gradients differ by {difference}");
    assert!(times > 0, "segments are rebuilt");
    assert!(difference == 0.0, "gradients are equal bit for bit");
}
