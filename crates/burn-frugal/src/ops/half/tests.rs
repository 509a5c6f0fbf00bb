use burn::tensor::{DType, Device, Distribution, FloatDType, TensorData};

use super::*;
use crate::{attention, gelu_linear, project, window_attention};
use burn::nn::LinearConfig;

const HALVES: [(Precision, FloatDType); 2] = [
    (Precision::Bf16, FloatDType::BF16),
    (Precision::F16, FloatDType::F16),
];

fn numbers<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let device = Device::flex().autodiff();
    Tensor::random(shape, Distribution::Uniform(-2.0, 2.0), &device)
}

#[test]
fn rounding_is_that_of_a_cast() {
    let x = numbers([300, 77]);
    for (precision, half) in HALVES {
        let rounded = precision.run(|| operand(x.clone()));
        assert_eq!(rounded.dtype(), DType::from(half));
        assert_eq!(rounded.into_data(), x.clone().cast(half).into_data());
    }
    assert_eq!(operand(x.clone()).dtype(), DType::F32);
}

#[test]
fn what_is_not_finite_and_what_is_tiny_is_rounded_too() {
    let odd = [
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        70_000.0,
        1e-7,
        -1e-9,
        0.0,
        -0.0,
    ];
    let x = Tensor::<1>::from_data(TensorData::from(odd), &Device::flex());
    for (precision, half) in HALVES {
        let rounded = precision.run(|| operand(x.clone())).cast(FloatDType::F32);
        let bits = |tensor: Tensor<1>| {
            let numbers: Vec<f32> = tensor.into_data().try_to_vec().expect("single precision");
            numbers
                .into_iter()
                .map(|x| if x.is_nan() { 0 } else { x.to_bits() })
                .collect::<Vec<_>>()
        };
        assert_eq!(
            bits(rounded),
            bits(x.clone().cast(half).cast(FloatDType::F32))
        );
    }
}

#[test]
fn gradients_go_through_rounding_as_they_are() {
    let x = numbers([4, 6]).require_grad();
    let layer = LinearConfig::new(6, 3).init(&Device::flex().autodiff());
    let [shared, apart] = [true, false].map(|shared| {
        Precision::Bf16.run(|| {
            let input = if shared {
                operand(x.clone())
            } else {
                x.clone()
            };
            let made = project(input.clone(), &layer) * project(input, &layer);
            x.grad_remove(&mut made.sum().backward())
                .expect("it has one")
        })
    });
    assert_eq!(shared.dtype(), DType::F32);
    assert_eq!(shared.into_data(), apart.into_data());
}

/// Relative distance of two tensors, by their norms.
fn distance<const D: usize>(one: Tensor<D>, other: Tensor<D>) -> f64 {
    let norm = |x: Tensor<D>| f64::from(x.square().sum().sqrt().into_scalar::<f32>());
    norm(one - other.clone()) / norm(other)
}

/// That result and gradient are near those of single precision, and not the same.
#[track_caller]
fn near<const D: usize, const R: usize>(x: &Tensor<D>, of: impl Fn(Tensor<D>) -> Tensor<R>) {
    let x = x.clone().detach().require_grad();
    let both = || {
        let made = of(x.clone());
        assert_eq!(made.dtype(), DType::F32);
        let mut gradients = (made.clone().powi_scalar(2)).sum().backward();
        (
            made.inner(),
            x.grad_remove(&mut gradients).expect("it has one"),
        )
    };
    let (made, gradient) = both();
    // A product of two rounded factors whose result is rounded is off by about one unit in the last place; the operations
    // here chain up to three of them.
    for (precision, unit) in [
        (Precision::Bf16, 2_f64.powi(-8)),
        (Precision::F16, 2_f64.powi(-11)),
    ] {
        let (half_made, half_gradient) = precision.run(both);
        for off in [
            distance(half_made, made.clone()),
            distance(half_gradient, gradient.clone()),
        ] {
            assert!(off > unit / 50.0, "{precision:?}: {off}");
            assert!(off < 3.0 * unit, "{precision:?}: {off}");
        }
    }
}

#[test]
fn operations_in_half_precision_are_near() {
    let device = Device::flex().autodiff();
    let layer = LinearConfig::new(40, 30).init(&device);
    near(&numbers([3, 20, 40]), |x| project(x, &layer));
    near(&numbers([3, 20, 40]), |x| gelu_linear(x, &layer));
    for efficient in [false, true] {
        near(&numbers([2, 3, 90, 16]), |x| {
            let bias = Tensor::zeros([1, 1, 1, 90], &device);
            attention(x.clone(), x.clone(), x, bias, None, efficient)
        });
    }
    near(&numbers([4, 9, 6, 8]), |x| {
        let [bias, mask] = [[1, 2, 9, 9], [1, 1, 9, 9]].map(|shape| Tensor::zeros(shape, &device));
        window_attention(x, bias, mask)
    });
}

#[test]
fn what_the_graph_keeps_takes_half_the_memory() {
    let device = Device::capture();
    let bytes = |precision: Precision| {
        let captured = device.capture_scope(|scope| {
            let device = device.clone().autodiff();
            let layer = LinearConfig::new(16, 16).with_bias(false).init(&device);
            let x = Tensor::<2>::ones([64, 16], &device);
            precision.run(|| crate::capture::backward(project(x, &layer).sum()));
            scope.complete([], [])
        });
        let operations = captured.expect("the scope is whole").graph.operations;
        // The input as the weight's gradient reads it.
        let made = operations.iter().flat_map(burn_ir::OperationIr::outputs);
        let made: Vec<_> = made
            .map(|one| one.shape.num_elements() * one.dtype.size())
            .collect();
        made.into_iter()
            .filter(|bytes| *bytes == 64 * 16 * 2)
            .count()
    };
    assert_eq!(bytes(Precision::Single), 0);
    assert_eq!(bytes(Precision::Bf16), 1);
}
