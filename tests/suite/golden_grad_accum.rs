//! The gradient of an effective batch, for every slicing that the golden case has.

use std::collections::BTreeMap;

use aoa_model::{
    AttentionOnAttention, AttentionOnAttentionConfig, Classifier, ClassifierActivation,
    ClassifierConfig,
};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use integration_tests::{Case, Gradients, LoadWeights, gradients_by_path, random_numbers};
use model_api::binary_cross_entropy;
use trainer::{Slicing, effective_gradient};

/// The model of the golden case: AoA layers with residual connections, sum over positions, classifier.
#[derive(Module, Debug)]
struct Stack {
    aoa: Vec<AttentionOnAttention>,
    classifier: Classifier,
}

impl Stack {
    fn losses(&self, x: Tensor<3>, targets: Tensor<2>) -> Tensor<1> {
        let x = self
            .aoa
            .iter()
            .fold(x, |x, layer| layer.forward(x.clone(), None, None, None) + x);
        binary_cross_entropy(
            self.classifier.forward(x.sum_dim(1).squeeze_dim(1), None),
            targets,
        )
    }
}

fn pytorch_name(path: &str) -> String {
    path.replace(".aoa.", ".aoa.0.")
        .replace("classifier.hidden.", "classifier.main.0.")
        .replace("classifier.output.", "classifier.main.3.")
}

fn load(case: &Case, device: &Device) -> Stack {
    let layer = AttentionOnAttentionConfig::new(
        case.size("dim"),
        case.size("heads"),
        case.size("dim_head"),
    );
    let classifier = ClassifierConfig::new(
        case.size("dim"),
        2 * case.size("dim"),
        case.size("num_answers"),
    )
    .with_activation(ClassifierActivation::Swish);
    let stack = Stack {
        aoa: (0..case.size("aoa_layers"))
            .map(|_| layer.init(device))
            .collect(),
        classifier: classifier.init(device),
    };
    LoadWeights::into_module(stack, case, &pytorch_name)
}

/// The splits of a case by name, each with the size of its micro-batches.
fn splits(case: &Case) -> BTreeMap<String, usize> {
    let splits: BTreeMap<String, Vec<usize>> =
        serde_json::from_value(case.config("splits").clone()).expect("splits");
    let first = |(name, sizes): (String, Vec<usize>)| (name, sizes[0]);
    splits.into_iter().map(first).collect()
}

fn gradient(case: &Case, micro_batch: usize) -> (Gradients, f64) {
    let _guard = random_numbers();
    let device = Device::flex().autodiff();
    let stack = load(case, &device);
    let x = case.tensor::<3>("input.x", &device);
    let targets = case.tensor::<2>("input.targets", &device);
    let slicing = Slicing {
        micro_batch,
        parallel: 1,
    };
    let result = effective_gradient(&stack, case.size("batch"), slicing, |stack, slice| {
        let part = |tensor: Tensor<3>| tensor.narrow(0, slice.start, slice.len());
        stack.losses(
            part(x.clone()),
            targets.clone().narrow(0, slice.start, slice.len()),
        )
    });
    (
        gradients_by_path(&stack, &result.gradients, &pytorch_name),
        result.loss,
    )
}

#[test]
fn golden_grad_accum_is_met_by_every_slicing() {
    for case in Case::all("grad_accum") {
        let splits = splits(&case).into_values();
        for micro_batch in splits.chain([case.size("batch"), 1]) {
            let (gradients, _) = gradient(&case, micro_batch);
            for (name, gradient) in gradients {
                case.assert_gradient(&format!("grad.{name}"), &gradient);
            }
        }
    }
}

#[test]
fn golden_grad_accum_tells_the_unweighted_mean_apart() {
    for case in Case::all("grad_accum") {
        let uneven = splits(&case).into_iter().filter(|(split, _)| {
            let naive = format!("grad_naive.{split}.");
            case.names().iter().any(|name| name.starts_with(&naive))
        });
        for (split, micro_batch) in uneven {
            let (gradients, _) = gradient(&case, micro_batch);
            let differing = gradients.iter().filter(|(name, gradient)| {
                case.gradient_difference(&format!("grad_naive.{split}.{name}"), gradient)
                    .is_err()
            });
            assert!(
                differing.count() > 5,
                "the naive mean of micro-batches must not be what we compute"
            );
        }
    }
}
