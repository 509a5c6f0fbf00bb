use burn::backend::ops::{FloatTensorOps, IntTensorOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{DType, Flex, FlexDevice};
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use rayon::ThreadPoolBuilder;

use super::operation::{Dropping, attend};
use super::tiles::{Gradients, Inputs, Kernel};
use crate::ops::dropout::RowDropout;
use crate::ops::row_numbers;

/// `[batch, heads, queries, keys, d]` and the shape of the bias.
type Case = ([usize; 5], [usize; 4]);

/// Tiles of the CPU have 262,144 weights and at least 64 queries, so the longer cases have two of them. Its blocks of small
/// rows have 16,384 weights, so those of 40 rows have three.
const CASES: [Case; 14] = [
    // Regions of an image, words that are masked by sample.
    ([2, 4, 50, 50, 24], [2, 1, 1, 50]),
    // One query; one key; one of everything.
    ([3, 2, 1, 7, 8], [3, 1, 1, 7]),
    ([2, 2, 5, 1, 8], [1, 1, 1, 1]),
    ([1, 1, 1, 1, 1], [1, 1, 1, 1]),
    // A bias for each query, shared by the heads, as causal attention has.
    ([2, 3, 20, 20, 16], [2, 1, 20, 20]),
    // A bias of each pair, shared by the batch, as windows have.
    ([5, 4, 49, 49, 8], [1, 4, 49, 49]),
    // Shared by nothing, by all but the queries, by all but the heads.
    ([2, 3, 9, 17, 4], [2, 3, 9, 17]),
    ([2, 3, 9, 17, 4], [1, 1, 9, 17]),
    ([2, 3, 9, 17, 4], [1, 3, 1, 17]),
    // Several tiles, the last one smaller; keys that no vector register divides.
    ([1, 2, 300, 901, 8], [1, 1, 1, 901]),
    ([1, 1, 150, 2049, 8], [1, 1, 150, 2049]),
    // The fewest queries that a tile has.
    ([1, 1, 70, 8200, 4], [1, 1, 1, 8200]),
    // A bias shared by all rows, by none.
    ([40, 4, 16, 16, 8], [1, 4, 16, 16]),
    ([40, 4, 16, 16, 8], [40, 1, 1, 16]),
];

/// Result and gradients of query, key, value and bias.
type Outcome = [TensorData; 5];

/// Attention from random numbers to random numbers.
struct Problem {
    /// Query, key, value, bias.
    inputs: [TensorData; 4],
    cotangent: TensorData,
    /// Numbers of the rows.
    rows: TensorData,
    probability: f64,
}

impl Problem {
    fn new(([batch, heads, queries, keys, d], bias): Case, probability: f64) -> Self {
        let device = Device::flex();
        let random = |shape: [usize; 4]| {
            Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device).into_data()
        };
        let samples: Vec<u32> = (100..).take(batch).collect();
        let samples = TensorData::new(samples, [batch]);
        let samples = Tensor::<1, Int>::from_data(samples, (&device, DType::U32));
        let rows = row_numbers(samples, 7, [heads, queries]);
        Self {
            inputs: [
                random([batch, heads, queries, d]),
                random([batch, heads, keys, d]),
                random([batch, heads, keys, d]),
                random(bias),
            ],
            cotangent: random([batch, heads, queries, d]),
            rows: rows.into_data(),
            probability,
        }
    }

    /// The same where the last third of the keys is masked, and in the first row of the bias every key.
    fn masked(mut self) -> Self {
        let [rows, heads, queries, keys] = self.bias_shape();
        let bias = Tensor::<4>::from_data(self.inputs[3].clone(), &Device::flex())
            .slice_fill([0..rows, 0..heads, 0..queries, keys - keys / 3..keys], -1e4)
            .slice_fill([0..1, 0..1, 0..1, 0..keys], -1e9);
        self.inputs[3] = bias.into_data();
        self
    }

    fn bias_shape(&self) -> [usize; 4] {
        self.inputs[3].shape().dims()
    }

    /// What the operation gives on the model's side, in either form.
    fn attend(&self, dtype: DType, efficient: bool) -> Outcome {
        let device = Device::flex().autodiff();
        let load = |data: &TensorData| Tensor::<4>::from_data(data.clone(), (&device, dtype));
        let inputs = self.inputs.each_ref().map(|data| load(data).require_grad());
        let dropout = (self.probability > 0.0).then(|| Dropping {
            rows: Tensor::from_data(self.rows.clone(), (&device, DType::U32)),
            probability: self.probability,
        });
        let result = attend(inputs.clone(), dropout, efficient);
        let gradients = (result.clone() * load(&self.cotangent)).sum().backward();
        let [query, key, value, bias] = inputs.map(|input| {
            let gradient = input.grad(&gradients).expect("every input is tracked");
            gradient.into_data()
        });
        [result.into_data(), query, key, value, bias]
    }

    /// The inputs of the CPU's kernel.
    fn kernel_inputs(&self, dtype: DType) -> Inputs<Flex> {
        let load = |data: &TensorData| {
            Flex::float_from_data(data.clone().convert_dtype(dtype), &FlexDevice)
        };
        let [query, key, value, bias] = self.inputs.each_ref().map(load);
        let rows = Flex::int_from_data(self.rows.clone(), &FlexDevice);
        Inputs {
            query,
            key,
            value,
            bias,
            mask: None,
            dropout: (self.probability > 0.0).then(|| RowDropout::new(rows, self.probability)),
        }
    }

    /// What a forward and a backward pass of the CPU's kernel give.
    fn run_kernel(
        &self,
        inputs: Inputs<Flex>,
        forward: impl Fn(Inputs<Flex>) -> FloatTensor<Flex>,
        backward: impl Fn(Inputs<Flex>, FloatTensor<Flex>) -> Gradients<Flex>,
    ) -> Outcome {
        let dtype = inputs.query.dtype();
        let cotangent =
            Flex::float_from_data(self.cotangent.clone().convert_dtype(dtype), &FlexDevice);
        let result = forward(inputs.clone());
        let gradients = backward(inputs, cotangent);
        let bias = gradients.bias.expect("it was asked for");
        [
            result,
            gradients.query,
            gradients.key,
            gradients.value,
            bias,
        ]
        .map(burn::backend::flex::FlexTensor::into_data)
    }
}

