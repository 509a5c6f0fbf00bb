//! Region features, statistical words and entities: each reaches the model where there are any.

use std::sync::Arc;

use aoa_model::xvlm::swin::SwinConfig;
use aoa_model::{ImageEncoderConfig, Vqa, VqaConfig};
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use config_schema::Config;
use data_pipeline::Inputs;
use integration_tests::random_numbers;
use model_api::{DataShape, DeviceBatch, Model, Sight};
use trainer::{Dataset, TrainError, evaluation_loader, training_encoder};

use crate::runs::small;
use crate::two_branches::BOTH;

const DESCRIBED: [&str; 2] = ["dataset.shapes_described=true", "model.fine_form=cfr"];

fn described(sets: &[&str]) -> Config {
    small(&[&DESCRIBED[..], sets].concat())
}

/// What batches of a run carry.
fn inputs(settings: &Config) -> Inputs {
    let dataset = Dataset::open(settings).expect("shapes");
    training_encoder::<Vqa>(settings, dataset.train.as_ref())
        .expect("words and answers")
        .inputs
}

struct Fixture {
    model: Vqa,
    batch: DeviceBatch,
    blind: DeviceBatch,
}

impl Fixture {
    fn new(settings: &Config) -> Self {
        Self::made(settings, |_| ())
    }

    /// With a model that is changed before it is made.
    fn made(settings: &Config, change: impl FnOnce(&mut VqaConfig)) -> Self {
        let dataset = Dataset::open(settings).expect("shapes");
        let encoder = training_encoder::<Vqa>(settings, dataset.train.as_ref());
        let encoder = Arc::new(encoder.expect("words and answers"));
        let device = Device::flex();
        let mut config = Vqa::configure(settings, &DataShape::of(&encoder)).expect("a model");
        change(&mut config);
        let loader = evaluation_loader(settings, dataset.test, encoder.clone()).expect("a loader");
        let batch = loader.epoch(0, 0).expect("an epoch").next();
        let batch = batch.expect("a batch").expect("it is read");
        let upload = |sight| DeviceBatch::upload(&batch, &encoder, sight, &device);
        Self {
            model: Vqa::init(&config, &device).valid(),
            batch: upload(Sight::Images),
            blind: upload(Sight::ZeroedImage),
        }
    }

    fn answers(&self, batch: DeviceBatch) -> TensorData {
        self.model.answer(batch).probabilities.into_data()
    }

    /// Whether another value of an input gives another answer.
    #[track_caller]
    fn reaches(&self, input: &str, change: impl Fn(&mut DeviceBatch)) {
        let mut other = self.batch.clone();
        change(&mut other);
        assert_ne!(
            self.answers(other),
            self.answers(self.batch.clone()),
            "{input}"
        );
    }
}

/// Turned around, so that every sample has those of another.
fn turned<const D: usize>(values: &Tensor<D, Int>) -> Tensor<D, Int> {
    values.clone().flip([0])
}

#[test]
fn every_input_reaches_the_answer() {
    let _guard = random_numbers();
    let fixture = Fixture::new(&described(&["model.statistical_weight=0.5"]));
    assert!(fixture.batch.images.is_none(), "regions stand for images");
    fixture.reaches("features", |batch| {
        let regions = batch.regions.as_mut().expect("regions");
        regions.features = regions.features.clone().flip([0]);
    });
    fixture.reaches("boxes", |batch| {
        let regions = batch.regions.as_mut().expect("regions");
        regions.boxes = regions.boxes.clone().flip([0]);
    });
    fixture.reaches("statistical words", |batch| {
        let words = batch.statistical_words.as_mut().expect("words");
        *words = turned(words);
    });
    fixture.reaches("entities", |batch| {
        let entities = batch.entities.as_mut().expect("entities");
        *entities = turned(entities);
    });
}

#[test]
fn without_sight_only_the_question_is_left() {
    let _guard = random_numbers();
    let fixture = Fixture::new(&described(&[]));
    let regions = fixture.blind.regions.as_ref().expect("regions");
    assert_eq!(regions.features.dims()[0], 1, "one image for all samples");
    for found in [&regions.features, &regions.boxes] {
        assert!(
            found.clone().equal_elem(0.0).all().into_scalar::<bool>(),
            "nothing was found"
        );
    }
    let words = fixture.blind.statistical_words.as_ref().expect("words");
    assert_eq!(words.clone().sum().into_scalar::<i64>(), 0);
    fixture.answers(fixture.blind.clone());
}

#[test]
fn the_model_takes_what_its_settings_name() {
    let all = inputs(&described(&[]));
    assert!(!all.images && all.regions.is_some());
    assert!(all.statistical_words.is_some() && all.entities.is_some());

    let cases: [(&[&str], Inputs); 5] = [
        (
            &["model.region_features=false"],
            Inputs {
                images: true,
                regions: None,
                ..all
            },
        ),
        (
            &["model.statistical_weight=0.0"],
            Inputs {
                statistical_words: None,
                ..all
            },
        ),
        (
            &["model.entity_weight=0.0"],
            Inputs {
                entities: None,
                ..all
            },
        ),
        (
            &["model.fine_form=compact"],
            Inputs {
                statistical_words: None,
                entities: None,
                ..all
            },
        ),
        (&["dataset.shapes_described=false"], Inputs::IMAGES),
    ];
    for (sets, expected) in cases {
        assert_eq!(inputs(&described(sets)), expected, "{sets:?}");
    }
    let both = inputs(&described(&BOTH));
    assert!(both.images, "the coarse branch looks at images");
    assert!(both.regions.is_some(), "the fine one at regions");
}

