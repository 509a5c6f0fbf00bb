//! Weights from and for PyTorch against checkpoints of the public implementations.
//!
//! One file because all tests compare files of weights through the helpers at its top.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use aoa_model::cfr::{FineBranch, FineInput};
use aoa_model::weights::{
    Dtype, Interpolated, MisShaped, Report, TensorBytes, WeightFile, export_fine_branch,
    export_xvlm, load_fine_branch, load_xvlm, write_safetensors,
};
use aoa_model::xvlm::bert::{Context, Tokens};
use aoa_model::xvlm::swin::{Swin, SwinConfig};
use aoa_model::xvlm::{WeightedAnswers, XVlm, XVlmConfig};
use burn::module::Module;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use integration_tests::{Case, bert_config, fine_branch_config, random_numbers};
use tempfile::TempDir;

/// Swin and X-VLM of a case with fresh weights, for images of `size` pixels and windows of `window` cells.
fn fresh(case: &Case, size: &str, window: &str, device: &Device) -> (Swin, XVlm) {
    let sizes = |key: &str| serde_json::from_value(case.config(key).clone()).expect("sizes");
    let vision = SwinConfig::new(
        case.size(size),
        case.size(window),
        case.size("embed_dim"),
        sizes("depths"),
        sizes("num_heads"),
    );
    let text = bert_config(case, vision.channels());
    let decoder_layers = case.size("num_hidden_layers") - case.size("fusion_layer");
    let xvlm = XVlmConfig::new(text, decoder_layers).with_k_test(case.size("k_test"));
    (vision.init(device), xvlm.init(device))
}

fn vqa(case: &Case) -> (Swin, XVlm) {
    fresh(case, "image_res", "window_size", &Device::flex())
}

/// Tensors of a case whose names begin with `prefix`, without it.
fn stored(case: &Case, prefix: &str) -> BTreeMap<String, TensorBytes> {
    let names = case.names();
    let names = names.iter().filter_map(|name| name.strip_prefix(prefix));
    let tensors = names.map(|name| {
        let data = case.data(&format!("{prefix}{name}"));
        let shape = data.shape().to_vec();
        let tensor = match data.dtype() {
            DType::F32 => TensorBytes::from_f32(shape, &data.iter().collect::<Vec<_>>()),
            DType::I64 => TensorBytes::from_i64(shape, &data.iter().collect::<Vec<_>>()),
            other => panic!("{name} has type {other:?}"),
        };
        (name.to_owned(), tensor)
    });
    tensors.collect()
}

fn write(folder: &TempDir, tensors: &BTreeMap<String, TensorBytes>) -> PathBuf {
    let path = folder.path().join("weights.safetensors");
    write_safetensors(&path, tensors).expect("the folder can be written");
    path
}

/// Writes what was exported of a case where it stays, so that PyTorch can load it, too: see `peer/strict.py` among the
/// benchmarks of `aoa-model`.
fn write_exported(case: &Case, tensors: &BTreeMap<String, TensorBytes>) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("exported");
    std::fs::create_dir_all(&folder).expect("the folder of the build can be written");
    let path = folder.join(&case.name).with_extension("safetensors");
    write_safetensors(&path, tensors).expect("the folder of the build can be written");
    path
}

