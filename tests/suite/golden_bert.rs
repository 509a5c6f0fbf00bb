//! BERT encoder, answer decoder and question answering of X-VLM against the public implementation.

use std::collections::{BTreeMap, BTreeSet};

use aoa_model::xvlm::bert::{BUFFERS, BertConfig, Context, Tokens, pytorch_name};
use aoa_model::xvlm::swin::{self, Swin, SwinConfig};
use aoa_model::xvlm::{AnswerDecoder, TIED, WeightedAnswers, XVlm, XVlmConfig};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_frugal::{Checkpointing, RowKeys};
use integration_tests::{Case, LoadWeights, bert_config, gradient_of, random_numbers};

/// The token ids `input.<ids>` with their mask `input.<mask>`.
fn tokens(case: &Case, ids: &str, mask: &str, device: &Device) -> Tokens {
    Tokens {
        ids: case.ints(&format!("input.{ids}"), device),
        masked: case
            .ints::<2>(&format!("input.{mask}"), device)
            .equal_elem(0),
    }
}

/// Compares all gradients.
fn assert_gradients<M: Module>(
    case: &Case,
    module: &M,
    gradients: &GradientsParams,
    rename: &dyn Fn(&str) -> String,
) {
    let compared = case.assert_gradients(module, gradients, rename);
    let stored: BTreeSet<_> = case
        .names()
        .into_iter()
        .filter(|name| name.starts_with("grad."))
        .collect();
    assert_eq!(compared, stored, "{}", case.name);
}

/// Checks that every stored weight is trained, the second name of one that is, or listed as a buffer.
fn assert_names(case: &Case, decoder: &str) {
    let tied: BTreeMap<_, _> = TIED
        .iter()
        .map(|(second, first)| (format!("{decoder}{second}"), format!("{decoder}{first}")))
        .collect();
    assert_eq!(case.tied(), tied, "{}", case.name);
    for (second, first) in &tied {
        let weight = |name| case.data(&format!("weights.{name}"));
        assert_eq!(weight(second), weight(first), "{}", case.name);
    }
    let names = case.names();
    for name in names
        .iter()
        .filter_map(|name| name.strip_prefix("weights."))
    {
        let mut buffers = BUFFERS.iter().chain(&swin::BUFFERS);
        assert!(
            case.has(&format!("grad.{name}"))
                || tied.contains_key(name)
                || buffers.any(|buffer| name.ends_with(buffer)),
            "{} {name}",
            case.name
        );
    }
}

#[test]
fn golden_bert_encoder() {
    let _guard = random_numbers();
    let device = Device::flex().autodiff();
    for (case, form) in Case::in_both_forms("xvlm_bert") {
        let mut bert = bert_config(&case, case.size("encoder_width")).init(&device);
        bert.set_checkpointing(form);
        let bert = LoadWeights::into_module(bert, &case, &pytorch_name);
        let tokens = tokens(&case, "ids", "mask", &device);
        let image = case.has("input.image_embeds").then(|| {
            case.tensor::<3>("input.image_embeds", &device)
                .require_grad()
        });
        let context = image.clone().map(|image| {
            let masked = case.ints::<2>("input.image_mask", &device).equal_elem(0);
            Context::new(image, Some(masked), None)
        });

        if case.has("output.text_states") {
            let text = bert.forward(&tokens, None, None);
            case.assert_output("output.text_states", &text.to_data());
        }
        let y = bert.forward(&tokens, context.as_ref(), None);
        case.assert_output("output.y", &y.to_data());

        let (parameters, inputs) = gradient_of(&bert, y, case.tensor("cotangent", &device));
        assert_gradients(&case, &bert, &parameters, &pytorch_name);
        if let Some(image) = image {
            let gradient = image.grad(&inputs).expect("the image has a gradient");
            case.assert_gradient("grad_input.image_embeds", &gradient.into_data());
        }
    }
}

#[test]
fn golden_bert_decoder() {
    let _guard = random_numbers();
    let device = Device::flex().autodiff();
    for (case, form) in Case::in_both_forms("xvlm_bert_decoder") {
        let config = bert_config(&case, case.size("encoder_width"));
        let mut decoder = AnswerDecoder::init(&config, &device);
        decoder.set_checkpointing(form);
        let decoder = LoadWeights::into_module(decoder, &case, &pytorch_name);
        let answers = tokens(&case, "ids", "mask", &device);
        let labels = case.ints("input.labels", &device);
        let states = case.tensor::<3>("input.states", &device).require_grad();
        let masked = case.ints::<2>("input.states_mask", &device).equal_elem(0);
        let context = Context::new(states.clone(), Some(masked), None);

        let logits = decoder.logits(&answers, &context);
        case.assert_output("output.logits", &logits.to_data());
        let loss = decoder.loss(&answers, labels, &context, None);
        case.assert_output("output.loss", &loss.to_data());

        let objective = (logits * case.tensor("cotangent.logits", &device)).sum()
            + (loss * case.tensor("cotangent.loss", &device)).sum();
        let (parameters, inputs) = gradient_of(&decoder, objective, Tensor::ones([1], &device));
        assert_gradients(&case, &decoder, &parameters, &pytorch_name);
        assert_names(&case, "");
        let gradient = states.grad(&inputs).expect("the states have a gradient");
        case.assert_gradient("grad_input.states", &gradient.into_data());
    }
}

/// The question of each answer, from the number of answers of each question.
fn question_of(answers_per_question: &TensorData, device: &Device) -> Tensor<1, Int> {
    let of: Vec<i64> = answers_per_question
        .iter::<i64>()
        .enumerate()
        .flat_map(|(question, answers)| (0..answers).map(move |_| question as i64))
        .collect();
    let answers = of.len();
    Tensor::from_data(TensorData::new(of, [answers]), device)
}

