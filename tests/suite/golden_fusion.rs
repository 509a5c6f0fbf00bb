//! The fusion of branches and its loss against the public implementation.

use aoa_model::AnswerFusionConfig;
use burn::module::Param;
use burn::tensor::{Device, Gradients, Tensor};
use integration_tests::{Case, random_numbers};
use model_api::binary_cross_entropy;

/// Names of the branches that a case stores one by one, in the order of the weights.
const BRANCHES: [&str; 2] = ["fine", "coarse"];

/// The branches of a case, `[batch, answers]` each, as leaves of the graph.
fn branches(case: &Case, device: &Device) -> Vec<Tensor<2>> {
    let leaves = if case.has("input.x") {
        let x = case.tensor::<3>("input.x", device); // [batch, branches, answers]
        x.split(1, 1)
            .into_iter()
            .map(|x| x.squeeze_dim(1))
            .collect()
    } else {
        BRANCHES
            .map(|name| case.tensor::<2>(&format!("input.{name}_logits"), device))
            .to_vec()
    };
    leaves.into_iter().map(Tensor::require_grad).collect()
}

fn check_branch_gradients(case: &Case, branches: &[Tensor<2>], gradients: &Gradients) {
    let of = |branch: &Tensor<2>| branch.grad(gradients).expect("a branch has a gradient");
    if case.has("grad_input.x") {
        let all = branches.iter().map(of).collect();
        let all: Tensor<3> = Tensor::stack(all, 1);
        case.assert_gradient("grad_input.x", &all.into_data());
    } else {
        for (name, branch) in BRANCHES.iter().zip(branches) {
            let name = format!("grad_input.{name}_logits");
            case.assert_gradient(&name, &of(branch).into_data());
        }
    }
}

#[test]
fn golden_fusion_of_branches() {
    let _guard = random_numbers();
    let device = Device::flex().autodiff();
    for case in Case::all("fusion") {
        let mut fusion = AnswerFusionConfig::new(
            case.size("branches"),
            case.size("num_answers"),
            case.number("fusion_ratio"),
        )
        .init(&device);
        fusion.adapted_w = Param::from_tensor(case.tensor("weights.adapted_w", &device));

        let branches = branches(&case, &device);
        let fused = fusion.forward(&branches);
        case.assert_output("output.fused", &fused.to_data());

        let total = if case.has("input.targets") {
            let targets = case.tensor::<2>("input.targets", &device);
            let loss = |logits| binary_cross_entropy(logits, targets.clone());
            for (name, logits) in [("fused", &fused)]
                .into_iter()
                .chain(BRANCHES.into_iter().zip(&branches))
            {
                let name = format!("output.loss_{name}");
                if case.has(&name) {
                    case.assert_output(&name, &loss(logits.clone()).mean().into_data());
                }
            }
            if case.has("output.score") {
                let chosen = fused.clone().argmax(1); // [batch, 1]
                let score = targets.clone().gather(1, chosen).sum();
                case.assert_output("output.score", &score.into_data());
            }

            let upstream: f64 = case.data("cotangent.loss").iter::<f64>().sum(); // one value
            let losses = fusion.loss(loss(fused.clone()), branches.iter().cloned().map(loss));
            assert_eq!(losses.dims(), [case.size("batch")], "one loss a sample");
            case.assert_output("output.loss", &losses.clone().mean().into_data());
            (fused * case.tensor("cotangent.fused", &device)).sum()
                + losses.mean().mul_scalar(upstream)
        } else {
            (fused * case.tensor("cotangent", &device)).sum()
        };

        let gradients = total.backward();
        let weights = fusion.adapted_w.val().grad(&gradients);
        let weights = weights.expect("the weights have a gradient").into_data();
        case.assert_gradient("grad.adapted_w", &weights);
        check_branch_gradients(&case, &branches, &gradients);
    }
}

#[test]
fn a_fresh_fusion_is_the_mean_of_its_branches() {
    let _guard = random_numbers();
    let device = Device::flex();
    let fusion = AnswerFusionConfig::new(3, 2, 0.1).init(&device);
    let branches = [[[1.0, -2.0]], [[4.0, 0.0]], [[1.0, -4.0]]];
    let fused = fusion.forward(&branches.map(|branch| Tensor::from_data(branch, &device)));
    let fused: Vec<f32> = fused.into_data().iter::<f32>().collect();
    assert!(
        (fused[0] - 2.0).abs() < 1e-6 && (fused[1] + 2.0).abs() < 1e-6,
        "{fused:?}"
    );
}

#[test]
#[should_panic(expected = "branches to fuse")]
fn a_missing_branch_is_not_broadcast() {
    let device = Device::flex();
    let fusion = AnswerFusionConfig::new(2, 3, 0.1).init(&device);
    fusion.forward(&[Tensor::zeros([1, 3], &device)]);
}
