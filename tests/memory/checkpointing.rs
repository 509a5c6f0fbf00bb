//! Memory that segment checkpointing saves.

use aoa_model::xvlm::bert::{Bert, BertConfig, Context, Tokens};
use aoa_model::xvlm::swin::{Swin, SwinConfig};
use aoa_model::{AoaStack, AoaStackConfig, Vqa};
use burn::tensor::{Device, Distribution, Int, Tensor};
use burn_frugal::{Checkpointing, RowKeys};
use config_schema::{Layers, presets, resolve};
use data_pipeline::Inputs;
use integration_tests::random_numbers;
use model_api::{DataShape, DeviceBatch, DropoutKeys, Model, RightAnswers, WordPieces};
use trainer::materialize;

use crate::peak_of;

fn device() -> Device {
    Device::flex().autodiff()
}

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &device())
}

fn ids<const D: usize>(shape: [usize; D], below: usize) -> Tensor<D, Int> {
    Tensor::<D>::random(shape, Distribution::Uniform(1.0, below as f64), &device()).int()
}

/// Keys of so many samples, images and right answers.
fn dropout_keys(samples: u32, images: u32, answers: u32) -> DropoutKeys {
    let keys = |count| RowKeys::new((0..count).collect(), &device());
    DropoutKeys {
        samples: keys(samples),
        images: keys(images),
        answers: keys(answers),
    }
}

/// Loss and the peak of a forward and a backward pass, in bytes.
fn measured<const D: usize>(forward: impl Fn() -> Tensor<D>) -> (f32, usize) {
    // Once to warm up: the first pass leaves buffers and threads behind.
    drop(forward().sum().backward());
    let mut loss = 0.0;
    let peak = peak_of(|| {
        let sum = forward().sum();
        loss = sum.clone().into_scalar();
        drop(sum.backward());
    });
    (loss, peak)
}

/// Checks what part of the memory is left when segments are rebuilt.
fn check(name: &str, at_most: f64, pass: impl Fn(Checkpointing) -> (f32, usize)) {
    let [(loss, kept), (same_loss, rebuilt)] = [false, true].map(|rebuild| {
        pass(Checkpointing {
            rebuild,
            ..Checkpointing::default()
        })
    });
    let part = rebuilt as f64 / kept as f64;
    let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    let figures = format!(
        "{name}: {:.1} MiB of {:.1} MiB, {part:.3}",
        mib(rebuilt),
        mib(kept)
    );
    report(&figures);
    assert!(part <= at_most, "{figures}, but at most {at_most}");
    assert_eq!(loss.to_bits(), same_loss.to_bits(), "{name}");
}

#[expect(clippy::print_stderr, reason = "figures to read with --nocapture")]
fn report(figures: &str) {
    eprintln!("{figures}");
}

#[test]
fn six_aoa_layers() {
    let _guard = random_numbers();
    let stack = AoaStackConfig::new(256, 6, 8, 32)
        .with_dropout(0.4)
        .init(&device());
    let (words, regions) = (
        random([8, 48, 256]).require_grad(),
        random([8, 48, 256]).require_grad(),
    );
    let image_of = Tensor::<1, Int>::arange(0..8, &device());
    let keys = dropout_keys(8, 8, 0);
    check("6 AoA layers", 0.3, |checkpointing| {
        let mut stack: AoaStack = stack.clone();
        stack.set_checkpointing(checkpointing);
        measured(|| {
            let refined = stack.forward(
                words.clone(),
                None,
                regions.clone(),
                None,
                image_of.clone(),
                Some(&keys),
            );
            Tensor::cat(vec![refined.words, refined.regions], 1)
        })
    });
}

#[test]
fn image_and_text_encoder() {
    let _guard = random_numbers();
    let swin = SwinConfig::new(96, 6, 32, vec![2, 2, 6], vec![2, 4, 8]);
    let text = BertConfig::new(100, 128, 6, 4, 512, 40, 3, swin.channels());
    let (swin, text) = (swin.init(&device()), text.init(&device()));
    let images = random([4, 3, 96, 96]);
    let tokens = Tokens::padded(ids([16, 40], 100));
    let image_of = Tensor::<1, Int>::arange(0..16, &device()).div_scalar(4);
    let keys = dropout_keys(16, 4, 0);
    check("image and text encoder", 0.45, |checkpointing| {
        let (mut swin, mut text): (Swin, Bert) = (swin.clone(), text.clone());
        swin.set_checkpointing(checkpointing);
        text.set_checkpointing(checkpointing);
        measured(|| {
            let images = Context::new(
                swin.forward(images.clone(), Some(&keys.images)),
                None,
                Some(image_of.clone()),
            );
            text.forward(&tokens, Some(&images), Some(&keys.samples))
        })
    });
}

/// The 24gb preset with its widths and its image made small.
const SMALL: [&str; 14] = [
    "dataset.image_size=96",
    "model.num_hid=64",
    "model.heads=4",
    "model.word_dim=16",
    "xvlm.window=6",
    "xvlm.embed_dim=16",
    "xvlm.depths=[2, 2, 6]",
    "xvlm.image_heads=[2, 4, 8]",
    "xvlm.text_hidden=64",
    "xvlm.text_heads=4",
    "xvlm.text_intermediate=256",
    "xvlm.text_layers=6",
    "xvlm.fusion_layer=3",
    "xvlm.k_test=2",
];

#[test]
fn the_key_of_a_preset() {
    let _guard = random_numbers();
    let pieces = WordPieces {
        questions: ids([4, 20], 50),
        answers: ids([6, 4], 50),
    };
    let batch = DeviceBatch {
        images: Some(random([4, 3, 96, 96])),
        image_of: Tensor::arange(0..4, &device()),
        questions: ids([4, 20], 50),
        entities: None,
        regions: None,
        statistical_words: None,
        targets: Tensor::zeros([4, 6], &device()),
        right: RightAnswers {
            answers: Tensor::arange(0..4, &device()),
            sample_of: Tensor::arange(0..4, &device()),
            weights: Tensor::ones([4], &device()),
        },
        pieces: Some(pieces),
        dropout: Some(dropout_keys(4, 4, 4)),
    };
    let shape = DataShape {
        vocabulary: 50,
        answers: 6,
        word_pieces: Some(50),
        inputs: Inputs {
            images: true,
            regions: None,
            statistical_words: None,
            entities: None,
        },
    };
    let model = |rebuild: bool| {
        let key = format!("memory_optimization.gradient_checkpointing={rebuild}");
        let sets = SMALL.into_iter().chain([key.as_str()]);
        let layers = Layers {
            sets: sets.map(str::to_owned).collect(),
            ..Layers::preset("24gb")
        };
        let settings = resolve(&layers, &presets::lookup)
            .expect("it resolves")
            .config;
        device().seed(0);
        let config = Vqa::configure(&settings, &shape).expect("a model");
        let model = Vqa::init(&config, &device()).carried_out(&settings);
        materialize(&model);
        model
    };
    // Attention keeps no weights here, so there is less to save.
    check("24gb preset, made small", 0.5, |checkpointing| {
        let model = model(checkpointing.rebuild);
        measured(|| model.losses(batch.clone()))
    });
}
