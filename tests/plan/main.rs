//! The plan against the memory that real steps take, on the CPU, where it can be counted exactly.

mod derive;

use std::collections::BTreeMap;
use std::sync::Mutex;

use aoa_model::Vqa;
use config_schema::{Layers, presets, resolve};
use integration_tests::{Comparison, compare, configuration};
use toy_model::Toy;
use trainer::plan::{
    PartBytes, PlannedPhase, WorstCase, choose_segment, plan, savings, with_segment,
};
use trainer::{Dataset, training_encoder};

/// Made small: little images, narrow parts.
const SMALL: [&str; 9] = [
    "dataset.shapes_train_images=64",
    "dataset.shapes_validation_images=4",
    "dataset.shapes_test_images=4",
    "dataset.image_size=64",
    "training.update_freq=2",
    "hardware.parallel_micro_batches=1",
    "data_loading.image_group_size=1",
    "memory_optimization.num_workers=1",
    "model.dropout=0.1",
];

/// The coarse branch behind a Swin transformer, both small.
const COARSE: [&str; 10] = [
    "model.image_encoder=swin",
    "xvlm.embed_dim=32",
    "xvlm.depths=[2, 2, 2]",
    "xvlm.image_heads=[2, 4, 8]",
    "xvlm.window=4",
    "xvlm.text_hidden=128",
    "xvlm.text_layers=4",
    "xvlm.text_heads=4",
    "xvlm.text_intermediate=512",
    "xvlm.fusion_layer=2",
];

/// What is different in each, beside the coarse branch.
const CONFIGURATIONS: [(bool, &[&str]); 23] = [
    (false, &["training.batch_size=1"]),
    (false, &["training.batch_size=4"]),
    (false, &["training.batch_size=16"]),
    (false, &["training.batch_size=4", "training.ema=0.999"]),
    (false, &["training.batch_size=8", "model.num_hid=256"]),
    (
        false,
        &["training.batch_size=8", "model.num_hid=16", "model.heads=2"],
    ),
    (false, &["training.batch_size=2", "model.fine_form=cfr"]),
    (false, &["training.batch_size=8", "model.fine_form=cfr"]),
    (
        false,
        &[
            "training.batch_size=16",
            "model.fine_form=cfr",
            "model.num_hid=256",
            "model.aoa_layers=4",
        ],
    ),
    (
        false,
        &[
            "training.batch_size=8",
            "model.fine_form=cfr",
            "dataset.shapes_described=true",
        ],
    ),
    (
        false,
        &["training.batch_size=8", "training.tune_xvlm=false"],
    ),
    (true, &["training.batch_size=1", "model.branches=both"]),
    (true, &["training.batch_size=8", "model.branches=both"]),
    (true, &["training.batch_size=8", "model.branches=coarse"]),
    (
        true,
        &[
            "training.batch_size=8",
            "model.branches=both",
            "training.tune_xvlm=false",
        ],
    ),
    (
        false,
        &[
            "training.batch_size=8",
            "model.fine_form=cfr",
            "model.num_hid=256",
            "model.aoa_layers=6",
            "memory_optimization.gradient_checkpointing=true",
        ],
    ),
    (
        true,
        &[
            "training.batch_size=8",
            "model.branches=both",
            "memory_optimization.gradient_checkpointing=true",
        ],
    ),
    (
        true,
        &[
            "training.batch_size=8",
            "model.branches=both",
            "memory_optimization.memory_efficient_attention=true",
        ],
    ),
    (
        true,
        &[
            "training.batch_size=8",
            "model.branches=both",
            "memory_optimization.gradient_checkpointing=true",
            "memory_optimization.memory_efficient_attention=true",
        ],
    ),
    (false, &["training.batch_size=16", "precision.mode=bf16"]),
    (
        true,
        &[
            "training.batch_size=8",
            "model.branches=both",
            "precision.mode=bf16",
        ],
    ),
    (
        true,
        &[
            "training.batch_size=8",
            "model.branches=both",
            "precision.mode=f16",
            "memory_optimization.gradient_checkpointing=true",
            "memory_optimization.memory_efficient_attention=true",
        ],
    ),
    // Many samples of large images: the peak is within a product of a segment that is rebuilt.
    (
        true,
        &[
            "training.batch_size=16",
            "model.branches=coarse",
            "dataset.image_size=128",
            "memory_optimization.gradient_checkpointing=true",
            "memory_optimization.memory_efficient_attention=true",
        ],
    ),
];

