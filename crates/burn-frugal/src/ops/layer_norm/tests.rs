use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::{Distribution, TensorData, Tolerance};

use super::*;

const EPSILON: f64 = 1e-5;

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.5, 2.0), device)
}

/// Result and gradients of input, scale and shift in double precision, from their definition.
fn exact(x: &[f64], gamma: &[f64], beta: &[f64], upstream: &[f64]) -> [Vec<f64>; 4] {
    let channels = gamma.len();
    let forward = |x: &[f64], gamma: &[f64], beta: &[f64]| -> Vec<f64> {
        let rows = x.chunks_exact(channels).flat_map(|row| {
            let mean = row.iter().sum::<f64>() / channels as f64;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / channels as f64;
            let of = move |x: f64| (x - mean) / (variance + EPSILON).sqrt();
            let channels = row.iter().zip(gamma.iter().zip(beta));
            channels
                .map(move |(x, (gamma, beta))| of(*x) * gamma + beta)
                .collect::<Vec<_>>()
        });
        rows.collect()
    };
    let loss = |x: &[f64], gamma: &[f64], beta: &[f64]| -> f64 {
        let made = forward(x, gamma, beta);
        made.iter()
            .zip(upstream)
            .map(|(made, weight)| made * weight)
            .sum()
    };
    let slope = |of: &dyn Fn(&[f64]) -> f64, at: &[f64]| -> Vec<f64> {
        let step = 1e-5;
        let one = |index: usize| {
            let moved = |by: f64| {
                let mut at = at.to_vec();
                at[index] += by;
                of(&at)
            };
            (moved(step) - moved(-step)) / (2.0 * step)
        };
        (0..at.len()).map(one).collect()
    };
    [
        forward(x, gamma, beta),
        slope(&|x| loss(x, gamma, beta), x),
        slope(&|gamma| loss(x, gamma, beta), gamma),
        slope(&|beta| loss(x, gamma, beta), beta),
    ]
}

fn numbers<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.to_data().iter::<f64>().collect()
}

#[track_caller]
fn close(found: &[f64], exact: &[f64], what: &str) {
    assert_eq!(found.len(), exact.len(), "{what}");
    let largest = exact
        .iter()
        .fold(1.0_f64, |largest, one| largest.max(one.abs()));
    for (found, exact) in found.iter().zip(exact) {
        assert!(
            (found - exact).abs() < 2e-5 * largest,
            "{what}: {found} instead of {exact}"
        );
    }
}

#[test]
fn result_and_gradients_are_those_of_the_definition() {
    let device = Device::flex().autodiff();
    for (rows, channels) in [(1, 1), (3, 5), (2, 64), (70, 33)] {
        let mut norm = LayerNorm::init(channels, EPSILON, &device);
        norm.gamma = Param::from_tensor(random([channels], &device));
        norm.beta = Param::from_tensor(random([channels], &device));
        let x = random([rows, 1, channels], &device).require_grad();
        let weights = random([rows, 1, channels], &device);
        let y = norm.forward(x.clone());
        let gradients = (y.clone() * weights.clone()).sum().backward();
        let [expected, for_x, for_gamma, for_beta] = exact(
            &numbers(&x),
            &numbers(&norm.gamma.val()),
            &numbers(&norm.beta.val()),
            &numbers(&weights),
        );
        close(&numbers(&y), &expected, "result");
        let found = x.grad(&gradients).expect("the input is tracked");
        close(&numbers(&found), &for_x, "input");
        let found = norm
            .gamma
            .val()
            .grad(&gradients)
            .expect("the scale is trained");
        close(&numbers(&found), &for_gamma, "scale");
        let found = norm
            .beta
            .val()
            .grad(&gradients)
            .expect("the shift is trained");
        close(&numbers(&found), &for_beta, "shift");
    }
}

