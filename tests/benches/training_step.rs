//! Whole training steps at full size, for `cargo xtask bench training-step`: X-VLM base as published and the fine branch of
//! the 24gb preset. Arguments: micro-batch, steps, and the layers of a segment where segments are rebuilt, else 0. The
//! result is a line of JSON.
//!
//! `tests/benches/peer/training_step.py` takes the same steps.
#![expect(clippy::print_stdout, reason = "its result is its output")]

use std::time::Instant;

use aoa_model::Vqa;
use aoa_model::cfr::{FineBranch, FineBranchConfig, FineInput};
use aoa_model::xvlm::bert::{Context, Tokens};
use aoa_model::xvlm::swin::{Swin, SwinConfig};
use aoa_model::xvlm::{WeightedAnswers, XVlm, XVlmConfig};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Distribution, Tensor};
use burn_frugal::{Checkpointing, RowKeys};
use config_schema::Config;
use model_api::DropoutKeys;
use model_api::{
    ConfigureError, DataShape, DeviceBatch, Model, ModelOutput, ParameterGroup, RightAnswers,
    WordPieces, binary_cross_entropy,
};
use trainer::optim::Progress;
use trainer::{Optimizers, Slicing, effective_gradient, materialize};

const WORDS: usize = 20_000;
const WORD_PIECES: usize = 30_522;
const ANSWERS: usize = 3_129;
const QUESTION_TOKENS: usize = 40;
const ANSWER_TOKENS: usize = 6;
const ANSWERS_PER_QUESTION: usize = 2;

/// Both branches, each with its own loss.
#[derive(Module, Debug)]
struct FullSize {
    vision_encoder: Swin,
    xvlm: XVlm,
    fine: FineBranch,
}

impl FullSize {
    fn set_checkpointing(&mut self, checkpointing: Checkpointing) {
        self.vision_encoder.set_checkpointing(checkpointing);
        self.xvlm.set_checkpointing(checkpointing);
        self.fine.set_checkpointing(checkpointing);
    }
}

impl Model for FullSize {
    type Config = ();

    fn configure(_settings: &Config, _data: &DataShape) -> Result<(), ConfigureError> {
        Ok(())
    }

    fn init((): &(), device: &Device) -> Self {
        let swin = SwinConfig::xvlm_base();
        let fine = FineBranchConfig::new(WORDS, 300, swin.channels(), 768, ANSWERS, 4, 8, 96, 2)
            .with_dropout(0.4);
        Self {
            xvlm: XVlmConfig::base(swin.channels()).init(device),
            vision_encoder: swin.init(device),
            fine: fine.init(device),
        }
    }

    fn losses(&self, batch: DeviceBatch) -> Tensor<1> {
        let images = batch.images.expect("the batch has images");
        let keys = batch.dropout.as_ref();
        let of_images = keys.map(|keys| &keys.images);
        let states = self.vision_encoder.forward(images, of_images); // [images, 1 + cells, channels]
        let cells = states.dims()[1] - 1;
        let images = Context::new(states.clone(), None, Some(batch.image_of.clone()));
        let pieces = batch.pieces.expect("the batch has word pieces");
        let answers = WeightedAnswers {
            tokens: Tokens::padded(pieces.answers).select(batch.right.answers),
            weights: batch.right.weights,
            question_of: batch.right.sample_of,
        };
        let questions = Tokens::padded(pieces.questions);
        let read = self
            .xvlm
            .read(questions, &images, keys.map(|keys| &keys.samples));
        let coarse = self
            .xvlm
            .losses(&read, answers, keys.map(|keys| &keys.answers));
        let fine = FineInput {
            question: batch.questions,
            entities: None,
            image_of: batch.image_of,
            regions: states.narrow(1, 1, cells),
            masked_regions: None,
            statistical_words: None,
        };
        let logits = self.fine.forward(fine, keys);
        coarse + binary_cross_entropy(logits, batch.targets)
    }

    fn answer(&self, batch: DeviceBatch) -> ModelOutput {
        ModelOutput {
            probabilities: self.losses(batch).unsqueeze(),
            branches: Vec::new(),
        }
    }

    fn groups(settings: &Config) -> Vec<ParameterGroup> {
        Vqa::groups(settings)
    }

