//! The model with both branches: what is trained, what is frozen, what is computed once.

use std::sync::Arc;

use aoa_model::Vqa;
use burn::tensor::{Device, Int, Tensor};
use config_schema::Config;
use data_pipeline::{Encoder, Shapes, ShapesConfig, Source, Split};
use integration_tests::{gradients_by_path, random_numbers};
use model_api::{DataShape, DeviceBatch, Model, Sight};
use trainer::{
    Slicing, count, dropout_keys, effective_gradient, evaluation_loader, training_encoder,
};

use crate::runs::small;

/// Both branches behind a Swin transformer, all of them small.
pub const BOTH: [&str; 12] = [
    "model.branches=both",
    "model.image_encoder=swin",
    "xvlm.embed_dim=8",
    "xvlm.depths=[2, 2]",
    "xvlm.image_heads=[2, 2]",
    "xvlm.window=4",
    "xvlm.text_hidden=16",
    "xvlm.text_layers=2",
    "xvlm.text_heads=2",
    "xvlm.text_intermediate=32",
    "xvlm.fusion_layer=1",
    "xvlm.decoder_layers=1",
];

pub struct Fixture {
    model: Vqa,
    pub batch: data_pipeline::Batch,
    pub encoder: Arc<Encoder>,
    device: Device,
}

impl Fixture {
    /// Sixteen samples about four images.
    pub fn new(sets: &[&str]) -> Self {
        let settings: Config = small(&[&BOTH[..], sets].concat());
        let shapes = ShapesConfig {
            seed: 3,
            images: 4,
            questions_per_image: 4,
        };
        let source: Arc<dyn Source> = Arc::new(Shapes::new(shapes, Split::Train).expect("shapes"));
        let encoder =
            training_encoder::<Vqa>(&settings, source.as_ref()).expect("words and answers");
        let encoder = Arc::new(encoder);
        let device = Device::flex().autodiff();
        let config = Vqa::configure(&settings, &DataShape::of(&encoder)).expect("a model");
        let loader = evaluation_loader(&settings, source, encoder.clone()).expect("a loader");
        let batch = loader.epoch(0, 0).expect("an epoch").next();
        Self {
            model: Vqa::init(&config, &device),
            batch: batch.expect("a batch").expect("it is read"),
            encoder,
            device,
        }
    }

    fn upload(&self) -> DeviceBatch {
        DeviceBatch::upload(&self.batch, &self.encoder, Sight::Images, &self.device)
    }

    /// Groups of parameters that have a gradient.
    fn trained(&self) -> Vec<String> {
        let slicing = Slicing {
            micro_batch: 8,
            parallel: 1,
        };
        let gradient =
            effective_gradient(&self.model, self.batch.len(), slicing, |model, slice| {
                let slice = self.batch.slice(slice);
                let batch = DeviceBatch::upload(&slice, &self.encoder, Sight::Images, &self.device);
                Model::losses(model, batch)
            });
        let paths = gradients_by_path(&self.model, &gradient.gradients, &str::to_owned);
        let mut parts: Vec<_> = paths
            .keys()
            .filter_map(|path| Some(path.split_once('.')?.0.to_owned()))
            .collect();
        parts.dedup();
        parts
    }
}

#[test]
fn every_part_is_trained_and_a_frozen_one_is_not() {
    let _guard = random_numbers();
    let all = Fixture::new(&[]);
    assert_eq!(all.trained(), ["coarse", "fine", "fusion", "image_encoder"]);
    for freeze in ["training.tune_xvlm=false", "training.xvlm_lr=0.0"] {
        let frozen = Fixture::new(&[freeze]);
        assert_eq!(frozen.trained(), ["fine", "fusion"], "{freeze}");
        assert!(count(&frozen.model) < count(&all.model), "{freeze}");
    }
}

#[test]
fn a_frozen_part_drops_nothing_out() {
    let _guard = random_numbers();
    let varies = |sets: &[&str]| {
        let fixture = Fixture::new(&[sets, &["model.dropout=0.0", "xvlm.dropout=0.5"]].concat());
        let losses = |step| {
            let batch = fixture.upload();
            let device = batch.questions.device();
            let batch = DeviceBatch {
                dropout: Some(dropout_keys(
                    &fixture.batch,
                    Sight::Images,
                    1,
                    step,
                    &device,
                )),
                ..batch
            };
            Model::losses(&fixture.model, batch).into_data()
        };
        losses(0) != losses(1)
    };
    assert!(varies(&[]));
    assert!(!varies(&["training.tune_xvlm=false"]));
}

#[test]
fn both_branches_answer_and_the_fused_probabilities_sum_to_one() {
    let _guard = random_numbers();
    let fixture = Fixture::new(&[]);
    let output = fixture.model.answer(fixture.upload());
    let names: Vec<_> = output.branches.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["fine", "coarse"]);
    let shape = [fixture.batch.len(), fixture.encoder.answers.len()];
    let all = output.branches.into_iter().map(|(_, branch)| branch);
    for probabilities in all.chain([output.probabilities]) {
        assert_eq!(probabilities.dims(), shape);
        for sum in probabilities.sum_dim(1).into_data().iter::<f32>() {
            assert!((sum - 1.0).abs() < 1e-4, "{sum}");
        }
    }
}

#[test]
fn samples_of_one_image_encode_it_once() {
    let _guard = random_numbers();
    let fixture = Fixture::new(&["model.dropout=0.0"]);
    let model = burn::module::Module::valid(&fixture.model);
    let device = Device::flex();
    // The four samples of the first image, two and a half times.
    let mut batch = DeviceBatch::upload(
        &fixture.batch.slice(0..4),
        &fixture.encoder,
        Sight::Images,
        &device,
    );
    let images = batch.images.clone().expect("images");
    assert_eq!(images.dims()[0], 1, "one image for all of them");
    let rows = Tensor::<1, Int>::from_ints([0, 1, 2, 3, 0, 1, 2, 3, 0, 1], &device);
    let once = model
        .answer(batch.clone())
        .probabilities
        .select(0, rows.clone());

    batch.image_of = batch.image_of.select(0, rows.clone());
    batch.questions = batch.questions.select(0, rows.clone());
    if let Some(pieces) = &mut batch.pieces {
        pieces.questions = pieces.questions.clone().select(0, rows);
    }
    let states = model.image_encoder.as_ref().expect("an image encoder");
    let states = states.forward(images, None);
    assert_eq!(states.dims()[0], 1, "one image is encoded for ten samples");
    let ten = model.answer(batch).probabilities;
    ten.into_data()
        .assert_approx_eq::<f32>(&once.into_data(), burn::tensor::Tolerance::absolute(1e-5));
}