fn open(path: &Path) -> WeightFile {
    WeightFile::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Asserts that the file has exactly these tensors, bit for bit where they are floating-point numbers.
fn assert_content(file: &WeightFile, expected: &BTreeMap<String, TensorBytes>) {
    let names: Vec<_> = file.tensors().map(|(name, _)| name).collect();
    assert_eq!(names, expected.keys().collect::<Vec<_>>());
    for (name, expected) in expected {
        let info = file.tensor(name).expect("the tensor is there");
        assert_eq!(
            (info.dtype, &info.shape),
            (expected.dtype, &expected.shape),
            "{name}"
        );
        if info.dtype == Dtype::F32 {
            let floats = file.floats(name).expect("the numbers can be read");
            assert_eq!(
                TensorBytes::from_f32(info.shape.clone(), &floats),
                *expected,
                "{name}"
            );
        }
    }
}

/// What the model of a question answering case computes from the case's inputs.
fn outputs(case: &Case, vision: &Swin, xvlm: &XVlm) -> Vec<(&'static str, TensorData)> {
    // Dropout and drop path are for training.
    let (vision, xvlm) = (vision.valid(), xvlm.valid());
    let device = Device::flex();
    let tokens = |ids: &str, mask: &str| Tokens {
        ids: case.ints(&format!("input.{ids}"), &device),
        masked: case
            .ints::<2>(&format!("input.{mask}"), &device)
            .equal_elem(0),
    };
    let questions = tokens("question_ids", "question_mask");
    let states = vision.forward(case.tensor::<4>("input.image", &device), None);
    let images = Context::new(states.clone(), None, None);
    let per_question = case.data("input.answers_per_question");
    let question_of: Vec<i64> = per_question
        .iter::<i64>()
        .enumerate()
        .flat_map(|(question, answers)| (0..answers).map(move |_| question as i64))
        .collect();
    let answers = WeightedAnswers {
        tokens: tokens("answer_ids", "answer_mask"),
        weights: case.tensor("input.answer_weights", &device),
        question_of: Tensor::<1, Int>::from_ints(&question_of[..], &device),
    };
    let read = xvlm.read(questions, &images, None);
    let ranked = xvlm.rank(&read, &tokens("candidate_ids", "candidate_mask"));
    vec![
        ("output.image_embeds", states.into_data()),
        ("output.question_states", read.states.to_data()),
        (
            "output.loss",
            xvlm.losses(&read, answers, None).mean().into_data(),
        ),
        ("output.topk_ids", ranked.candidates.into_data()),
        ("output.topk_probs", ranked.probabilities.into_data()),
    ]
}

fn set<'a>(names: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
    names.into_iter().cloned().collect()
}

/// Names of the report of an import that found everything: those loaded, and those that follow from others.
fn assert_complete(case: &Case, report: &Report) {
    let implied: BTreeSet<_> = case
        .list("buffers")
        .into_iter()
        .chain(case.tied().into_keys())
        .collect();
    assert_eq!(set(&report.implied), implied);
    let all = stored(case, "weights.")
        .into_keys()
        .collect::<BTreeSet<_>>();
    assert_eq!(
        set(&report.loaded),
        all.difference(&implied).cloned().collect()
    );
    let rest = Report {
        loaded: Vec::new(),
        implied: Vec::new(),
        ignored: Vec::new(),
        ..report.clone()
    };
    assert_eq!(rest, Report::default());
    assert!(report.is_complete());
}

#[test]
fn golden_weights_of_a_checkpoint_and_of_safetensors_are_the_same() {
    let _guard = random_numbers();
    let folder = TempDir::new().expect("a temporary folder");
    for (case, checkpoint) in Case::with_checkpoint("xvlm_vqa") {
        let weights = stored(&case, "weights.");
        let mut seen = None;
        for path in [checkpoint, write(&folder, &weights)] {
            let file = open(&path);
            assert_content(&file, &weights);
            let (vision, xvlm) = vqa(&case);
            let (vision, xvlm, report) = load_xvlm(&file, vision, xvlm).expect("it is read");
            assert_complete(&case, &report);
            let outputs = outputs(&case, &vision, &xvlm);
            for (name, output) in &outputs {
                case.assert_output(name, output);
            }
            assert_eq!(*seen.get_or_insert_with(|| outputs.clone()), outputs);
        }
    }
}

