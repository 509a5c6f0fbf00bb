//! Optimizers, clipping and schedules against PyTorch, CFR-VQA and X-VLM.

use burn::module::{Module, Param, ParamId};
use burn::optim::{GradientsParams, Optimizer};
use burn::tensor::{Device, Tensor};
use integration_tests::Case;
use trainer::optim::{
    AdamW, AdamWForm, Adamax, LossScale, Progress, Schedule, clip_by_global_norm,
};

/// Steps one parameter through the case and compares it with the stored one after each step.
fn check_parameter<const D: usize, O: Optimizer>(case: &Case, name: &str, optimizer: &O) {
    let device = Device::flex();
    let rates: Vec<f64> = case.data("input.lr").iter::<f64>().collect();
    let gradients = rows(case, &format!("input.grads.{name}"));
    let mut parameter = case.tensor::<D>(&format!("input.params.{name}"), &device);
    let mut state = None;
    let mut steps = Vec::new();
    for (rate, gradient) in rates.iter().zip(gradients) {
        let gradient =
            Tensor::<1>::from_floats(gradient.as_slice(), &device).reshape(parameter.dims());
        (parameter, state) = optimizer.step(*rate, parameter, gradient, state);
        steps.push(parameter.clone().reshape([1, -1]));
    }
    case.assert_output(
        &format!("output.params.{name}"),
        &Tensor::<2>::cat(steps, 0).into_data(),
    );
}

/// The leading axis of a stored tensor is the step.
fn rows(case: &Case, name: &str) -> Vec<Vec<f32>> {
    let data = case.data(name);
    let width = data.num_elements() / data.shape()[0];
    data.try_to_vec::<f32>()
        .expect("gradients are f32")
        .chunks(width)
        .map(<[f32]>::to_vec)
        .collect()
}

fn check<O: Optimizer>(case: &Case, optimizer: impl Fn(&str) -> O) {
    let parameters: Vec<_> = case
        .names()
        .into_iter()
        .filter_map(|name| name.strip_prefix("input.params.").map(ToOwned::to_owned))
        .collect();
    assert!(!parameters.is_empty());
    for name in parameters {
        let optimizer = optimizer(&name);
        match case.data(&format!("input.params.{name}")).shape().len() {
            1 => check_parameter::<1, O>(case, &name, &optimizer),
            2 => check_parameter::<2, O>(case, &name, &optimizer),
            rank => panic!("{name} has rank {rank}"),
        }
    }
}

fn betas(case: &Case) -> [f32; 2] {
    serde_json::from_value(case.config("betas").clone()).expect("two betas")
}

fn listed(case: &Case, key: &str, name: &str) -> bool {
    case.config(key)
        .as_array()
        .expect("a list")
        .iter()
        .any(|one| one == name)
}

#[test]
fn golden_optim_adamax() {
    for case in Case::all("optim_adamax") {
        let [beta_1, beta_2] = betas(&case);
        let epsilon = case.number("eps") as f32;
        let weight_decay = case.number("weight_decay") as f32;
        check(&case, |_| Adamax {
            beta_1,
            beta_2,
            epsilon,
            weight_decay,
            rate_factor: 1.0,
        });
    }
}

#[test]
fn golden_optim_adamw_of_pytorch() {
    for case in Case::all("optim_adamw") {
        let [beta_1, beta_2] = betas(&case);
        let epsilon = case.number("eps") as f32;
        let weight_decay = case.number("weight_decay") as f32;
        check(&case, |_| AdamW {
            beta_1,
            beta_2,
            epsilon,
            weight_decay,
            rate_factor: 1.0,
            form: AdamWForm::Torch,
        });
    }
}

#[test]
fn golden_optim_adamw_of_xvlm() {
    for case in Case::all("optim_adamw_xvlm") {
        let [beta_1, beta_2] = betas(&case);
        let epsilon = case.number("eps") as f32;
        check(&case, |name| {
            let or = |listed, special, usual| if listed { special } else { usual };
            AdamW {
                beta_1,
                beta_2,
                epsilon,
                weight_decay: or(
                    listed(&case, "no_decay", name),
                    0.0,
                    case.number("weight_decay"),
                ) as f32,
                rate_factor: or(listed(&case, "large_lr", name), case.number("lr_mult"), 1.0),
                form: AdamWForm::Xvlm,
            }
        });
    }
}

/// Three parameters of the shapes that the clipping case has.
#[derive(Module, Debug)]
struct Three {
    matrix: Param<Tensor<2>>,
    vector: Param<Tensor<1>>,
    single: Param<Tensor<1>>,
}

#[test]
fn golden_optim_clip() {
    for case in Case::all("optim_clip") {
        let device = Device::flex();
        let names = case.names();
        let sets = names
            .iter()
            .filter_map(|name| name.strip_prefix("input.")?.strip_suffix(".0"));
        for set in sets {
            let name = |index: usize| format!("{set}.{index}");
            let matrix = case.tensor::<2>(&format!("input.{}", name(0)), &device);
            let vector = case.tensor::<1>(&format!("input.{}", name(1)), &device);
            let single = case.tensor::<1>(&format!("input.{}", name(2)), &device);
            let model = Three {
                matrix: Param::initialized(ParamId::new(), matrix.zeros_like()),
                vector: Param::initialized(ParamId::new(), vector.zeros_like()),
                single: Param::initialized(ParamId::new(), single.zeros_like()),
            };
            let mut gradients = GradientsParams::new();
            gradients.register(model.matrix.id, matrix);
            gradients.register(model.vector.id, vector);
            gradients.register(model.single.id, single);

            let (clipped, norm) =
                clip_by_global_norm(&model, gradients, case.number("max_norm"), 1.0);
            let found = |tensor: Option<burn::tensor::TensorData>| {
                tensor.expect("clipping keeps every gradient")
            };
            case.assert_output(
                &format!("output.{}", name(0)),
                &found(clipped.get::<2>(model.matrix.id).map(Tensor::into_data)),
            );
            case.assert_output(
                &format!("output.{}", name(1)),
                &found(clipped.get::<1>(model.vector.id).map(Tensor::into_data)),
            );
            case.assert_output(
                &format!("output.{}", name(2)),
                &found(clipped.get::<1>(model.single.id).map(Tensor::into_data)),
            );
            case.assert_output(
                &format!("output.{set}.norm"),
                &burn::tensor::TensorData::from([norm.0]),
            );
        }
    }
}

