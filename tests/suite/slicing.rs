//! The real model's gradient does not depend on how the effective batch is sliced.

use std::sync::Arc;

use aoa_model::Vqa;
use burn::tensor::Device;
use config_schema::{Layers, presets, resolve};
use data_pipeline::{
    Batch, Encoder, Loader, LoaderConfig, Order, Shapes, ShapesConfig, Source, Split,
};
use integration_tests::{Gradients, gradients_by_path, random_numbers};
use trainer::{DeviceBatch, Model, Sight, Slicing, effective_gradient};

/// An effective batch of 32 samples about 8 images.
fn batch() -> (Batch, usize, usize) {
    let shapes = ShapesConfig {
        seed: 3,
        images: 8,
        questions_per_image: 4,
    };
    let source: Arc<dyn Source> = Arc::new(Shapes::new(shapes, Split::Train).expect("shapes"));
    let encoder = Arc::new(Encoder::build(source.samples(), 12, 32).expect("words and answers"));
    let (words, answers) = (encoder.vocabulary.len(), encoder.answers.len());
    let config = LoaderConfig {
        effective_batch: 32,
        chunk: 8,
        num_workers: 0,
        prefetch_factor: 1,
        preload_data: false,
        use_compression: false,
        shuffle: Order::Permutation { seed: 1 },
    };
    let loader = Loader::new(source, encoder, config).expect("a loader");
    let batch = loader
        .epoch(0, 0)
        .expect("an epoch")
        .next()
        .expect("a batch")
        .expect("it is read");
    assert_eq!(batch.len(), 32);
    (batch, words, answers)
}

fn model(words: usize, answers: usize, device: &Device) -> Vqa {
    let sets = [
        "model.dropout=0.0",
        "model.num_hid=32",
        "dataset.image_size=32",
        "model.aoa_layers=2",
    ];
    let layers = Layers {
        sets: sets.map(String::from).to_vec(),
        ..Layers::preset("cpu")
    };
    let settings = resolve(&layers, &presets::lookup)
        .expect("the configuration resolves")
        .config;
    Vqa::init(
        &Vqa::configure(&settings, words, answers).expect("a model"),
        device,
    )
}

struct Fixture {
    model: Vqa,
    batch: Batch,
    answers: usize,
    device: Device,
}

impl Fixture {
    fn new() -> Self {
        let (batch, words, answers) = batch();
        let device = Device::flex().autodiff();
        Self {
            model: model(words, answers, &device),
            batch,
            answers,
            device,
        }
    }

    fn gradient(&self, micro_batch: usize, parallel: usize) -> (Gradients, f64) {
        let slicing = Slicing {
            micro_batch,
            parallel,
        };
        let (batch, answers, device) = (&self.batch, self.answers, &self.device);
        let result = effective_gradient(&self.model, batch.len(), slicing, |model, slice| {
            model.losses(DeviceBatch::upload(
                &batch.slice(slice),
                answers,
                Sight::Images,
                device,
            ))
        });
        (
            gradients_by_path(&self.model, &result.gradients, &str::to_owned),
            result.loss,
        )
    }
}

#[test]
fn every_slicing_gives_the_same_gradient() {
    let _guard = random_numbers();
    let fixture = Fixture::new();
    let (whole, loss) = fixture.gradient(32, 1);
    assert!(whole.len() > 20, "every parameter has a gradient");
    for micro_batch in [16, 8, 10, 1] {
        let (sliced, sliced_loss) = fixture.gradient(micro_batch, 1);
        assert!(
            (sliced_loss - loss).abs() <= 1e-5 * loss.abs(),
            "loss in slices of {micro_batch}"
        );
        for (name, expected) in &whole {
            let expected: Vec<f64> = expected.iter::<f64>().collect();
            let actual: Vec<f64> = sliced[name].iter::<f64>().collect();
            let norm =
                |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>().sqrt();
            let difference: Vec<f64> = actual.iter().zip(&expected).map(|(a, b)| a - b).collect();
            let relative = norm(&difference) / norm(&expected);
            assert!(
                relative <= 1e-5,
                "{name} in slices of {micro_batch}: {relative:e}"
            );
        }
    }
}

/// Bit for bit: threads decide when a micro-batch is computed, not what is summed in which order.
#[test]
fn micro_batches_side_by_side_give_the_same_gradient() {
    let _guard = random_numbers();
    let fixture = Fixture::new();
    for micro_batch in [16, 10] {
        let one_by_one = fixture.gradient(micro_batch, 1);
        for parallel in [2, 3, 8] {
            assert_eq!(
                fixture.gradient(micro_batch, parallel),
                one_by_one,
                "{parallel} of {micro_batch}"
            );
        }
    }
}