#[test]
fn golden_weights_are_exported_as_the_reference_stores_them() {
    let _guard = random_numbers();
    for (case, path) in Case::with_checkpoint("xvlm_vqa") {
        let load = |path: &Path| {
            let (vision, xvlm) = vqa(&case);
            load_xvlm(&open(path), vision, xvlm).expect("it is read")
        };
        let (vision, xvlm, _) = load(&path);
        let exported = export_xvlm(&vision, &xvlm);
        assert_eq!(
            exported,
            stored(&case, "weights."),
            "buffers and second names included"
        );

        let (again, and_again, report) = load(&write_exported(&case, &exported));
        assert_complete(&case, &report);
        assert_eq!(
            outputs(&case, &again, &and_again),
            outputs(&case, &vision, &xvlm)
        );
    }
}

#[test]
fn golden_weights_of_pre_training_start_question_answering() {
    let _guard = random_numbers();
    for (case, checkpoint) in Case::with_checkpoint("xvlm_pretrain_import") {
        let file = open(&checkpoint);
        assert_content(&file, &stored(&case, "input."));

        let (vision, xvlm) = fresh(
            &case,
            "finetune_image_res",
            "finetune_window_size",
            &Device::flex(),
        );
        let before = export_xvlm(&vision, &xvlm);
        let (vision, xvlm, report) = load_xvlm(&file, vision, xvlm).expect("it is read");
        let after = export_xvlm(&vision, &xvlm);

        let fresh = case.list("not_loaded");
        let expected = stored(&case, "output.");
        for (name, tensor) in &after {
            if fresh.contains(name) {
                assert_eq!(*tensor, before[name], "{name} stays as it was");
            } else if name.ends_with("relative_position_bias_table") {
                let values: Vec<f32> = tensor
                    .bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| f32::from_le_bytes(*b))
                    .collect();
                let data = TensorData::new(values, tensor.shape.clone());
                case.assert_output(&format!("output.{name}"), &data);
            } else if let Some(expected) = expected.get(name) {
                assert_eq!(tensor, expected, "{name}");
            } else {
                let buffers = ["relative_position_index", "attn_mask", "position_ids"];
                assert!(
                    buffers.iter().any(|end| name.ends_with(end)),
                    "{name} is set"
                );
            }
        }
        assert!(expected.keys().all(|name| after.contains_key(name)));

        assert_eq!(set(&report.fresh), fresh);
        assert!(report.is_complete());
        let (from, to) = (
            case.size("pretrain_window_size"),
            case.size("finetune_window_size"),
        );
        let tables = expected.keys().filter(|name| name.ends_with("bias_table"));
        let tables: Vec<_> = tables
            .map(|name| Interpolated {
                name: name.clone(),
                from,
                to,
            })
            .collect();
        assert_eq!(report.interpolated, tables);
        let heads = ["bbox_head", "itm_head", "temp", "text_proj", "vision_proj"];
        let dropped = stored(&case, "input.").into_keys().filter(|name| {
            let part = name.split('.').next().unwrap_or_default();
            heads.contains(&part)
        });
        assert_eq!(report.unexpected, dropped.collect::<Vec<_>>());
    }
}