#[test]
fn the_gradients_that_every_backend_has_are_the_same() {
    let device = Device::flex();
    let tensor = |data: TensorData| Flex::float_from_data(data, &burn::backend::FlexDevice);
    let [x, upstream] = [0, 1].map(|_| random([40, 24], &device).into_data());
    let gamma = random([24], &device).into_data();
    let arguments = || {
        (
            tensor(x.clone()),
            tensor(gamma.clone()),
            tensor(upstream.clone()),
        )
    };
    let (a, b, c) = arguments();
    let own = <Flex as Kernel>::backward(a, b, c, EPSILON, Wanted::All);
    let (a, b, c) = arguments();
    let plain = backward_by_operations::<Flex>(a, b, c, EPSILON, Wanted::All);
    let pairs = [
        (own.x, plain.x),
        (own.gamma, plain.gamma),
        (own.beta, plain.beta),
    ];
    for (own, plain) in pairs {
        let close = Tolerance::absolute(1e-4);
        let [own, plain] = [own, plain].map(|one| one.expect("all are wanted").into_data());
        own.assert_approx_eq::<f32>(&plain, close);
    }
}

#[test]
fn threads_change_no_bit_and_rows_do_not_see_each_other() {
    let device = Device::flex().autodiff();
    let norm = LayerNorm::init(100, EPSILON, &device);
    let x = random([333, 100], &device).require_grad();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a pool of threads").install(|| {
            let y = norm.forward(x.clone());
            let gradients = y.clone().square().sum().backward();
            let found = x.grad(&gradients).expect("tracked").into_data();
            let scale = norm
                .gamma
                .val()
                .grad(&gradients)
                .expect("trained")
                .into_data();
            (y.into_data(), found, scale)
        })
    };
    let one = with(1);
    for threads in [2, 7] {
        assert!(with(threads) == one, "{threads} threads");
    }
    let alone = norm.forward(x.clone().narrow(0, 40, 1)).into_data();
    let within = norm.forward(x.clone()).narrow(0, 40, 1).into_data();
    alone.assert_eq(&within, true);
    let none: Tensor<2> = Tensor::zeros([0, 100], &device);
    assert_eq!(norm.forward(none).dims(), [0, 100]);
}

#[test]
fn only_the_wanted_gradients_are_made_and_they_are_the_same_bit_for_bit() {
    let device = Device::flex();
    let tensor =
        |data: &TensorData| Flex::float_from_data(data.clone(), &burn::backend::FlexDevice);
    let data = [0, 1].map(|_| random([70, 33], &device).into_data());
    let gamma = random([33], &device).into_data();
    let bits = |parts: Parts<Flex>| {
        [parts.x, parts.gamma, parts.beta].map(|part| part.map(FlexTensor::into_data))
    };
    let [x, upstream] = &data;
    let backward = [<Flex as Kernel>::backward, backward_by_operations::<Flex>];
    for backward in backward {
        let of = |wanted| {
            bits(backward(
                tensor(x),
                tensor(&gamma),
                tensor(upstream),
                EPSILON,
                wanted,
            ))
        };
        let [all_x, all_gamma, all_beta] = of(Wanted::All);
        assert!(
            [&all_x, &all_gamma, &all_beta]
                .iter()
                .all(|part| part.is_some())
        );
        assert_eq!(of(Wanted::Input), [all_x, None, None]);
        assert_eq!(of(Wanted::Affine), [None, all_gamma, all_beta]);
    }
}

#[test]
fn frozen_parameters_get_no_gradient_and_change_no_other() {
    let device = Device::flex().autodiff();
    let init = || LayerNorm::init(24, EPSILON, &device);
    let (norm, frozen) = (init(), init().no_grad());
    let data = random::<2>([40, 24], &device).into_data();
    let through = |norm: &LayerNorm, tracked: bool| {
        let x = Tensor::<2>::from_data(data.clone(), &device);
        let x = if tracked { x.require_grad() } else { x };
        let gradients = norm.forward(x.clone()).square().sum().backward();
        let affine = [&norm.gamma, &norm.beta].map(|one| one.val().grad(&gradients));
        (
            x.grad(&gradients).map(Tensor::into_data),
            affine.map(|one| one.map(Tensor::into_data)),
        )
    };
    let (input, affine) = through(&norm, true);
    assert!(input.is_some(), "the input is tracked");
    assert!(
        affine.iter().all(Option::is_some),
        "the parameters are trained"
    );
    assert!(through(&frozen, true) == (input, [None, None]));
    assert!(through(&norm, false) == (None, affine));
}
