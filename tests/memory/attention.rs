//! Memory that attention takes without its weights.
#![expect(clippy::print_stdout, reason = "`--nocapture` shows the figures")]

use std::sync::Arc;

use aoa_model::{AttentionOnAttention, AttentionOnAttentionConfig, Vqa};
use burn::tensor::{Device, Distribution, Tensor};
use burn_frugal::{Checkpointing, RowKeys};
use config_schema::{Layers, presets, resolve};
use data_pipeline::{Shapes, ShapesConfig, Source, Split};
use integration_tests::random_numbers;
use model_api::{DataShape, DeviceBatch, Model, Sight};
use trainer::{evaluation_loader, training_encoder};

use crate::peak_of;

const MIB: f64 = (1 << 20) as f64;

/// 8 heads of 64 channels.
fn block(efficient: bool, dropout: f64, device: &Device) -> AttentionOnAttention {
    let mut block = AttentionOnAttentionConfig::new(512, 8, 64)
        .with_dropout(dropout)
        .init(device);
    block.set_checkpointing(Checkpointing {
        memory_efficient_attention: efficient,
        ..Checkpointing::default()
    });
    block
}

/// Peak of a forward and a backward pass over one sequence, projections and gate included.
fn peak(tokens: usize, efficient: bool, dropout: f64) -> usize {
    let device = Device::flex().autodiff();
    let block = block(efficient, dropout, &device);
    let x = Tensor::<3>::random([1, tokens, 512], Distribution::Default, &device);
    let keys = RowKeys::new(vec![1], &device);
    let run = || {
        let attended = block.forward(x.clone(), None, None, Some(&keys));
        drop(attended.sum().backward());
    };
    run(); // weights are drawn at first use
    let peak = peak_of(run);
    let form = if efficient { "efficient" } else { "naive" };
    println!(
        "{tokens} tokens, dropout {dropout}, {form}: {:.1} MiB",
        peak as f64 / MIB
    );
    peak
}

#[test]
fn a_quarter_at_2048_tokens() {
    let _guard = random_numbers();
    for dropout in [0.0, 0.4] {
        let [efficient, naive] = [true, false].map(|efficient| peak(2048, efficient, dropout));
        // The weights alone; the rest of the block is the same in both forms.
        assert!(naive > 8 * 2048 * 2048 * size_of::<f32>());
        assert!(
            4 * efficient <= naive,
            "{efficient} of {naive} bytes, dropout {dropout}"
        );
    }
}

#[test]
fn twice_the_tokens_take_twice_the_memory() {
    let _guard = random_numbers();
    let [short, long] = [1024, 2048].map(|tokens| peak(tokens, true, 0.4) as f64);
    assert!(long <= 2.05 * short, "{short} to {long} bytes");
    let [short, long] = [512, 1024].map(|tokens| peak(tokens, false, 0.4) as f64);
    assert!(long >= 3.0 * short, "{short} to {long} bytes");
}

/// Peak of a micro-batch through the model that the settings describe.
fn peak_of_micro_batch(sets: &[&str]) -> usize {
    let layers = Layers {
        sets: sets.iter().map(ToString::to_string).collect(),
        ..Layers::preset("cpu")
    };
    let resolved = resolve(&layers, &presets::lookup).expect("the configuration resolves");
    let settings = resolved.config;
    let shapes = ShapesConfig {
        seed: 3,
        images: 4,
        questions_per_image: 1,
    };
    let source: Arc<dyn Source> = Arc::new(Shapes::new(shapes, Split::Train).expect("shapes"));
    let encoder = training_encoder::<Vqa>(&settings, source.as_ref()).expect("words and answers");
    let encoder = Arc::new(encoder);
    let device = Device::flex().autodiff();
    let config = Vqa::configure(&settings, &DataShape::of(&encoder)).expect("a model");
    let model = Vqa::init(&config, &device).carried_out(&settings);
    let loader = evaluation_loader(&settings, source, encoder.clone()).expect("a loader");
    let batch = loader.epoch(0, 0).expect("an epoch").next();
    let batch = batch.expect("a batch").expect("it is read");
    let run = || {
        let batch = DeviceBatch::upload(&batch, &encoder, Sight::Images, &device);
        drop(Model::losses(&model, batch).sum().backward());
    };
    run();
    peak_of(run)
}

#[test]
fn the_key_lowers_the_peak() {
    let _guard = random_numbers();
    // Attention has most tokens where an image has 256 or 257 states, and little else is large.
    let models: [&[&str]; 3] = [
        &["model.fine_form=compact", "model.dropout=0.1"],
        &["model.fine_form=cfr", "model.dropout=0.0"],
        &[
            "model.branches=coarse",
            "model.image_encoder=swin",
            "xvlm.embed_dim=8",
            "xvlm.depths=[1, 1]",
            "xvlm.image_heads=[1, 1]",
            "xvlm.window=4",
            "xvlm.patch_size=8",
            "xvlm.text_hidden=32",
            "xvlm.text_layers=2",
            "xvlm.text_heads=16",
            "xvlm.text_intermediate=32",
            "xvlm.fusion_layer=0",
            "xvlm.decoder_layers=1",
        ],
    ];
    for model in models {
        let [efficient, naive] = [true, false].map(|efficient| {
            let key = format!("memory_optimization.memory_efficient_attention={efficient}");
            let small = [
                "hardware.parallel_micro_batches=1",
                "dataset.image_size=256",
                "model.num_hid=32",
                "model.heads=8",
                "model.image_width=4",
                "model.aoa_layers=2",
                &key,
            ];
            peak_of_micro_batch(&[model, &small].concat())
        });
        println!(
            "{}: {:.1} MiB efficient, {:.1} MiB naive",
            model[0],
            efficient as f64 / MIB,
            naive as f64 / MIB
        );
        assert!(
            efficient < naive / 10 * 9,
            "{model:?}: {efficient} of {naive} bytes"
        );
    }
}
