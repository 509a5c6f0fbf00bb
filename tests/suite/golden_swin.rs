//! The image encoder of X-VLM against the public implementation.

use std::collections::BTreeSet;

use aoa_model::ImageEncoderError;
use aoa_model::xvlm::swin::{
    BUFFERS, ResizeError, Swin, SwinConfig, drop_path, pytorch_name, resize_bias_table,
};
use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use burn_frugal::RowKeys;
use integration_tests::{Case, LoadWeights, gradient_of, gradients_by_path, random_numbers};
use serde_json::Value;

fn sizes(value: &Value) -> Vec<usize> {
    serde_json::from_value(value.clone()).expect("a list of sizes")
}

/// The encoder of a case without drop path, as the stored numbers have none.
fn load(case: &Case, device: &Device) -> Swin {
    let config = SwinConfig::new(
        case.size("image_res"),
        case.size("window_size"),
        case.size("embed_dim"),
        sizes(case.config("depths")),
        sizes(case.config("num_heads")),
    )
    .with_patch_size(case.size("patch_size"))
    .with_drop_path_rate(0.0);
    LoadWeights::into_module(config.init(device), case, &pytorch_name)
}

/// Names that begin with `prefix`, without it.
fn names(case: &Case, prefix: &str) -> BTreeSet<String> {
    let names = case.names().into_iter();
    names
        .filter_map(|name| name.strip_prefix(prefix).map(ToOwned::to_owned))
        .collect()
}

#[test]
fn golden_swin_encoders() {
    let _guard = random_numbers();
    let device = Device::flex().autodiff();
    for case in &Case::all("xvlm_swin") {
        let swin = load(case, &device);
        let image = case.tensor::<4>("input.image", &device).require_grad();

        let mut x = swin.patch_embed.forward(image.clone());
        case.assert_output("output.patch_embed", &x.to_data());
        for (index, stage) in swin.layers.iter().enumerate() {
            x = stage.forward(x);
            case.assert_output(&format!("output.stage{index}"), &x.to_data());
        }
        let y = swin.forward(image.clone(), None);
        case.assert_output("output.y", &y.to_data());

        let (parameters, inputs) = gradient_of(&swin, y, case.tensor("cotangent", &device));
        let gradients = gradients_by_path(&swin, &parameters, &pytorch_name);
        for (name, gradient) in &gradients {
            case.assert_gradient(&format!("grad.{name}"), gradient);
        }
        let found: BTreeSet<String> = gradients.into_keys().collect();
        assert_eq!(found, names(case, "grad."), "{}", case.name);
        let gradient = image.grad(&inputs).expect("the image has a gradient");
        case.assert_gradient("grad_input.image", &gradient.into_data());

        let computed = |name: &String| BUFFERS.iter().any(|buffer| name.ends_with(buffer));
        let stored = names(case, "weights.").into_iter();
        let stored: BTreeSet<String> = stored.filter(|name| !computed(name)).collect();
        assert_eq!(found, stored, "{}: what an importer has to find", case.name);
    }
}

#[test]
fn golden_swin_bias_tables_of_other_windows() {
    for case in Case::all("xvlm_swin_interp") {
        for pair in case.config("pairs").as_array().expect("a list") {
            let [from, to, heads] = sizes(pair)[..] else {
                panic!("{pair} should be source window, target window and heads")
            };
            let name = format!("table_{from}_to_{to}");
            let table = case.data(&format!("input.{name}"));
            let table: Vec<f32> = table.try_to_vec().expect("tables are f32");
            let resized = resize_bias_table(&table, heads, from, to).expect("the table fits");
            let reach = 2 * to - 1;
            let resized = TensorData::new(resized, [reach * reach, heads]);
            case.assert_output(&format!("output.{name}"), &resized);
        }
    }
}

