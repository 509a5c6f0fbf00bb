//! Times parts of the model on request, for `cargo xtask bench model`.
//!
//! Reads the name of a part from each line of standard input, runs that part once to warm up and once on the clock, and
//! writes the seconds as a line of JSON. `tests/benches/peer/parts.py` answers the same names.
#![expect(clippy::print_stdout, reason = "its answers are its output")]

use std::collections::HashMap;
use std::io::stdin;
use std::time::Instant;

use aoa_model::xvlm::bert::{BertConfig, Context, Tokens};
use aoa_model::xvlm::swin::SwinConfig;
use aoa_model::{AoaStackConfig, AttentionOnAttentionConfig};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, ModuleOptimizer, Optimizer};
use burn::tensor::{Device, Distribution, Int, Tensor};
use burn_frugal::{Checkpointing, RowKeys};
use trainer::optim::{AdamW, AdamWForm, Adamax, clip_by_global_norm};

const BATCH: usize = 8;

/// Runs a part once and returns the seconds.
type Part = Box<dyn FnMut() -> f64>;

fn main() {
    allocator::keep_freed_memory(); // as the program does
    let device = Device::flex().autodiff();
    device.seed(0);
    let mut made = HashMap::new();
    for name in stdin().lines().map_while(Result::ok) {
        // What cargo passes to a benchmark, and a stray line, name nothing.
        let Some(run) = part(&name, &mut made, &device) else {
            continue;
        };
        run();
        let seconds = run();
        println!(
            "{}",
            serde_json::json!({ "part": name, "seconds": seconds })
        );
    }
}

fn part<'a>(
    name: &str,
    made: &'a mut HashMap<String, Part>,
    device: &Device,
) -> Option<&'a mut Part> {
    if !made.contains_key(name) {
        let part = match name {
            "aoa-stack-24gb" => aoa_stack(4, 768, device),
            "aoa-stack-48gb" => aoa_stack(6, 1024, device),
            "swin-stage" => swin_stage(device),
            "cross-attention-layer" => cross_attention_layer(226, 0.0, false, device),
            "attention-50" => aoa_block([BATCH, 50, 768], false, device),
            "attention-50-efficient" => aoa_block([BATCH, 50, 768], true, device),
            "attention-901" => cross_attention_layer(901, 0.1, false, device),
            "attention-901-efficient" => cross_attention_layer(901, 0.1, true, device),
            "attention-2048" => aoa_block([1, 2048, 512], false, device),
            "attention-2048-efficient" => aoa_block([1, 2048, 512], true, device),
            "adamax-step" => optimizer(adamax(), device),
            "adamw-step" => optimizer(adamw(), device),
            _ => return None,
        };
        made.insert(name.to_owned(), part);
    }
    made.get_mut(name)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures time, and the trainer's clock is private to it"
)]
fn seconds(run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64()
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

/// A forward and a backward pass.
fn backward<const D: usize>(forward: impl Fn() -> Tensor<D> + 'static) -> Part {
    Box::new(move || {
        seconds(|| {
            let gradients = forward().sum().backward();
            drop(gradients);
        })
    })
}

fn aoa_stack(layers: usize, dim: usize, device: &Device) -> Part {
    let stack = AoaStackConfig::new(dim, layers, 8, dim / 8).init(device);
    let words = random([BATCH, 50, dim], device);
    let regions = random([BATCH, 50, dim], device);
    let image_of = Tensor::<1, Int>::arange(0..BATCH as i64, device);
    backward(move || {
        let refined = stack.forward(
            words.clone(),
            None,
            regions.clone(),
            None,
            image_of.clone(),
            None,
        );
        Tensor::cat(vec![refined.words, refined.regions], 1)
    })
}

/// The second stage of X-VLM base: 60 x 60 cells, 256 channels, two blocks.
fn swin_stage(device: &Device) -> Part {
    let swin = SwinConfig::xvlm_base()
        .with_drop_path_rate(0.0)
        .init(device);
    let x = random([1, 60, 60, 256], device);
    backward(move || swin.layers[1].forward(x.clone()))
}

/// What dropout of so many rows is drawn by.
fn keys(rows: usize, device: &Device) -> RowKeys {
    RowKeys::new((0..rows as u32).collect(), device)
}

fn attention(memory_efficient_attention: bool) -> Checkpointing {
    Checkpointing {
        memory_efficient_attention,
        ..Checkpointing::default()
    }
}

/// One block of attention on attention over `[batch, tokens, channels]`, with dropout.
fn aoa_block(shape: [usize; 3], efficient: bool, device: &Device) -> Part {
    let [_, _, dim] = shape;
    let mut block = AttentionOnAttentionConfig::new(dim, 8, dim / 8)
        .with_dropout(0.4)
        .with_output_dropout(0.4)
        .init(device);
    block.set_checkpointing(attention(efficient));
    let x = random(shape, device);
    let keys = keys(x.dims()[0], device);
    backward(move || block.forward(x.clone(), None, None, Some(&keys)))
}

/// Self-attention, attention to an image of so many states, feed-forward network.
fn cross_attention_layer(
    states: usize,
    attention_dropout: f64,
    efficient: bool,
    device: &Device,
) -> Part {
    let mut bert = BertConfig::new(100, 768, 1, 12, 3_072, 512, 0, 1_024)
        .with_hidden_dropout(0.0)
        .with_attention_dropout(attention_dropout)
        .init(device);
    bert.set_checkpointing(attention(efficient));
    let ids = Tensor::<2, Int>::ones([BATCH, 40], device);
    let tokens = Tokens::padded(ids);
    let image = Context::new(random([BATCH, states, 1_024], device), None, None);
    let keys = keys(BATCH, device);
    backward(move || bert.forward(&tokens, Some(&image), Some(&keys)))
}

fn adamax() -> Adamax {
    Adamax {
        beta_1: 0.9,
        beta_2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.0,
        rate_factor: 1.0,
    }
}

fn adamw() -> AdamW {
    AdamW {
        beta_1: 0.9,
        beta_2: 0.98,
        epsilon: 1e-8,
        weight_decay: 0.01,
        rate_factor: 1.0,
        form: AdamWForm::Xvlm,
    }
}

/// Clipping by the global norm and one step over the parameters of the answer decoder's BERT.
fn optimizer(optimizer: impl Optimizer, device: &Device) -> Part {
    let bert = BertConfig {
        layers: 6,
        fusion_layer: 0,
        ..BertConfig::base(768)
    };
    let mut optimizer = ModuleOptimizer::from(optimizer);
    let mut model = Some(bert.init(device));
    Box::new(move || {
        let own = model.take().expect("the model is put back");
        let gradients = gradients(&own);
        seconds(|| {
            let (gradients, _) = clip_by_global_norm(&own, gradients, 0.25, 1.0);
            model = Some(optimizer.step(1e-4, own, gradients));
        })
    })
}

/// Gradients that nothing else holds.
fn gradients<M: Module>(model: &M) -> GradientsParams {
    struct Proportional(GradientsParams);
    impl ModuleVisitor for Proportional {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = param.val().inner().mul_scalar(0.01);
            self.0.register(param.id, gradient);
        }
    }
    let mut gradients = Proportional(GradientsParams::new());
    model.visit(&mut gradients);
    gradients.0
}