    fn group(path: &str) -> &'static str {
        if path.starts_with("fine.") {
            ParameterGroup::FINE
        } else {
            ParameterGroup::XVLM
        }
    }
}

fn batch(samples: usize, device: &Device) -> DeviceBatch {
    let ids = |rows: usize, columns: usize, below: usize| {
        let uniform = Distribution::Uniform(1.0, below as f64);
        Tensor::<2>::random([rows, columns], uniform, device).int()
    };
    let right = samples * ANSWERS_PER_QUESTION;
    let keys = |rows: usize| RowKeys::new((0..rows as u32).collect(), device);
    let images = Distribution::Normal(0.0, 1.0);
    DeviceBatch {
        images: Some(Tensor::random([samples, 3, 480, 480], images, device)),
        regions: None,
        statistical_words: None,
        entities: None,
        image_of: Tensor::arange(0..samples as i64, device),
        questions: ids(samples, QUESTION_TOKENS, WORDS),
        targets: Tensor::zeros([samples, ANSWERS], device).slice_fill([0..samples, 5..6], 1.0),
        right: RightAnswers {
            answers: Tensor::arange(0..right as i64, device),
            sample_of: Tensor::arange(0..samples as i64, device)
                .repeat_dim(0, ANSWERS_PER_QUESTION)
                .sort(0),
            weights: Tensor::full([right], 0.5, device),
        },
        pieces: Some(WordPieces {
            questions: ids(samples, QUESTION_TOKENS, WORD_PIECES),
            answers: ids(right, ANSWER_TOKENS, WORD_PIECES),
        }),
        dropout: Some(DropoutKeys {
            samples: keys(samples),
            images: keys(samples),
            answers: keys(right),
        }),
    }
}

fn main() {
    allocator::keep_freed_memory(); // as the program does
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<usize>().ok());
    let (samples, steps) = (numbers.next().unwrap_or(1), numbers.next().unwrap_or(2));
    let segment = numbers.next().filter(|segment| *segment > 0);
    let device = Device::flex().autodiff();
    device.seed(0);
    let mut model = FullSize::init(&(), &device);
    materialize(&model);
    if let Some(segment) = segment {
        model.set_checkpointing(Checkpointing {
            rebuild: true,
            segment,
            ..Checkpointing::default()
        });
    }
    let parameters = parameters(&model);
    let mut optimizers = Optimizers::of::<FullSize>(&Config::default());
    let batch = batch(samples, &device);
    let slicing = Slicing {
        micro_batch: samples,
        parallel: 1,
    };

    let mut seconds = Vec::new();
    for step in 1..=steps {
        let clock = now();
        let gradient = effective_gradient(&model, samples, slicing, |model, _| {
            model.losses(batch.clone())
        });
        let at = Progress {
            step,
            total_steps: 1_000,
            epoch: 0,
        };
        let (updated, update) = optimizers.step(model, gradient.gradients, at);
        assert!(
            update.norm.0.is_finite(),
            "the gradient is {}",
            update.norm.0
        );
        model = updated;
        seconds.push(clock.elapsed().as_secs_f64());
    }
    let result = serde_json::json!({
        "parameters": parameters,
        "seconds": seconds,
        "peak_bytes": peak_bytes(),
        "live_bytes": allocator::take_peak(),
    });
    println!("{result}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures time, and the trainer's clock is private to it"
)]
fn now() -> Instant {
    Instant::now()
}

/// Numbers in each of the four parts that the model is known by.
fn parameters(model: &FullSize) -> serde_json::Value {
    #[derive(Default)]
    struct Count {
        path: Vec<String>,
        parts: std::collections::BTreeMap<&'static str, usize>,
    }
    impl ModuleVisitor for Count {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let part = ["vision_encoder", "text_encoder", "text_decoder", "fine"]
                .into_iter()
                .find(|part| self.path.iter().take(2).any(|name| name == part));
            let count = self.parts.entry(part.unwrap_or("other")).or_default();
            *count += param.shape().num_elements();
        }
    }
    let mut count = Count::default();
    model.visit(&mut count);
    serde_json::json!(count.parts)
}

/// The most memory that this process ever had, as the kernel counts it.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}