/// The whole of the golden model.
#[derive(Module, Debug)]
struct Whole {
    vision_encoder: Swin,
    xvlm: XVlm,
}

fn pytorch_name_in_whole(path: &str) -> String {
    match path.strip_prefix("xvlm.") {
        Some(path) => pytorch_name(path),
        None => swin::pytorch_name(path),
    }
}

fn whole(case: &Case, form: Checkpointing, device: &Device) -> Whole {
    let sizes = |key: &str| serde_json::from_value(case.config(key).clone()).expect("sizes");
    let vision = SwinConfig::new(
        case.size("image_res"),
        case.size("window_size"),
        case.size("embed_dim"),
        sizes("depths"),
        sizes("num_heads"),
    )
    .with_drop_path_rate(0.0);
    let xvlm = XVlmConfig::new(
        bert_config(case, case.size("vision_width")),
        case.size("num_dec_layers"),
    )
    .with_k_test(case.size("k_test"));
    let mut model = Whole {
        vision_encoder: vision.init(device),
        xvlm: xvlm.init(device),
    };
    model.xvlm.set_checkpointing(form);
    LoadWeights::into_module(model, case, &pytorch_name_in_whole)
}

#[test]
fn golden_bert_question_answering() {
    let _guard = random_numbers();
    let device = Device::flex().autodiff();
    for (case, form) in Case::in_both_forms("xvlm_vqa") {
        let whole = whole(&case, form, &device);
        let model = &whole.xvlm;
        let questions = tokens(&case, "question_ids", "question_mask", &device);
        let image = case.tensor::<4>("input.image", &device).require_grad();
        let image_states = whole.vision_encoder.forward(image.clone(), None);
        case.assert_output("output.image_embeds", &image_states.to_data());
        let images = Context::new(image_states.clone(), None, None);
        let read = model.read(questions.clone(), &images, None);
        case.assert_output("output.question_states", &read.states.to_data());

        // The same images in reverse order, and each question pointing at its own.
        let count = questions.ids.dims()[0] as i64;
        let own = Tensor::arange(0..count, &device).flip([0]);
        let reversed = Context::new(image_states.flip([0]), None, Some(own));
        let same = model.read(questions, &reversed, None);
        case.assert_output("output.question_states", &same.states.to_data());

        let answers = WeightedAnswers {
            tokens: tokens(&case, "answer_ids", "answer_mask", &device),
            weights: case.tensor("input.answer_weights", &device),
            question_of: question_of(&case.data("input.answers_per_question"), &device),
        };
        // The reference takes the mean over the questions.
        let loss = model.losses(&read, answers, None).mean();
        case.assert_output("output.loss", &loss.to_data());
        // A scalar, which Burn has as one axis of length 1.
        let cotangent: Vec<f32> = case.data("cotangent").iter().collect();
        let cotangent = Tensor::<1>::from_floats(&cotangent[..], &device);
        let (parameters, inputs) = gradient_of(&whole, loss, cotangent);
        assert_gradients(&case, &whole, &parameters, &pytorch_name_in_whole);
        assert_names(&case, "text_decoder.");
        let gradient = image.grad(&inputs).expect("the image has a gradient");
        case.assert_gradient("grad_input.image", &gradient.into_data());

        let candidates = tokens(&case, "candidate_ids", "candidate_mask", &device);
        let first = model.first_words(&read, &candidates);
        case.assert_output("output.first_token_probs", &first.exp().to_data());
        let ranked = model.rank(&read, &candidates);
        case.assert_output("output.topk_ids", &ranked.candidates.to_data());
        case.assert_output("output.topk_probs", &ranked.probabilities.to_data());
    }
}

/// Counted without drawing a weight, and by the layers as they were published.
#[test]
fn golden_bert_base_has_the_published_parameters() {
    let linear = |input: usize, output: usize| input * output + output;
    let (hidden, norm) = (768, 2 * 768);
    let attention = |width: usize| 2 * linear(hidden, hidden) + 2 * linear(width, hidden) + norm;
    let feed_forward = linear(hidden, 3_072) + linear(3_072, hidden) + norm;
    let embeddings = (30_522 + 512 + 2) * hidden + norm;
    let encoder = embeddings + 12 * (attention(hidden) + feed_forward) + 6 * attention(1_024);
    let head = linear(hidden, hidden) + norm + 30_522;
    let decoder = embeddings + 6 * (2 * attention(hidden) + feed_forward) + head;

    let model = XVlmConfig::base(1_024).init(&Device::flex());
    assert_eq!(model.num_params(), encoder + decoder);
}

#[test]
fn each_dropout_of_bert_takes_effect() {
    let _guard = random_numbers();
    let device = Device::flex().autodiff();
    let tokens = Tokens::padded(Tensor::from_ints([[2, 5, 6, 7, 0]], &device));
    let config = BertConfig::new(8, 16, 2, 2, 16, 5, 2, 16);
    let varies = |hidden: f64, attention: f64| {
        let bert = config
            .clone()
            .with_hidden_dropout(hidden)
            .with_attention_dropout(attention)
            .init(&device);
        let run = |key| {
            let keys = RowKeys::new(vec![key], &device);
            bert.forward(&tokens, None, Some(&keys)).into_data()
        };
        run(1) != run(2)
    };
    assert!(!varies(0.0, 0.0));
    assert!(varies(0.5, 0.0));
    assert!(varies(0.0, 0.5));
}