#[test]
fn golden_weights_that_do_not_fit_are_named() {
    let _guard = random_numbers();
    let folder = TempDir::new().expect("a temporary folder");
    for case in Case::all("xvlm_vqa") {
        let (missing, mis_shaped) = (
            "text_encoder.embeddings.LayerNorm.bias",
            "vision_encoder.norm.weight",
        );
        let all = stored(&case, "weights.");
        let mut weights = all.clone();
        weights.remove(missing);
        weights.insert(
            mis_shaped.to_owned(),
            TensorBytes::from_f32(vec![2], &[1.0, 2.0]),
        );
        weights.insert(
            "head.bias".to_owned(),
            TensorBytes::from_f32(vec![1], &[1.0]),
        );
        // As DataParallel names them, and BERT with a head.
        let rename = |name: &str| {
            let name = match name.strip_prefix("text_encoder.") {
                Some(part) => format!("text_encoder.bert.{part}"),
                None => name.to_owned(),
            };
            format!("module.{name}")
        };
        let weights = weights
            .into_iter()
            .map(|(name, tensor)| (rename(&name), tensor));
        let file = open(&write(&folder, &weights.collect()));

        let (vision, xvlm) = vqa(&case);
        let before = export_xvlm(&vision, &xvlm);
        let (vision, xvlm, report) = load_xvlm(&file, vision, xvlm).expect("it is read");
        let after = export_xvlm(&vision, &xvlm);
        for (name, tensor) in &after {
            let expected = if [missing, mis_shaped].contains(&name.as_str()) {
                &before
            } else {
                &all
            };
            assert_eq!(*tensor, expected[name], "{name}");
        }
        assert_eq!(report.missing, [missing]);
        let wrong = MisShaped {
            name: mis_shaped.to_owned(),
            file: vec![2],
            model: all[mis_shaped].shape.clone(),
        };
        assert_eq!(report.mis_shaped, [wrong]);
        assert_eq!(report.unexpected, ["head.bias"]);
        assert!(!report.is_complete());
        let text = report.to_string();
        for line in [
            format!("missing {missing}"),
            format!(
                "mis-shaped {mis_shaped}: [2] in the file, {:?} in the model",
                all[mis_shaped].shape
            ),
            "unexpected head.bias".to_owned(),
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is in {text}"
            );
        }
    }
}

#[test]
fn golden_weights_keep_parameters_trained_or_frozen() {
    let _guard = random_numbers();
    for (case, checkpoint) in Case::with_checkpoint("xvlm_vqa") {
        let file = open(&checkpoint);
        let device = Device::flex().autodiff();
        let (vision, xvlm) = fresh(&case, "image_res", "window_size", &device);
        let (vision, xvlm, _) = load_xvlm(&file, vision.no_grad(), xvlm).expect("it is read");
        assert_eq!(trainer::count(&vision), 0);
        assert_eq!(trainer::count(&xvlm), xvlm.num_params());
    }
}

fn fine_branch(case: &Case) -> FineBranch {
    fine_branch_config(case)
        .with_entity_weight(Some(case.number("omega_q")))
        .with_statistical_weight(Some(case.number("omega_v")))
        .init(&Device::flex())
}

/// The name of the first glimpse's parameter in place of that of another: the number is the third part.
fn member_zero(name: &str) -> String {
    let mut parts: Vec<&str> = name.split('.').collect();
    parts[2] = "0";
    parts.join(".")
}

#[test]
fn golden_weights_of_the_fine_branch_come_and_go() {
    let _guard = random_numbers();
    let folder = TempDir::new().expect("a temporary folder");
    for case in Case::all("fine_branch") {
        let mut weights = stored(&case, "weights.");
        let path = write(&folder, &weights);
        let (branch, report) =
            load_fine_branch(&open(&path), fine_branch(&case)).expect("it is read");
        assert!(report.is_complete());
        let unused = case.list("no_grad");
        assert_eq!(
            set(&report.unexpected),
            unused,
            "glimpses that are never used"
        );

        let exported = export_fine_branch(&branch);
        for name in &unused {
            let used = member_zero(name);
            weights.insert(name.clone(), weights[&used].clone());
        }
        assert_eq!(exported, weights);

        let path = write_exported(&case, &exported);
        let (again, report) =
            load_fine_branch(&open(&path), fine_branch(&case)).expect("it is read");
        assert!(report.is_complete());
        assert_eq!(set(&report.unexpected), unused);
        let device = Device::flex();
        let logits = |branch: &FineBranch| {
            let batch = case.data("input.question").shape()[0] as i64;
            let input = FineInput {
                question: case.ints("input.question", &device),
                entities: Some(case.ints("input.entities", &device)),
                image_of: Tensor::arange(0..batch, &device),
                regions: case.tensor("input.v", &device),
                masked_regions: None,
                statistical_words: Some(case.ints("input.semantic_words", &device)),
            };
            branch.valid().forward(input, None).into_data()
        };
        case.assert_output("output.logits", &logits(&branch));
        assert_eq!(logits(&again), logits(&branch));
    }
}