#[track_caller]
fn assert_close(actual: &Outcome, expected: &Outcome, of: &str) {
    let names = ["result", "query", "key", "value", "bias"];
    for ((name, actual), expected) in names.into_iter().zip(actual).zip(expected) {
        assert_eq!(actual.shape(), expected.shape(), "{name} of {of}");
        let expected: Vec<f64> = expected.iter().collect();
        let size = expected.iter().fold(1.0_f64, |size, x| size.max(x.abs()));
        for (actual, expected) in actual.iter::<f64>().zip(expected) {
            let difference = (actual - expected).abs();
            assert!(
                difference <= 1e-5 * size,
                "{name} of {of}: {actual} for {expected}"
            );
        }
    }
}

#[test]
fn both_forms_agree() {
    for case in CASES {
        for probability in [0.0, 0.4] {
            let problem = Problem::new(case, probability);
            for (problem, masked) in [
                (problem, false),
                (Problem::new(case, probability).masked(), true),
            ] {
                assert_close(
                    &problem.attend(DType::F32, true),
                    &problem.attend(DType::F32, false),
                    &format!("{case:?}, dropout {probability}, masked {masked}"),
                );
            }
        }
    }
}

/// The way of a GPU, with all heads in a tile and each step an operation of its own, in double precision.
#[test]
fn steps_of_any_backend_agree_with_those_of_the_cpu() {
    for case in CASES {
        for probability in [0.0, 0.4] {
            let problem = Problem::new(case, probability);
            let plain = problem.run_kernel(
                problem.kernel_inputs(DType::F64),
                |inputs| inputs.attend(),
                |inputs, gradient| inputs.attend_backward(&gradient, true),
            );
            let own = problem.run_kernel(
                problem.kernel_inputs(DType::F32),
                Flex::forward,
                |inputs, gradient| Flex::backward(inputs, gradient, true),
            );
            assert_close(&own, &plain, &format!("{case:?}, dropout {probability}"));
        }
    }
}

#[test]
fn gradients_are_slopes() {
    const STEP: f64 = 1e-4;
    for probability in [0.0, 0.3] {
        let problem = Problem::new(([2, 2, 5, 6, 4], [1, 2, 5, 6]), probability);
        let loss = |problem: &Problem| -> f64 {
            let [result, ..] = problem.attend(DType::F64, true);
            let cotangent = problem.cotangent.iter::<f64>();
            result
                .iter::<f64>()
                .zip(cotangent)
                .map(|(a, b)| a * b)
                .sum()
        };
        let [_, gradients @ ..] = problem.attend(DType::F64, true);
        for (input, gradient) in gradients.iter().enumerate() {
            for (place, gradient) in gradient.iter::<f64>().enumerate() {
                let moved = |by: f64| {
                    let mut moved = Problem {
                        inputs: problem.inputs.clone(),
                        cotangent: problem.cotangent.clone(),
                        rows: problem.rows.clone(),
                        probability,
                    };
                    let mut numbers: Vec<f64> = moved.inputs[input].iter().collect();
                    numbers[place] += by;
                    let shape = moved.inputs[input].shape().clone();
                    moved.inputs[input] = TensorData::new(numbers, shape);
                    loss(&moved)
                };
                let slope = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
                assert!(
                    (slope - gradient).abs() < 1e-6,
                    "input {input}, place {place}: {gradient}, slope {slope}"
                );
            }
        }
    }
}

/// Bit for bit.
#[test]
fn threads_change_nothing() {
    for case in [CASES[5], CASES[9], CASES[12]] {
        let problem = Problem::new(case, 0.4);
        let [alone, together] = [1, 4].map(|threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("threads").install(|| {
                problem.run_kernel(
                    problem.kernel_inputs(DType::F32),
                    Flex::forward,
                    |inputs, gradient| Flex::backward(inputs, gradient, true),
                )
            })
        });
        assert_eq!(alone, together, "{case:?}");
    }
}