/// Plans may be this far over what is measured, as a part of it.
const OVER: f64 = 0.08;
/// And this far under, as a part of it or in bytes, whichever is more.
const UNDER: (f64, u64) = (0.03, 2 << 20);
/// Held by a test while it counts: the count is the process's.
static COUNT: Mutex<()> = Mutex::new(());

#[test]
fn plans_are_close_to_what_is_measured() {
    let _count = COUNT.lock();
    let mut missed = Vec::new();
    for (coarse, own) in CONFIGURATIONS {
        let coarse: &[&str] = if coarse { &COARSE } else { &[] };
        let sets = SMALL.iter().chain(coarse).chain(own);
        let sets: Vec<_> = sets.map(ToString::to_string).collect();
        let comparison = compare(&configuration("cpu", &sets));
        let line = line(own, &comparison);
        #[expect(clippy::print_stdout, reason = "the table is what the test shows")]
        {
            println!("{line}");
        }
        let (planned, measured) = (comparison.planned.peak_bytes, comparison.measured());
        let under = measured.saturating_sub(planned);
        let part = (measured as f64 * UNDER.0) as u64;
        if comparison.error() > OVER || under > part.max(UNDER.1) {
            missed.push(line);
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

/// Every model that can be configured can be planned, and so can what each switch would make of it.
#[test]
fn every_model_can_be_planned() {
    let _count = COUNT.lock();
    let choices = [
        ("model.branches", ["fine", "coarse", "both"].as_slice()),
        ("model.image_encoder", &["grid", "swin"]),
        ("model.fine_form", &["compact", "cfr"]),
        ("training.tune_xvlm", &["true", "false"]),
        (
            "memory_optimization.gradient_checkpointing",
            &["false", "true"],
        ),
    ];
    let all = choices
        .iter()
        .fold(vec![Vec::new()], |all: Vec<Vec<String>>, (key, values)| {
            let with = |sets: &Vec<String>, value: &&str| {
                [&sets[..], &[format!("{key}={value}")]].concat()
            };
            all.iter()
                .flat_map(|sets| values.iter().map(move |value| with(sets, value)))
                .collect()
        });
    let small = [
        "xvlm.depths=[1, 1]",
        "xvlm.image_heads=[2, 4]",
        "xvlm.text_layers=2",
        "xvlm.fusion_layer=1",
    ];
    let mut planned = 0;
    for own in all {
        let sets = SMALL
            .iter()
            .chain(&COARSE)
            .chain(&small)
            .map(ToString::to_string);
        let layers = Layers {
            sets: sets.chain(own.iter().cloned()).collect(),
            ..Layers::preset("cpu")
        };
        let Ok(resolved) = resolve(&layers, &presets::lookup) else {
            // The coarse branch alone, with nothing to train.
            assert!(own.iter().any(|set| set.ends_with("coarse")), "{own:?}");
            continue;
        };
        let settings = resolved.config;
        let dataset = Dataset::open(&settings).expect("a data set");
        let encoder = training_encoder::<Vqa>(&settings, dataset.train.as_ref()).expect("words");
        let worst = WorstCase::of(&encoder, dataset.train.samples());
        let plan = plan::<Vqa>(&settings, &worst).expect("a model");
        let saved = savings::<Vqa>(&settings, &worst, &plan).expect("models");
        assert!(!saved.is_empty(), "{own:?}");
        planned += 1;
    }
    assert_eq!(planned, 2 * 2 * 2 * (2 + 1 + 2));
}

#[test]
fn the_model_of_a_fork_is_planned_like_our_own() {
    let _count = COUNT.lock();
    let sets = SMALL.map(str::to_owned);
    let settings = configuration("cpu", &sets);
    let dataset = Dataset::open(&settings).expect("a data set");
    let encoder = training_encoder::<Toy>(&settings, dataset.train.as_ref()).expect("words");
    let worst = WorstCase::of(&encoder, dataset.train.samples());
    let planned = plan::<Toy>(&settings, &worst).expect("the toy model");

    let (words, answers) = (worst.shape.vocabulary, worst.shape.answers);
    let dim = settings.model.word_dim;
    let numbers = [
        ("answer.bias", answers),
        ("answer.weight", (dim + 3) * answers),
    ];
    let numbers = numbers.into_iter().chain([("words.weight", words * dim)]);
    let expected: BTreeMap<_, _> = numbers
        .map(|(part, count)| (part, 4 * count as u64))
        .collect();
    let parts = planned.parameters.iter();
    let parts: BTreeMap<_, _> = parts
        .map(|PartBytes { part, bytes }| (part.as_str(), *bytes))
        .collect();
    assert_eq!(parts, expected);
    let all: u64 = expected.values().sum();
    assert_eq!(planned.parameter_bytes, all);
    assert_eq!(planned.gradient_bytes, all);
    assert_eq!(planned.accumulated_bytes, all);
    assert_eq!(planned.optimizer_bytes, 2 * all);
    assert_eq!(planned.average_bytes, 0);
    assert!(planned.peak_bytes > 5 * all, "{planned:?}");

    let mut averaged = settings.clone();
    averaged.training.ema = 0.999;
    let averaged = plan::<Toy>(&averaged, &worst).expect("the toy model");
    assert_eq!(averaged.average_bytes, all);
    assert_eq!(averaged.peak_bytes, planned.peak_bytes + all);
}

#[test]
fn segments_are_as_long_as_the_budget_allows() {
    let _count = COUNT.lock();
    let own = [
        "training.batch_size=8",
        "model.fine_form=cfr",
        "model.num_hid=256",
        "model.aoa_layers=6",
        "memory_optimization.gradient_checkpointing=true",
        "memory_optimization.checkpoint_segment=0",
    ];
    let sets: Vec<_> = SMALL.iter().chain(&own).map(ToString::to_string).collect();
    let settings = configuration("cpu", &sets);
    let dataset = Dataset::open(&settings).expect("a data set");
    let encoder = training_encoder::<Vqa>(&settings, dataset.train.as_ref()).expect("words");
    let worst = WorstCase::of(&encoder, dataset.train.samples());
    let steps = |length: usize| {
        let planned = plan::<Vqa>(&with_segment(&settings, length), &worst).expect("a model");
        let passes = planned.phases.iter();
        let passes = passes
            .filter(|one| matches!(one.phase, PlannedPhase::Forward | PlannedPhase::Backward));
        passes.map(|one| one.bytes).max().expect("there are two")
    };
    let chosen = |budget: u64| {
        let choice = choose_segment::<Vqa>(&settings, &worst, budget).expect("a model");
        let choice = choice.expect("it is left to the budget");
        assert_eq!(choice.planned_bytes, steps(choice.checkpoint_segment));
        assert_eq!(choice.budget_bytes, budget);
        choice.checkpoint_segment
    };
    // All of a stack is kept; half of it, in segments as long; a layer at a time.
    let [whole, half, single] = [6, 3, 1].map(steps);
    assert!(whole > half && half > single, "{whole} {half} {single}");
    let budget = |planned: u64| (planned as f64 / 0.94) as u64;
    assert_eq!(chosen(u64::MAX), 6);
    assert_eq!(chosen(budget(whole)), 6);
    assert!(chosen(whole) < 6, "it fits, but without the margin");
    assert_eq!(chosen(budget(half)), 3);
    assert_eq!(chosen(budget(single)), 1);
    assert_eq!(chosen(single / 2), 1, "what saves most");

    let stated = with_segment(&settings, 2);
    let choice = choose_segment::<Vqa>(&stated, &worst, u64::MAX);
    assert_eq!(choice.expect("a model"), None);
}

fn line(own: &[&str], comparison: &Comparison) -> String {
    let phases = comparison.planned.phases.iter();
    let phases = phases.map(|phase| format!("{:.2} ({})", mebibytes(phase.bytes), phase.at));
    format!(
        "{:+5.1} %  planned {:.2} MiB, measured {:.2} (forward {:.2}, backward {:.2}, update {:.2}, evaluation {:.2}); {}; {}",
        100.0 * comparison.error(),
        mebibytes(comparison.planned.peak_bytes),
        mebibytes(comparison.measured()),
        mebibytes(comparison.forward),
        mebibytes(comparison.backward),
        mebibytes(comparison.update),
        mebibytes(comparison.evaluation),
        phases.collect::<Vec<_>>().join(", "),
        own.join(" "),
    )
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