const OFF: &str = "model.region_boxes=false";

/// Published weights know no boxes.
#[test]
fn boxes_are_part_of_a_region_unless_turned_off() {
    // Beyond the features of a region, or the channels of a cell where there are none.
    let beyond = |sets: &[&str]| {
        let settings = described(&[&["model.statistical_weight=0.0"], sets].concat());
        let dataset = Dataset::open(&settings).expect("shapes");
        let encoder = training_encoder::<Vqa>(&settings, dataset.train.as_ref());
        let shape = DataShape::of(&encoder.expect("words and answers"));
        let config = Vqa::configure(&settings, &shape).expect("a model");
        let Some(aoa_model::FineBranchConfig::Cfr(fine)) = config.fine else {
            panic!("the published form")
        };
        let channels = config.image_encoder.map(|encoder| encoder.channels());
        let features = shape.inputs.regions.map(|regions| regions.dim).or(channels);
        fine.region_dim - features.expect("regions or cells")
    };
    assert_eq!(beyond(&[]), 6);
    assert_eq!(beyond(&[OFF]), 0);
    let cells = ["model.region_features=false", "model.image_encoder=swin"];
    assert_eq!(beyond(&cells), 6);
    assert_eq!(beyond(&[&cells[..], &[OFF]].concat()), 0);
    let positions = ["model.region_features=false", "model.image_encoder=grid"];
    assert_eq!(beyond(&positions), 0, "it has learned them");
}

/// Such a branch is in the run directories of earlier programs.
#[test]
fn a_fine_branch_as_wide_as_the_states_goes_without_boxes() {
    let _guard = random_numbers();
    let swin = [&BOTH[..], &["dataset.shapes_described=false"]].concat();
    let with = Fixture::new(&described(&swin));
    with.answers(with.batch.clone());
    let without = Fixture::made(&described(&swin), |config| {
        let Some(aoa_model::FineBranchConfig::Cfr(fine)) = &mut config.fine else {
            panic!("the published form")
        };
        fine.region_dim -= 6;
    });
    without.answers(without.batch.clone());
}

#[test]
fn the_box_of_a_cell_is_where_the_cell_looks() {
    let _guard = random_numbers();
    let device = Device::flex();
    // Windows of one cell: what a cell holds is of its own part of the image alone.
    let swin = SwinConfig::new(16, 1, 8, vec![1], vec![2]);
    let encoder = ImageEncoderConfig::Swin(swin).init(&device);
    let cells = |image| encoder.cells(encoder.forward(image, None));
    let black = Tensor::<4>::zeros([1, 3, 16, 16], &device);
    let dark = cells(black.clone());
    let boxes = encoder.boxes(&dark).expect("a transformer has none itself");
    let boxes: Vec<f32> = boxes.into_data().try_to_vec().expect("numbers");
    // In pixels: rows, columns.
    for (row, column) in [(0, 0), (2, 13), (13, 2), (15, 15)] {
        let lit = [0..1, 0..3, row..row + 1, column..column + 1];
        let spot = black
            .clone()
            .slice_assign(lit, Tensor::ones([1, 3, 1, 1], &device));
        let changed = (cells(spot) - dark.clone()).abs().sum_dim(2);
        let changed: Vec<f32> = changed.into_data().try_to_vec().expect("numbers");
        let [x, y] = [column, row].map(|pixel| (pixel as f32 + 0.5) / 8.0 - 1.0);
        for (changed, cell) in changed.iter().zip(boxes.chunks(6)) {
            let within = (cell[0]..cell[2]).contains(&x) && (cell[1]..cell[3]).contains(&y);
            assert_eq!(*changed > 0.0, within, "{row} {column}: {cell:?}");
            assert_eq!(cell[4..], [0.5, 0.5]);
        }
    }
}

#[test]
fn a_model_that_looks_at_images_says_that_there_are_none() {
    let settings = described(&BOTH);
    let dataset = Dataset::open(&settings).expect("shapes");
    let encoder = training_encoder::<Vqa>(&settings, dataset.train.as_ref());
    let mut shape = DataShape::of(&encoder.expect("words and answers"));
    shape.inputs.images = false;
    let refused = Vqa::configure(&settings, &shape).expect_err("there is nothing to look at");
    assert!(refused.to_string().contains("has none"), "{refused}");
}

/// What batches carry is saved with the run.
#[test]
fn a_run_with_every_input_resumes_bit_for_bit_and_cannot_be_asked_about_an_image() {
    let settings = described(&[]);
    let whole = crate::runs::finish(&settings);
    let stopped = crate::runs::finish_in_two_parts(&settings, 5);
    assert_eq!(stopped.losses(), whole.losses());
    assert_eq!(stopped.weights(), whole.weights());

    let trained = trainer::Trained::<Vqa>::open(&whole.run_dir(), &settings, &Device::flex())
        .expect("the run opens");
    let asked = trained.ask(&[], "an image", "is there a circle?", 1);
    assert!(matches!(asked, Err(TrainError::NeedsRegions)), "{asked:?}");
}