#[test]
fn golden_swin_bias_tables_that_cannot_be_resized() {
    let size = ResizeError::Size {
        window: 4,
        heads: 2,
        expected: 98,
        got: 97,
    };
    assert_eq!(resize_bias_table(&[0.0; 97], 2, 4, 6), Err(size));
    for (window, values) in [(0, 0), (1, 1), (2, 9)] {
        let table = vec![0.0; values];
        let error = ResizeError::Window { window };
        assert_eq!(resize_bias_table(&table, 1, window, 6), Err(error));
    }
    let error = ResizeError::Window { window: 0 };
    assert_eq!(resize_bias_table(&[0.0; 49], 1, 4, 0), Err(error));
    assert_eq!(resize_bias_table(&[1.5], 1, 1, 1), Ok(vec![1.5]));
    let constant = resize_bias_table(&[1.5; 25], 1, 3, 2).expect("a window of 3 is enough");
    assert!(
        constant.iter().all(|value| (value - 1.5).abs() < 1e-6),
        "{constant:?}"
    );
}

/// 16 pixels in 4 x 4 cells, then 2 x 2.
fn small() -> SwinConfig {
    SwinConfig::new(16, 2, 8, vec![2, 2], vec![2, 4])
}

#[test]
fn golden_swin_configurations_that_do_not_fit() {
    type Change = fn(&mut SwinConfig);
    let with = |change: Change| {
        let mut config = small();
        change(&mut config);
        config.validate()
    };
    assert_eq!(with(|_| ()), Ok(()));
    assert_eq!(SwinConfig::xvlm_base().validate(), Ok(()));
    let table: [(Change, ImageEncoderError); 11] = [
        (|c| c.window = 0, ImageEncoderError::Zero { key: "window" }),
        (
            |c| c.patch_size = 0,
            ImageEncoderError::Zero { key: "patch_size" },
        ),
        (
            |c| c.image_size = 18,
            ImageEncoderError::Patches {
                image_size: 18,
                patch_size: 4,
            },
        ),
        (
            |c| c.heads = vec![2],
            ImageEncoderError::Stages {
                depths: 2,
                heads: 1,
            },
        ),
        (
            |c| (c.depths, c.heads) = (vec![], vec![]),
            ImageEncoderError::Stages {
                depths: 0,
                heads: 0,
            },
        ),
        (
            |c| c.heads[1] = 3,
            ImageEncoderError::Heads {
                stage: 1,
                channels: 16,
                heads: 3,
            },
        ),
        (
            |c| c.heads[0] = 0,
            ImageEncoderError::Heads {
                stage: 0,
                channels: 8,
                heads: 0,
            },
        ),
        (
            |c| c.window = 3,
            ImageEncoderError::Windows {
                stage: 0,
                resolution: 4,
                window: 3,
            },
        ),
        (
            |c| c.image_size = 20,
            ImageEncoderError::Windows {
                stage: 0,
                resolution: 5,
                window: 2,
            },
        ),
        (
            |c| (c.image_size, c.window) = (20, 5),
            ImageEncoderError::Merging {
                stage: 0,
                resolution: 5,
            },
        ),
        (
            |c| c.drop_path_rate = 1.0,
            ImageEncoderError::DropPath { rate: 1.0 },
        ),
    ];
    for (change, error) in table {
        assert_eq!(with(change), Err(error));
    }
}

#[test]
fn golden_swin_states_do_not_depend_on_the_batch() {
    let _guard = random_numbers();
    let device = Device::flex();
    let swin = small().init(&device);
    let images = Tensor::<4>::random([3, 3, 16, 16], Distribution::Default, &device);
    let together = swin.forward(images.clone(), None);
    assert_eq!(together.dims(), [3, small().tokens(), small().channels()]);
    for index in 0..3 {
        let alone = swin.forward(images.clone().narrow(0, index, 1), None);
        let difference = together.clone().narrow(0, index, 1) - alone;
        let difference: f32 = difference.abs().max().into_scalar();
        assert!(difference < 1e-5, "image {index} differs by {difference}");
    }
}

