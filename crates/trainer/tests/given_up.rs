//! A forward pass that is given up leaves nothing behind. One test to a process: memory is counted for all of it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};
use trainer::memory::{HostMeter, Meter};
use trainer::plan::products::keep_thread_buffers;
use trainer::{Slicing, effective_gradient};

#[derive(Module, Debug)]
struct Stack {
    layers: Vec<Linear>,
}

impl Stack {
    /// Loss of every sample, `[batch]`.
    fn losses(&self, input: Tensor<2>) -> Tensor<1> {
        let output = self
            .layers
            .iter()
            .fold(input, |hidden, layer| layer.forward(hidden).tanh());
        output.square().sum_dim(1).squeeze_dim(1)
    }
}

const WIDTH: usize = 64;
const SAMPLES: usize = 4096;

fn live() -> u64 {
    HostMeter.take().expect("the CPU is measured").live_bytes
}

#[test]
fn what_a_forward_pass_kept_is_freed_when_it_is_given_up() {
    let device = Device::flex().autodiff();
    let layer = |_| LinearConfig::new(WIDTH, WIDTH).init(&device);
    let model = Stack {
        layers: (0..8).map(layer).collect(),
    };
    let pass = |parallel: usize, given_up: bool| {
        let slicing = Slicing {
            micro_batch: SAMPLES / parallel,
            parallel,
        };
        let passed = catch_unwind(AssertUnwindSafe(|| {
            effective_gradient(&model, SAMPLES, slicing, |model, slice| {
                let normal = Distribution::Normal(0.0, 1.0);
                let losses = model.losses(Tensor::random([slice.len(), WIDTH], normal, &device));
                if given_up {
                    resume_unwind(Box::new("given up"));
                }
                losses
            })
        }));
        assert_eq!(passed.is_err(), given_up);
    };
    // A thread that has nothing to do in the first pass would otherwise make its buffer in the second.
    keep_thread_buffers();
    for parallel in [1, 2] {
        // What the backend keeps for itself, it keeps after the first time.
        pass(parallel, false);
        let before = live();
        pass(parallel, true);
        let kept = live().saturating_sub(before);
        let activations = (SAMPLES * WIDTH * 4) as u64;
        assert!(
            kept < activations / 8,
            "{kept} bytes are kept of activations of {activations} in each layer"
        );
    }
}
