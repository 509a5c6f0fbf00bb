//! Peak memory of real steps on the CPU, beside what was planned.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aoa_model::Vqa;
use burn::module::Module;
use burn::tensor::Device;
use config_schema::{Config, Layers, presets, resolve};
use model_api::{DataShape, DeviceBatch, Model, Sight};
use trainer::optim::Progress;
use trainer::plan::products::{keep_thread_buffers, thread_buffers_bytes};
use trainer::plan::{Plan, WorstCase, plan};
use trainer::{
    Dataset, Optimizers, Slicing, effective_gradient, materialize, precision, training_encoder,
    training_loader,
};

/// What `run` gives, and the most bytes beyond `base` that the process held meanwhile.
fn peak_beyond<T>(base: usize, run: impl FnOnce() -> T) -> (T, u64) {
    allocator::take_peak();
    let result = run();
    let peak = allocator::take_peak().saturating_sub(base);
    (result, peak as u64)
}

/// What a configuration was planned to take, and what it took.
#[derive(Debug)]
pub struct Comparison {
    /// By plan.
    pub planned: Plan,
    /// The most of the forward passes of the second step.
    pub forward: u64,
    /// The most of its backward passes.
    pub backward: u64,
    /// The most of its update.
    pub update: u64,
    /// The most of a batch of evaluation.
    pub evaluation: u64,
}

impl Comparison {
    /// The most at any time.
    pub fn measured(&self) -> u64 {
        let passes = self.forward.max(self.backward);
        passes.max(self.update).max(self.evaluation)
    }

    /// How far the plan is from what was measured, as a part of that; below zero where it is under.
    pub fn error(&self) -> f64 {
        self.planned.peak_bytes as f64 / self.measured() as f64 - 1.0
    }
}

/// A preset with values set on top, on images of shapes with one question each.
///
/// # Panics
///
/// When they do not make a configuration.
pub fn configuration(preset: &str, sets: &[String]) -> Config {
    let base = ["dataset.shapes_questions_per_image=1".to_owned()];
    let layers = Layers {
        sets: base.into_iter().chain(sets.iter().cloned()).collect(),
        ..Layers::preset(preset)
    };
    resolve(&layers, &presets::lookup)
        .unwrap_or_else(|errors| panic!("{sets:?}: {errors}"))
        .config
}

/// Plans a configuration, then takes two steps and evaluates a batch.
///
/// # Panics
///
/// When the model cannot be built or the data not be read.
pub fn compare(settings: &Config) -> Comparison {
    precision(settings).run(|| compare_as_stated(settings))
}

fn compare_as_stated(settings: &Config) -> Comparison {
    let dataset = Dataset::open(settings).expect("a data set");
    let encoder = training_encoder::<Vqa>(settings, dataset.train.as_ref()).expect("words");
    let encoder = Arc::new(encoder);
    let worst = WorstCase::of(&encoder, dataset.train.samples());
    let planned = plan::<Vqa>(settings, &worst).expect("a model");

    let loader = training_loader(settings, dataset.train.clone(), encoder.clone(), u64::MAX);
    let mut batches = loader.expect("a loader").epoch(0, 0).expect("an epoch");
    let batch = batches.next().expect("a batch").expect("it is read");
    drop(batches);
    assert_eq!(
        batch.unique_images(),
        batch.len(),
        "an image for each sample"
    );

    let device = Device::flex().autodiff();
    let config = Vqa::configure(settings, &DataShape::of(&encoder)).expect("a model");
    let upload = |samples: std::ops::Range<usize>, device: &Device| {
        DeviceBatch::upload(&batch.slice(samples), &encoder, Sight::Images, device)
    };
    let slicing = Slicing {
        micro_batch: settings.training.batch_size,
        parallel: settings.hardware.parallel_micro_batches,
    };
    // One set for the process, and each configuration counts it.
    keep_thread_buffers();
    let base = allocator::live_bytes() - thread_buffers_bytes();
    let mut model = Vqa::init(&config, &device).carried_out(settings);
    materialize(&model);
    let mut optimizers = Optimizers::of::<Vqa>(settings);
    let (mut forward, mut backward, mut update) = (0, 0, 0);
    for step in 0..2 {
        let [most_forward, most_backward] = [AtomicUsize::new(0), AtomicUsize::new(0)];
        allocator::take_peak();
        let gradient = effective_gradient(&model, batch.len(), slicing, |model, samples| {
            most_backward.fetch_max(allocator::take_peak(), Ordering::Relaxed);
            let losses = Model::losses(model, upload(samples, &device));
            most_forward.fetch_max(allocator::take_peak(), Ordering::Relaxed);
            losses
        });
        most_backward.fetch_max(allocator::take_peak(), Ordering::Relaxed);
        [forward, backward] = [most_forward, most_backward].map(|most| {
            let beyond = most.into_inner().saturating_sub(base);
            beyond as u64
        });
        let at = Progress {
            step,
            total_steps: 4,
            epoch: 0,
        };
        let updated;
        (updated, update) = peak_beyond(base, || optimizers.step(model, gradient.gradients, at));
        model = updated.0;
    }
    let (_, evaluation) = peak_beyond(base, || {
        let samples = 0..settings.evaluation_batch_size();
        let batch = upload(samples, &device.clone().inner());
        model.valid().answer(batch)
    });
    Comparison {
        planned,
        forward,
        backward,
        update,
        evaluation,
    }
}