/// A step that PyTorch skips is taken again here, so each attempt of ours is a step there.
#[test]
fn golden_optim_grad_scaler() {
    for case in Case::all("optim_grad_scaler") {
        let case = case.json();
        for run in case["runs"].as_array().expect("runs") {
            let number = |value: &serde_json::Value| value.as_f64().expect("a number");
            let mut scale = LossScale::new(
                number(&run["init_scale"]),
                run["growth_interval"].as_u64().expect("steps") as usize,
            );
            let numbers = |value: &serde_json::Value| -> Vec<f64> {
                serde_json::from_value(value.clone()).expect("numbers")
            };
            let mut parameter = numbers(&run["param_initial"]);
            for step in run["steps"].as_array().expect("steps") {
                assert_close(scale.factor(), number(&step["scale_before"]));
                let scaled = |gradient: &serde_json::Value| match gradient.as_str() {
                    None => number(gradient) * scale.factor(),
                    Some(not_finite) => not_finite.parse().expect("inf or nan"),
                };
                let gradient = step["true_grad"].as_array().expect("a gradient");
                let scaled: Vec<_> = gradient.iter().map(scaled).collect();
                let clip_norm = run["clip_norm"].as_f64().unwrap_or(0.0);
                let gradient = unscaled(&scaled, clip_norm, scale.factor());
                match gradient {
                    Some(gradient) => {
                        scale.step_ended();
                        for (parameter, gradient) in parameter.iter_mut().zip(gradient) {
                            *parameter -= 0.1 * gradient;
                        }
                    }
                    None => assert!(scale.overflowed()),
                }
                assert_close(scale.factor(), number(&step["scale_after"]));
                // The stored numbers were summed in single precision.
                for (own, expected) in parameter.iter().zip(numbers(&step["param_after"])) {
                    assert!((own - expected).abs() < 1e-6, "{own} instead of {expected}");
                }
            }
        }
    }
}

/// A gradient divided by its scale and clipped; none where it is not finite.
fn unscaled(scaled: &[f64], clip_norm: f64, scale: f64) -> Option<Vec<f64>> {
    let device = Device::flex();
    let numbers: Vec<f32> = scaled.iter().map(|number| *number as f32).collect();
    let gradient = Tensor::<1>::from_floats(numbers.as_slice(), &device);
    let model = One {
        vector: Param::initialized(ParamId::new(), gradient.zeros_like()),
    };
    let mut gradients = GradientsParams::new();
    gradients.register(model.vector.id, gradient);
    let (gradients, norm) = clip_by_global_norm(&model, gradients, clip_norm, scale);
    let gradient = gradients.get::<1>(model.vector.id).expect("it is kept");
    norm.0
        .is_finite()
        .then(|| gradient.into_data().iter::<f64>().collect())
}

#[derive(Module, Debug)]
struct One {
    vector: Param<Tensor<1>>,
}

#[track_caller]
fn assert_close(actual: f64, expected: f64) {
    assert!(
        (actual - expected).abs() <= 1e-6 * expected.abs(),
        "{actual} instead of {expected}"
    );
}

#[test]
fn golden_lr_cfr() {
    for case in Case::all("lr_cfr") {
        let case = case.json();
        let numbers =
            |key: &str| -> Vec<f64> { serde_json::from_value(case[key].clone()).expect("numbers") };
        let epochs = numbers("decay_epochs");
        let schedule = Schedule::Cfr {
            warmup_factors: numbers("warmup_factors"),
            decay_factor: case["decay_factor"].as_f64().expect("a number"),
            decay_start: epochs[0] as usize,
            decay_every: (epochs[1] - epochs[0]) as usize,
        };
        let base = case["base_lr"].as_f64().expect("a number");
        for (epoch, expected) in numbers("lr_per_epoch").into_iter().enumerate() {
            let at = Progress {
                step: 7 * epoch,
                total_steps: 140,
                epoch,
            };
            assert_close(base * schedule.factor(at), expected);
        }
    }
}

#[test]
fn golden_lr_xvlm() {
    for case in Case::all("lr_xvlm") {
        let case = case.json();
        let schedule = Schedule::Linear {
            warmup_fraction: case["warmup_fraction"].as_f64().expect("a number"),
        };
        let base: [f64; 2] = serde_json::from_value(case["base_lr"].clone()).expect("two rates");
        let rates: Vec<[f64; 2]> =
            serde_json::from_value(case["lr_per_step"].clone()).expect("pairs of rates");
        let total_steps = case["total_steps"].as_u64().expect("a size") as usize;
        for (step, expected) in rates.into_iter().enumerate() {
            let factor = schedule.factor(Progress {
                step,
                total_steps,
                epoch: 0,
            });
            assert_close(base[0] * factor, expected[0]);
            assert_close(base[1] * factor, expected[1]);
        }
    }
}
