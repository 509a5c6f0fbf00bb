//! What counting memory on the CPU costs, as a part of a training step, for `cargo xtask bench memory-cost`.
//!
//! A step with a count and one without differ by less than two steps with it do. So the calls of a step are counted, which
//! is exact, and each kind of call is timed by itself: an allocation and its end through the program's allocator less the
//! same through mimalloc alone, on as many threads at once as compute, and a reading of the meter. Of every time the least of
//! several rounds counts. On a machine that does something else the threads take turns and the step takes longer, so only the
//! figures of an idle one are good.
#![expect(clippy::print_stdout, reason = "its result is its output")]

use std::alloc::{GlobalAlloc, Layout, alloc, dealloc};
use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use aoa_model::Vqa;
use burn::tensor::Device;
use config_schema::Config;
use integration_tests::configuration;
use mimalloc::MiMalloc;
use model_api::{DataShape, DeviceBatch, Model, Sight};
use trainer::memory::{HostMeter, Meter};
use trainer::optim::Progress;
use trainer::{
    Dataset, Optimizers, Slicing, effective_gradient, materialize, training_encoder,
    training_loader,
};

const ROUNDS: usize = 15;
const PAIRS: usize = 100_000;
const READINGS: usize = 1_000;
const STEPS: usize = 12;

/// A block that mimalloc has at hand, so that the count is as large a part of the time as it can be.
const BLOCK: Layout = Layout::new::<[u64; 8]>();

/// Figures of a step.
struct Step {
    seconds: f64,
    allocations: usize,
    /// Times that a run looks at the meter.
    readings: usize,
}

fn main() {
    allocator::keep_freed_memory(); // as the program does
    let reading = nanoseconds_of_a_reading();
    println!("a reading of the meter: {reading:.0} ns");
    // The preset as it is, one micro-batch at a time, and a step of two samples, which is little but overhead.
    let alone = "hardware.parallel_micro_batches=1";
    for sets in [&[][..], &[alone], &[alone, "training.batch_size=1"]] {
        let images = "dataset.shapes_train_images=64".to_owned();
        let sets = sets.iter().map(ToString::to_string).chain([images]);
        let settings = configuration("cpu", &sets.collect::<Vec<_>>());
        let threads = settings.hardware.parallel_micro_batches;
        let counted = nanoseconds_of_a_pair(threads, counted_pair);
        let alone = nanoseconds_of_a_pair(threads, pair_alone);
        let count = (counted - alone).max(0.0);
        println!(
            "an allocation and its end, threads {threads}: {counted:.1} ns counted, {alone:.1} ns without"
        );
        let step = step(&settings);
        let cost = (step.allocations as f64 * count + step.readings as f64 * reading) * 1e-9;
        println!(
            "preset cpu, effective batch {}: a step of {:.1} ms has {} allocations and {} readings: {:.3} % of it",
            settings.effective_batch(),
            1e3 * step.seconds,
            step.allocations,
            step.readings,
            100.0 * cost / step.seconds
        );
    }
}

#[expect(unsafe_code, reason = "an allocator is called by hand")]
fn counted_pair() {
    // SAFETY: the block has a size and is given back as it was taken.
    unsafe { dealloc(black_box(alloc(BLOCK)), BLOCK) };
}

#[expect(unsafe_code, reason = "an allocator is called by hand")]
fn pair_alone() {
    // SAFETY: as above.
    unsafe { MiMalloc.dealloc(black_box(MiMalloc.alloc(BLOCK)), BLOCK) };
}

fn nanoseconds_of_a_pair(threads: usize, pair: fn()) -> f64 {
    let round = || {
        let barrier = Arc::new(Barrier::new(threads));
        let threads = (0..threads).map(|_| {
            let barrier = barrier.clone();
            thread::spawn(move || {
                barrier.wait();
                nanoseconds(PAIRS, pair)
            })
        });
        let threads: Vec<_> = threads.collect();
        let each = threads.into_iter().map(std::thread::JoinHandle::join);
        each.map(|time| time.expect("it only allocates"))
            .fold(0.0, f64::max)
    };
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}

fn nanoseconds_of_a_reading() -> f64 {
    let round = || nanoseconds(READINGS, || _ = black_box(HostMeter.take()));
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}

/// Time of each of so many calls.
fn nanoseconds(times: usize, call: impl Fn()) -> f64 {
    let start = now();
    for _ in 0..times {
        call();
    }
    start.elapsed().as_secs_f64() * 1e9 / times as f64
}

/// Steps on one effective batch: the least of their times, and the allocations of the last.
fn step(settings: &Config) -> Step {
    let dataset = Dataset::open(settings).expect("a data set");
    let encoder = training_encoder::<Vqa>(settings, dataset.train.as_ref()).expect("words");
    let encoder = Arc::new(encoder);
    let loader = training_loader(settings, dataset.train.clone(), encoder.clone(), u64::MAX);
    let mut batches = loader.expect("a loader").epoch(0, 0).expect("an epoch");
    let batch = batches.next().expect("a batch").expect("it is read");
    drop(batches);

    let device = Device::flex().autodiff();
    let config = Vqa::configure(settings, &DataShape::of(&encoder)).expect("a model");
    let model = Vqa::init(&config, &device).carried_out(settings);
    materialize(&model);
    let mut model = Some(model);
    let mut optimizers = Optimizers::of::<Vqa>(settings);
    let slicing = Slicing {
        micro_batch: settings.training.batch_size,
        parallel: settings.hardware.parallel_micro_batches,
    };
    let mut take = |step: usize| {
        let trained = model.take().expect("each step gives it back");
        let gradient = effective_gradient(&trained, batch.len(), slicing, |model, samples| {
            let part = batch.slice(samples);
            Model::losses(
                model,
                DeviceBatch::upload(&part, &encoder, Sight::Images, &device),
            )
        });
        let at = Progress {
            step,
            total_steps: STEPS,
            epoch: 0,
        };
        model = Some(optimizers.step(trained, gradient.gradients, at).0);
    };
    let seconds = (0..STEPS - 1).map(|step| {
        let start = now();
        take(step);
        start.elapsed().as_secs_f64()
    });
    let seconds = seconds.fold(f64::INFINITY, f64::min);
    let ((), allocations) = allocator::count_allocations(|| take(STEPS - 1));
    let micro_batches = batch.len().div_ceil(slicing.micro_batch);
    let rounds = micro_batches.div_ceil(slicing.parallel);
    Step {
        seconds,
        allocations,
        // At three borders of a micro-batch, around each round, and after each of two groups of parameters.
        readings: 3 * micro_batches + 2 * rounds + 2,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures time, and the trainer's clock is private to it"
)]
fn now() -> Instant {
    Instant::now()
}
