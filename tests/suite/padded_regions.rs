//! Images with fewer regions than others: padding changes no answer, no gradient and no mask of dropout.

use aoa_model::cfr::{self, CounterConfig, FineInput};
use aoa_model::{CompactBranchConfig, FineBranch, FineBranchConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Bool, Device, Distribution, Int, Tensor, TensorData, Tolerance};
use burn_frugal::{Checkpointing, RowKeys};
use integration_tests::{Gradients, gradients_by_path, random_numbers};
use model_api::DropoutKeys;
use trainer::materialize;

/// Channels of a region.
const CHANNELS: usize = 5;

/// Words of the vocabulary, padding among them.
const WORDS: usize = 20;

/// Regions of the two images.
const COUNTS: [usize; 2] = [3, 5];

fn branches() -> [(&'static str, FineBranchConfig, bool); 3] {
    let published =
        || cfr::FineBranchConfig::new(WORDS - 1, 6, CHANNELS, 12, 7, 2, 2, 6, 2).with_dropout(0.3);
    [
        (
            "compact",
            FineBranchConfig::Compact(CompactBranchConfig::new(
                WORDS, CHANNELS, 7, 6, 12, 2, 2, 2, 0.3,
            )),
            false,
        ),
        ("published", FineBranchConfig::Cfr(published()), false),
        (
            "published with statistical words",
            FineBranchConfig::Cfr(published().with_statistical_weight(Some(0.5))),
            true,
        ),
    ]
}

fn table(rows: &[[i64; 4]], device: &Device) -> Tensor<2, Int> {
    Tensor::<1, Int>::from_data(rows.concat().as_slice(), device).reshape([rows.len(), 4])
}

/// The regions of some images, each padded with `junk` to `longest`, and which are padding.
fn regions(
    images: &[&Tensor<2>],
    longest: usize,
    junk: f32,
    device: &Device,
) -> (Tensor<3>, Option<Tensor<2, Bool>>) {
    let padded = images.iter().map(|image| {
        let missing = longest - image.dims()[0];
        let image = (*image).clone();
        if missing == 0 {
            return image;
        }
        let padding = Tensor::full([missing, CHANNELS], junk, device);
        Tensor::cat(vec![image, padding], 0)
    });
    let padded: Vec<Tensor<3>> = padded.map(Tensor::unsqueeze).collect();
    let masked: Vec<bool> = images
        .iter()
        .flat_map(|image| (0..longest).map(|region| region >= image.dims()[0]))
        .collect();
    let varying = masked.contains(&true);
    let masked = TensorData::new(masked, [images.len(), longest]);
    (
        Tensor::cat(padded, 0),
        varying.then(|| Tensor::from_data(masked, device)),
    )
}

/// Logits and gradients of a branch for some samples, with dropout drawn by their keys.
fn passed(
    branch: &FineBranch,
    question: &Tensor<2, Int>,
    words: Option<Tensor<2, Int>>,
    image_of: &[i64],
    regions: (Tensor<3>, Option<Tensor<2, Bool>>),
    keys: Option<[&[u32]; 2]>,
) -> (TensorData, Gradients) {
    let device = regions.0.device();
    let input = FineInput {
        question: question.clone(),
        entities: None,
        image_of: Tensor::from_data(image_of, &device),
        regions: regions.0,
        masked_regions: regions.1,
        statistical_words: words,
    };
    let row_keys = |keys: &[u32]| RowKeys::new(keys.to_vec(), &device);
    let keys = keys.map(|[samples, images]| DropoutKeys {
        samples: row_keys(samples),
        images: row_keys(images),
        answers: row_keys(&[]),
    });
    let logits = branch.forward(input, keys.as_ref());
    let weights = Tensor::<1, Int>::arange(1..8, &device)
        .float()
        .unsqueeze::<2>();
    let gradients = (logits.clone() * weights).sum().backward();
    let gradients = GradientsParams::from_grads(gradients, branch);
    let gradients = gradients_by_path(branch, &gradients, &str::to_owned);
    (logits.into_data(), gradients)
}

/// The largest number, whatever its sign.
fn magnitude(numbers: &TensorData) -> f32 {
    let all = numbers.iter::<f32>();
    all.fold(0.0, |most, number| most.max(number.abs()))
}

#[test]
fn a_sample_has_the_same_answer_and_gradient_alone_and_padded() {
    let _guard = random_numbers();
    let device = Device::flex().autodiff();
    device.seed(1);
    for (name, config, described) in branches() {
        for checkpointing in [false, true] {
            let mut branch = config.init(&device);
            materialize(&branch);
            branch.set_checkpointing(Checkpointing {
                rebuild: checkpointing,
                segment: 1,
                memory_efficient_attention: checkpointing,
            });
            let images = COUNTS.map(|count| {
                Tensor::random([count, CHANNELS], Distribution::Normal(0.0, 1.0), &device)
            });
            let question = table(&[[1, 2, 3, 0], [4, 5, 6, 7], [8, 9, 0, 0]], &device);
            let words = described.then(|| table(&[[11, 12, 13, 0], [14, 15, 0, 0]], &device));
            let image_of = [0_i64, 1, 0];
            for keys in [None, Some([&[5_u32, 6, 7][..], &[8, 9]])] {
                let together = regions(&[&images[0], &images[1]], 5, 0.0, &device);
                let (logits, mut sum) =
                    passed(&branch, &question, words.clone(), &image_of, together, keys);
                let largest: Vec<f32> = sum.values().map(magnitude).collect();
                // Whatever stands in the padding, and however much of it there is.
                let more = regions(&[&images[0], &images[1]], 9, 3.0, &device);
                let (other, _) = passed(&branch, &question, words.clone(), &image_of, more, keys);
                let near = Tolerance::rel_abs(2e-6, 1e-6);
                other.assert_approx_eq::<f32>(&logits, near);
                for (sample, &image) in image_of.iter().enumerate() {
                    let image = image as usize;
                    let row = |words: Tensor<2, Int>| words.narrow(0, image, 1);
                    let own = keys.map(|[samples, images]| {
                        [&samples[sample..=sample], &images[image..=image]]
                    });
                    let (alone, gradients) = passed(
                        &branch,
                        &question.clone().narrow(0, sample, 1),
                        words.clone().map(row),
                        &[0],
                        regions(&[&images[image]], COUNTS[image], 0.0, &device),
                        own,
                    );
                    let expected = Tensor::<2>::from_data(logits.clone(), &device)
                        .narrow(0, sample, 1)
                        .into_data();
                    alone.assert_approx_eq::<f32>(&expected, near);
                    for (path, gradient) in gradients {
                        let rest = sum
                            .get_mut(&path)
                            .unwrap_or_else(|| panic!("{name}: {path}"));
                        let left: Vec<f32> = rest
                            .iter::<f32>()
                            .zip(gradient.iter::<f32>())
                            .map(|(all, own)| all - own)
                            .collect();
                        let numbers = left.len();
                        *rest = TensorData::new(left, [numbers]);
                    }
                }
                for ((path, rest), largest) in sum.iter().zip(largest) {
                    let most = magnitude(rest);
                    assert!(
                        most < 1e-5 * largest.max(1.0),
                        "{name}: {path}: {most} of {largest}"
                    );
                }
            }
        }
    }
}

#[test]
fn padding_is_not_counted() {
    let device = Device::flex();
    let counter = CounterConfig::new(3).init(&device);
    let edges = Tensor::<3>::random([2, 2, 4], Distribution::Uniform(0.0, 0.5), &device);
    let boxes = Tensor::cat(vec![edges.clone(), edges.add_scalar(0.3)], 1);
    let attention = Tensor::<2>::random([2, 4], Distribution::Normal(0.0, 1.0), &device);
    let expected = counter
        .forward(boxes.clone(), attention.clone(), None)
        .into_data();
    let more = |tensor: Tensor<3>| {
        let [rows, sides, _] = tensor.dims();
        let padding = Tensor::full([rows, sides, 2], 0.9, &device);
        Tensor::cat(vec![tensor, padding], 2)
    };
    let padded = more(attention.unsqueeze_dim::<3>(1).mul_scalar(1.0)).squeeze_dim::<2>(1);
    let beyond = TensorData::new([false, false, false, false, true, true].repeat(2), [2, 6]);
    let masked = Tensor::<2, Bool>::from_data(beyond, &device);
    let counted = counter
        .forward(more(boxes), padded, Some(&masked))
        .into_data();
    counted.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-6));
}
