//! The AoA block against the public implementation.

use aoa_model::AttentionOnAttentionConfig;
use burn::tensor::Device;
use integration_tests::{Case, LoadWeights, gradient_of, gradients_by_path, random_numbers};

fn pytorch_name(path: &str) -> String {
    path.replace("aoa.", "aoa.0.")
}

#[test]
fn golden_aoa_blocks() {
    let _guard = random_numbers();
    let device = Device::flex().autodiff();
    for (case, form) in Case::in_both_forms("aoa") {
        let mut block = AttentionOnAttentionConfig::new(
            case.size("dim"),
            case.size("heads"),
            case.size("dim_head"),
        )
        .init(&device);
        block.set_checkpointing(form);
        let block = LoadWeights::into_module(block, &case, &pytorch_name);
        let x = case.tensor::<3>("input.x", &device).require_grad();
        let context = case
            .has("input.context")
            .then(|| case.tensor::<3>("input.context", &device).require_grad());

        let y = block.forward(x.clone(), context.clone(), None, None);
        case.assert_output("output.y", &y.to_data());

        let cotangent = case.tensor("cotangent", &device);
        let (parameters, inputs) = gradient_of(&block, y, cotangent);
        for (name, gradient) in gradients_by_path(&block, &parameters, &pytorch_name) {
            case.assert_gradient(&format!("grad.{name}"), &gradient);
        }
        case.assert_gradient(
            "grad_input.x",
            &x.grad(&inputs).expect("x has a gradient").into_data(),
        );
        if let Some(context) = context {
            let gradient = context.grad(&inputs).expect("the context has a gradient");
            case.assert_gradient("grad_input.context", &gradient.into_data());
        }
    }
}