#[test]
fn golden_swin_drop_path_drops_whole_samples_in_training() {
    let _guard = random_numbers();
    let rates = SwinConfig::xvlm_base().drop_path_rates();
    let linear: Vec<f64> = (0..24).map(|block| 0.1 * f64::from(block) / 23.0).collect();
    assert_eq!(rates, linear);
    assert_eq!(
        SwinConfig::new(16, 4, 8, vec![1], vec![2]).drop_path_rates(),
        [0.0]
    );

    let device = Device::flex();
    let ones = Tensor::<4>::ones([1000, 2, 2, 2], &device);
    let keys = RowKeys::new((0..1000).collect(), &device);
    let training = drop_path(ones.clone(), 0.25, Some(&keys));
    let values: Vec<f32> = training.into_data().try_to_vec().expect("f32");
    let kept = |sample: &&[f32]| sample.iter().all(|value| (value - 4.0 / 3.0).abs() < 1e-6);
    let dropped = |sample: &&[f32]| sample.iter().all(|value| *value == 0.0);
    let samples = || values.chunks_exact(8);
    assert!(samples().all(|sample| kept(&sample) || dropped(&sample)));
    let count = samples().filter(dropped).count();
    assert!((200..300).contains(&count), "{count} of 1000 dropped");

    let evaluation = drop_path(ones.clone(), 0.25, None);
    assert_eq!(evaluation.into_data(), ones.into_data());
}

/// Largest difference between the first of the samples and another.
fn spread(x: Tensor<4>) -> f32 {
    let first = x.clone().narrow(0, 0, 1);
    (x - first).abs().max().into_scalar()
}

#[test]
fn golden_swin_drop_path_rises_from_block_to_block() {
    let _guard = random_numbers();
    let device = Device::flex().autodiff();
    let swin = small().with_drop_path_rate(0.9).init(&device);
    let image = Tensor::<4>::random([1, 3, 16, 16], Distribution::Default, &device);
    let grid = swin.patch_embed.forward(image.expand([32, 3, 16, 16]));
    let blocks = &swin.layers[0].blocks;

    let keys = RowKeys::new((0..32).collect(), &device);
    let first = blocks[0].forward(grid, Some(&keys));
    assert!(
        spread(first.clone()) < 1e-6,
        "the first block drops nothing"
    );
    let second = blocks[1].forward(first.clone(), Some(&keys));
    assert!(spread(second) > 1e-4, "the second block drops something");
    let second = blocks[1].forward(first, None);
    assert!(spread(second) < 1e-6, "nothing is dropped in evaluation");
}

/// Counted without drawing a weight, and by the layers as they were published.
#[test]
fn golden_swin_base_has_87_million_parameters() {
    let linear = |input: usize, output: usize| input * output + output;
    let norm = |channels: usize| 2 * channels;
    let stage = |channels: usize, heads: usize, blocks: usize| {
        let offsets = (2 * 15 - 1_usize).pow(2);
        let attention =
            linear(channels, 3 * channels) + offsets * heads + linear(channels, channels);
        let mlp = linear(channels, 4 * channels) + linear(4 * channels, channels);
        blocks * (2 * norm(channels) + attention + mlp)
    };
    let merging = |channels: usize| norm(4 * channels) + 4 * channels * 2 * channels;
    let expected = linear(3 * 4 * 4, 128)
        + norm(128)
        + stage(128, 4, 2)
        + merging(128)
        + stage(256, 8, 2)
        + merging(256)
        + stage(512, 16, 18)
        + merging(512)
        + stage(1024, 32, 2)
        + norm(1024);

    let config = SwinConfig::xvlm_base();
    let counted = config.init(&Device::flex()).num_params();
    assert_eq!(counted, expected);
    assert_eq!(counted, 86_995_896);
    assert_eq!([config.tokens(), config.channels()], [226, 1024]);
}