/// Rows of the batch take the entries of a bias and a mask in turn, as windows of an image after another do.
#[test]
fn bias_and_mask_repeat_along_the_batch() {
    // One block of 6 rows, two of 3, and matrices of their own.
    for size in [9, 45, 100] {
        bias_and_mask_repeat(&Problem::new(
            ([6, 2, size, size, 4], [3, 2, size, size]),
            0.0,
        ));
    }
}

fn bias_and_mask_repeat(problem: &Problem) {
    let twice = |tensor: FloatTensor<Flex>| Flex::float_cat(vec![tensor.clone(), tensor], 0);
    for dtype in [DType::F32, DType::F64] {
        let mut inputs = problem.kernel_inputs(dtype);
        inputs.mask = Some(inputs.bias.narrow(1, 0, 1).to_contiguous());
        let all_at_once = problem.run_kernel(
            inputs.clone(),
            |inputs| inputs.attend(),
            |inputs, gradient| inputs.attend_backward(&gradient, true),
        );
        let run = |inputs| {
            problem.run_kernel(inputs, Flex::forward, |inputs, gradient| {
                Flex::backward(inputs, gradient, true)
            })
        };
        let repeated = run(inputs.clone());

        if let Some(mask) = inputs.mask.take() {
            inputs.bias = twice(Flex::float_add(inputs.bias, mask));
        }
        let mut written_out = run(inputs);
        let [first, second] = [0..3, 3..6].map(|rows| {
            let bias = written_out[4].clone().convert_dtype(DType::F32);
            Tensor::<4>::from_data(bias, &Device::flex()).slice([rows])
        });
        written_out[4] = (first + second).into_data();
        assert_close(
            &repeated,
            &written_out,
            "matrices of their own or in blocks",
        );
        assert_close(&all_at_once, &written_out, "all matrices at once");
    }
}

/// Through the identity as values one sees the weights that are left.
#[test]
fn dropout_drops_its_share_everywhere() {
    const KEYS: usize = 64;
    const ROWS: usize = 4 * 4 * 64;
    const PROBABILITY: f64 = 0.3;
    let mut problem = Problem::new(([4, 4, 64, KEYS, KEYS], [1, 1, 1, KEYS]), PROBABILITY);
    let identity: Vec<f32> = (0..16 * KEYS * KEYS)
        .map(|place| {
            if place / KEYS % KEYS == place % KEYS {
                1.0
            } else {
                0.0
            }
        })
        .collect();
    problem.inputs[2] = TensorData::new(identity, [4, 4, KEYS, KEYS]);
    let [dropped, ..] = problem.attend(DType::F32, true);
    problem.probability = 0.0;
    let [whole, ..] = problem.attend(DType::F32, true);

    let rows = dropped.iter::<f64>().zip(whole.iter::<f64>());
    let mut of_row = vec![0.0; ROWS];
    let mut of_column = vec![0.0; KEYS];
    for (place, (dropped, whole)) in rows.enumerate() {
        if dropped == 0.0 {
            of_row[place / KEYS] += 1.0 / KEYS as f64;
            of_column[place % KEYS] += 1.0 / ROWS as f64;
        } else {
            let gain = dropped / whole;
            assert!((gain * (1.0 - PROBABILITY) - 1.0).abs() < 1e-5, "{gain}");
        }
    }
    // Six standard deviations.
    let far = |count: usize| 6.0 * (PROBABILITY * (1.0 - PROBABILITY) / count as f64).sqrt();
    let whole = of_row.iter().sum::<f64>() / ROWS as f64;
    assert!((whole - PROBABILITY).abs() < far(ROWS * KEYS), "{whole}");
    for share in of_column {
        assert!((share - PROBABILITY).abs() < far(ROWS), "{share}");
    }
    for share in &of_row {
        assert!((share - PROBABILITY).abs() < far(KEYS), "{share}");
    }
    // Rows are independent: their shares vary as much as chance has them vary.
    let variance = of_row
        .iter()
        .map(|share| (share - PROBABILITY).powi(2))
        .sum::<f64>();
    let expected = PROBABILITY * (1.0 - PROBABILITY) / KEYS as f64;
    let relative = variance / of_row.len() as f64 / expected;
    assert!((0.7..1.4).contains(&relative), "{relative}");
}

#[test]
fn every_backend_draws_the_same_dropout() {
    let problem = Problem::new(([2, 3, 40, 33, 1], [1, 1, 1, 33]), 0.25);
    let inputs = problem.kernel_inputs(DType::F32);
    let dropout = inputs.dropout.expect("there is dropout");
    let weights = || {
        Flex::float_from_data(
            TensorData::new(vec![1.0_f32; 2 * 3 * 40 * 33], [2, 3, 40, 33]),
            &FlexDevice,
        )
    };
    let plain = dropout.apply(weights());
    assert_eq!(
        Flex::drop(weights(), &dropout).into_data(),
        plain.into_data()
    );
}
