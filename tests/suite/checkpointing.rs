//! Segment checkpointing: the same losses and gradients, bit for bit, with dropout.

use aoa_model::xvlm::AnswerDecoder;
use aoa_model::xvlm::bert::{Bert, BertConfig, Context, Tokens};
use aoa_model::xvlm::swin::{Swin, SwinConfig};
use aoa_model::{AoaStack, AoaStackConfig};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Bool, Device, Distribution, Int, Tensor};
use burn_frugal::{Checkpointing, RowKeys};
use integration_tests::{Gradients, gradients_by_path, random_numbers};
use model_api::DropoutKeys;
use trainer::materialize;

fn device() -> Device {
    Device::flex().autodiff()
}

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &device())
}

/// Ids of `rows` texts, the later ones padded.
fn texts<const ROWS: usize, const TOKENS: usize>() -> Tensor<2, Int> {
    let id = |row, token| {
        if token + row < TOKENS {
            1 + (7 * row + 3 * token) % 19
        } else {
            0
        }
    };
    let ids: Vec<i64> = (0..ROWS)
        .flat_map(|row| (0..TOKENS).map(move |token| id(row, token) as i64))
        .collect();
    Tensor::<1, Int>::from_ints(ids.as_slice(), &device()).reshape([ROWS, TOKENS])
}

/// Keys of rows, of which no two are equal.
fn row_keys(rows: u32, first: u32) -> RowKeys {
    RowKeys::new((first..first + rows).collect(), &device())
}

/// Output, gradients of parameters by path, and of `inputs` by number, with the same dropout.
fn passed<M: Module, const D: usize>(
    module: &M,
    inputs: &[Tensor<3>],
    forward: impl Fn(&M, &[Tensor<3>], u32) -> Tensor<D>,
) -> Gradients {
    let inputs: Vec<_> = inputs
        .iter()
        .map(|input| input.clone().require_grad())
        .collect();
    let output = forward(module, &inputs, 5);
    let gradients = output.clone().sum().backward();
    let mut all = Gradients::from([("output".to_owned(), output.into_data())]);
    for (number, input) in inputs.iter().enumerate() {
        let gradient = input.grad(&gradients).expect("an input has a gradient");
        all.insert(format!("input {number}"), gradient.into_data());
    }
    let gradients = GradientsParams::from_grads(gradients, module);
    all.extend(gradients_by_path(module, &gradients, &str::to_owned));
    all
}

/// Checks segments of all lengths against what is computed when everything is kept. The last argument of `forward` is the
/// first of the keys that dropout is drawn by.
fn check<M: Module, const D: usize>(
    mut module: M,
    set: impl Fn(&mut M, Checkpointing),
    inputs: &[Tensor<3>],
    forward: impl Fn(&M, &[Tensor<3>], u32) -> Tensor<D>,
) {
    materialize(&module);
    let once = passed(&module, inputs, &forward);
    for segment in 1..=3 {
        let [kept, rebuilt] = [false, true].map(|rebuild| {
            let checkpointing = Checkpointing {
                rebuild,
                segment,
                ..Checkpointing::default()
            };
            set(&mut module, checkpointing);
            passed(&module, inputs, &forward)
        });
        assert!(kept.keys().eq(rebuilt.keys()), "segments of {segment}");
        let differ = |path: &&String| kept[*path] != rebuilt[*path];
        let differing: Vec<_> = kept.keys().filter(differ).collect();
        assert!(differing.is_empty(), "{differing:?}, segments of {segment}");
        assert_eq!(
            kept["output"], once["output"],
            "the length of segments is seen"
        );
    }
    let [one, other] = [6, 20].map(|first| forward(&module, inputs, first).into_data());
    assert_ne!(one, other, "nothing is dropped");
}

#[test]
fn an_aoa_stack() {
    let _guard = random_numbers();
    let stack = AoaStackConfig::new(12, 4, 2, 6)
        .with_dropout(0.3)
        .init(&device());
    let masked: Tensor<2, Bool> = texts::<4, 7>().equal_elem(0);
    let image_of = Tensor::<1, Int>::from_ints([0, 0, 1, 1], &device());
    check(
        stack,
        AoaStack::set_checkpointing,
        &[random([4, 7, 12]), random([2, 5, 12])],
        |stack, inputs, first| {
            let keys = DropoutKeys {
                samples: row_keys(4, first),
                images: row_keys(2, first),
                answers: row_keys(0, first),
            };
            let [words, regions] = inputs else {
                unreachable!("two were given")
            };
            let refined = stack.forward(
                words.clone(),
                Some(&masked),
                regions.clone(),
                None,
                image_of.clone(),
                Some(&keys),
            );
            Tensor::cat(vec![refined.words, refined.regions], 1)
        },
    );
}

#[test]
fn an_image_encoder() {
    let _guard = random_numbers();
    let swin = SwinConfig::new(32, 4, 8, vec![2, 4], vec![2, 2])
        .with_drop_path_rate(0.5)
        .init(&device());
    let images = random([3, 3, 32, 32]);
    check(swin, Swin::set_checkpointing, &[], |swin, _, first| {
        swin.forward(images.clone(), Some(&row_keys(3, first)))
    });
}

#[test]
fn a_text_encoder_that_looks_at_images() {
    let _guard = random_numbers();
    let bert = BertConfig::new(20, 12, 5, 2, 24, 16, 2, 10).init(&device());
    let tokens = Tokens::padded(texts::<4, 7>());
    let image_of = Tensor::<1, Int>::from_ints([0, 0, 1, 1], &device());
    check(
        bert,
        Bert::set_checkpointing,
        &[random([2, 6, 10])],
        |bert, inputs, first| {
            let images = Context::new(inputs[0].clone(), None, Some(image_of.clone()));
            bert.forward(&tokens, Some(&images), Some(&row_keys(4, first)))
        },
    );
}

#[test]
fn a_text_encoder_by_itself() {
    let _guard = random_numbers();
    let bert = BertConfig::new(20, 12, 5, 2, 24, 16, 5, 10).init(&device());
    let tokens = Tokens::padded(texts::<4, 7>());
    check(bert, Bert::set_checkpointing, &[], |bert, _, first| {
        bert.forward(&tokens, None, Some(&row_keys(4, first)))
    });
}

#[test]
fn an_answer_decoder() {
    let _guard = random_numbers();
    let config = BertConfig::new(20, 12, 4, 2, 24, 16, 0, 12);
    let answers = Tokens::padded(texts::<4, 5>());
    let masked: Tensor<2, Bool> = texts::<2, 6>().equal_elem(0);
    let question_of = Tensor::<1, Int>::from_ints([0, 1, 1, 0], &device());
    check(
        AnswerDecoder::init(&config, &device()),
        AnswerDecoder::set_checkpointing,
        &[random([2, 6, 12])],
        |decoder, inputs, first| {
            let context = Context::new(
                inputs[0].clone(),
                Some(masked.clone()),
                Some(question_of.clone()),
            );
            let keys = row_keys(4, first);
            decoder.loss(&answers, answers.ids.clone(), &context, Some(&keys))
        },
    );
}
