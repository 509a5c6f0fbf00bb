//! The real model's gradient does not depend on how the effective batch is sliced.

use std::sync::Arc;

use aoa_model::Vqa;
use burn::tensor::Device;
use config_schema::{Config, Layers, presets, resolve};
use data_pipeline::{Batch, Encoder, Loader, LoaderConfig, Order, Preload};
use integration_tests::{Gradients, gradients_by_path, random_numbers};
use model_api::{DataShape, DeviceBatch, Model, Sight};
use trainer::{Dataset, Slicing, dropout_keys, effective_gradient, materialize, training_encoder};

use crate::two_branches::BOTH;

/// Small models with dropout: either form of the fine branch behind convolutions, the published one with all its inputs,
/// and both branches behind a Swin transformer.
const MODELS: [&[&str]; 4] = [
    &[],
    &["model.fine_form=cfr"],
    &["model.fine_form=cfr", "dataset.shapes_described=true"],
    &BOTH,
];

fn settings(model: &[&str]) -> Config {
    let sets = [
        "model.dropout=0.3",
        "model.fusion_dropout=[0.2, 0.5]",
        "xvlm.dropout=0.3",
        "xvlm.drop_path_rate=0.3",
        "model.num_hid=32",
        "dataset.image_size=32",
        "dataset.max_question_tokens=12",
        "model.aoa_layers=2",
        "dataset.shapes_seed=3",
        "dataset.shapes_train_images=8",
        "dataset.shapes_questions_per_image=4",
    ];
    let layers = Layers {
        sets: sets.iter().chain(model).map(ToString::to_string).collect(),
        ..Layers::preset("cpu")
    };
    resolve(&layers, &presets::lookup)
        .expect("the configuration resolves")
        .config
}

struct Fixture {
    model: Vqa,
    batch: Batch,
    encoder: Arc<Encoder>,
    device: Device,
}

impl Fixture {
    /// An effective batch of 32 samples about 8 images.
    fn new(model: &[&str]) -> Self {
        let settings = settings(model);
        let source = Dataset::open(&settings).expect("shapes").train;
        let encoder =
            training_encoder::<Vqa>(&settings, source.as_ref()).expect("words and answers");
        let encoder = Arc::new(encoder);
        let config = LoaderConfig {
            effective_batch: 32,
            chunk: 8,
            num_workers: 0,
            prefetch_factor: 1,
            preload: Preload::Nothing,
            use_compression: false,
            shuffle: Order::Permutation { seed: 1 },
            augmentation: None,
        };
        let loader = Loader::new(source, encoder.clone(), config).expect("a loader");
        let batch = loader
            .epoch(0, 0)
            .expect("an epoch")
            .next()
            .expect("a batch")
            .expect("it is read");
        assert_eq!(batch.len(), 32);

        let device = Device::flex().autodiff();
        let config = Vqa::configure(&settings, &DataShape::of(&encoder)).expect("a model");
        device.seed(1);
        let model = Vqa::init(&config, &device);
        materialize(&model);
        Self {
            model,
            batch,
            encoder,
            device,
        }
    }

    fn gradient(&self, micro_batch: usize, parallel: usize, step: usize) -> (Gradients, f64) {
        let slicing = Slicing {
            micro_batch,
            parallel,
        };
        let (batch, encoder, device) = (&self.batch, &self.encoder, &self.device);
        let result = effective_gradient(&self.model, batch.len(), slicing, |model, slice| {
            let slice = batch.slice(slice);
            let inputs = DeviceBatch::upload(&slice, encoder, Sight::Images, device);
            let inputs = DeviceBatch {
                dropout: Some(dropout_keys(&slice, Sight::Images, 1, step, device)),
                ..inputs
            };
            Model::losses(model, inputs)
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
    for model in MODELS {
        check_slicings(&Fixture::new(model));
    }
}

fn check_slicings(fixture: &Fixture) {
    let (whole, loss) = fixture.gradient(32, 1, 0);
    let (_, other) = fixture.gradient(32, 1, 1);
    assert!(
        (other - loss).abs() > 1e-3 * loss.abs(),
        "another step drops something else"
    );
    assert!(whole.len() > 20, "every parameter has a gradient");
    let all: Vec<f64> = whole.values().flat_map(|part| part.iter::<f64>()).collect();
    let all = norm(&all);
    for micro_batch in [16, 8, 10, 1] {
        let (sliced, sliced_loss) = fixture.gradient(micro_batch, 1, 0);
        assert!(
            (sliced_loss - loss).abs() <= 1e-5 * loss.abs(),
            "loss in slices of {micro_batch}"
        );
        for (name, expected) in &whole {
            let expected: Vec<f64> = expected.iter::<f64>().collect();
            let actual: Vec<f64> = sliced[name].iter::<f64>().collect();
            let difference: Vec<f64> = actual.iter().zip(&expected).map(|(a, b)| a - b).collect();
            // What stands in front of a softmax over all its cells has no gradient but rounding, which is far below what
            // single precision tells apart of the others.
            let size = norm(&expected).max(1e-4 * all);
            let relative = norm(&difference) / size;
            assert!(
                relative <= 1e-5,
                "{name} in slices of {micro_batch}: {relative:e}"
            );
        }
    }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// Bit for bit: threads decide when a micro-batch is computed, not what is summed in which order.
#[test]
fn micro_batches_side_by_side_give_the_same_gradient() {
    let _guard = random_numbers();
    let fixture = Fixture::new(MODELS[0]);
    for micro_batch in [16, 10] {
        let one_by_one = fixture.gradient(micro_batch, 1, 0);
        for parallel in [2, 3, 8] {
            assert_eq!(
                fixture.gradient(micro_batch, parallel, 0),
                one_by_one,
                "{parallel} of {micro_batch}"
            );
        }
    }
}
