//! Files of weights: looking at them, taking them from a run, and fitting them to a configuration.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Place, small_training};

/// A checkpoint that PyTorch wrote.
fn checkpoint() -> String {
    let path: PathBuf = [
        env!("CARGO_MANIFEST_DIR"),
        "../../tests/golden/xvlm_vqa_checkpoint.pth",
    ]
    .iter()
    .collect();
    path.display().to_string()
}

/// A small X-VLM.
const XVLM: [&str; 28] = [
    "--set",
    "hardware.parallel_micro_batches=1",
    "--set",
    "model.branches=coarse",
    "--set",
    "model.image_encoder=swin",
    "--set",
    "xvlm.embed_dim=8",
    "--set",
    "xvlm.depths=[2, 2]",
    "--set",
    "xvlm.image_heads=[2, 2]",
    "--set",
    "xvlm.window=4",
    "--set",
    "xvlm.text_hidden=16",
    "--set",
    "xvlm.text_layers=2",
    "--set",
    "xvlm.text_heads=2",
    "--set",
    "xvlm.text_intermediate=32",
    "--set",
    "xvlm.fusion_layer=1",
    "--set",
    "xvlm.decoder_layers=1",
    "--stop-after",
    "1",
];

#[test]
fn a_checkpoint_that_is_cut_off_is_to_be_copied_again() {
    let place = Place::new();
    let whole = fs::read(checkpoint()).expect("the file");
    let cure = "download or copy the file again";
    for bytes in [whole.len() / 2, whole.len() - 1] {
        place.file("cut.pth", &whole[..bytes]);
        place.fails(3, &["cut.pth", cure], &["weights", "inspect", "cut.pth"]);
    }
    place.file("cut.safetensors", b"\x80\0\0\0\0\0\0\0{\"w\":");
    place.fails(3, &[cure], &["weights", "inspect", "cut.safetensors"]);
    let set = ["--dry-run", "--set", "xvlm.weights=cut.pth"];
    place.fails(
        3,
        &["cut.pth", cure],
        &small_training(&[&XVLM[..26], &set].concat()),
    );
}

#[test]
fn a_checkpoint_is_inspected() {
    let place = Place::new();
    let file = checkpoint();
    let found: Value =
        serde_json::from_str(&place.ok(&["weights", "inspect", &file, "--json"]).stdout)
            .expect("JSON");
    let tensors = found["tensors"].as_array().expect("tensors");
    assert_eq!(tensors.len(), 222);
    let table = tensors
        .iter()
        .find(|tensor| tensor["name"] == "text_encoder.embeddings.word_embeddings.weight");
    let table = table.expect("the word table");
    assert_eq!(table["shape"], serde_json::json!([60, 32]));
    assert_eq!(
        (&table["dtype"], &table["parameters"]),
        (&"F32".into(), &1920.into())
    );
    let all = |key: &str| {
        tensors
            .iter()
            .map(|one| one[key].as_u64().expect("a number"))
            .sum::<u64>()
    };
    assert_eq!(found["parameters"], all("parameters"));
    assert_eq!(found["ignored"], serde_json::json!(["config"]));

    let text = place.ok(&["weights", "inspect", &file]).stdout;
    assert_eq!(text.lines().count(), tensors.len() + 1);
    assert!(text.ends_with("PyTorch checkpoint\n"), "{text}");
}

/// A safetensors file with one tensor and one buffer.
fn named(name: &str) -> Vec<u8> {
    let header = serde_json::json!({
        name: { "dtype": "F32", "shape": [2], "data_offsets": [0, 8] },
        "count": { "dtype": "I64", "shape": [1], "data_offsets": [8, 16] },
    });
    let header = header.to_string();
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), &[0; 16]].concat()
}

#[test]
fn a_name_is_shown_whatever_it_is_and_a_buffer_is_no_parameter() {
    let place = Place::new();
    let long = "x".repeat(70_000);
    place.file("long.safetensors", named(&long));
    let text = place.ok(&["weights", "inspect", "long.safetensors"]).stdout;
    assert!(text.contains(&format!("\n{long}  F32")), "the whole name");
    assert!(text.ends_with("2 tensors, 2 parameters, 16 bytes; safetensors\n"));

    place.file("evil.safetensors", named("\u{1b}[2Jgone\n1 tensors"));
    let text = place.ok(&["weights", "inspect", "evil.safetensors"]).stdout;
    assert!(text.contains("\\u{1b}[2Jgone\\n1 tensors  F32"), "{text}");
    assert_eq!(text.lines().count(), 3, "{text}");
    let import = [
        &["weights", "import", "evil.safetensors", "--to", "out"],
        &XVLM[..XVLM.len() - 2],
    ];
    let outcome = place.run(&import.concat());
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    let unexpected = "\nunexpected \\u{1b}[2Jgone\\n1 tensors\n";
    assert!(outcome.stdout.contains(unexpected), "{}", outcome.stdout);
}

#[test]
fn a_file_that_holds_no_weights_is_refused() {
    let place = Place::new();
    place.file("evil.pth", b"PK\x03\x04, but not really");
    place.file("text.safetensors", "no weights");
    let words = ["evil.pth as a file of weights", "the zip archive is broken"];
    place.fails(3, &words, &["weights", "inspect", "evil.pth"]);
    let import = [
        "weights",
        "import",
        "evil.pth",
        "--to",
        "out.safetensors",
        "--preset",
        "cpu",
    ];
    place.fails(3, &words, &import);
    let neither = ["neither a PyTorch checkpoint nor a safetensors file"];
    place.fails(3, &neither, &["weights", "inspect", "text.safetensors"]);
    place.fails(3, &["absent.pth"], &["weights", "inspect", "absent.pth"]);
}

/// A file of PyTorch's that holds more than plain tensors.
fn beside(name: &str) -> String {
    let folder = "../weight-files/tests/it/files/beside";
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), folder, name].iter().collect();
    path.display().to_string()
}

#[test]
fn what_is_not_read_of_a_file_is_named() {
    let place = Place::new();
    let found = place.ok(&["weights", "inspect", &beside("unread.pth")]);
    assert!(found.stdout.contains("weight"), "{}", found.stdout);
    for line in [
        "not read: float8, a tensor of torch.float8_e4m3fn",
        "not read: sparse, a sparse tensor",
    ] {
        assert!(found.stderr.contains(line), "{}", found.stderr);
    }
    let found = place.ok(&["weights", "inspect", &beside("unread.pth"), "--json"]);
    let found: Value = serde_json::from_str(&found.stdout).expect("JSON");
    let unread = found["unread"].as_array().expect("a list");
    assert!(unread.contains(&serde_json::json!({"name": "nested", "what": "a nested tensor"})));
    let found = place.ok(&["weights", "inspect", &beside("data.pth")]);
    assert_eq!(found.stdout.lines().count(), 3, "{}", found.stdout);
    let ignored = "ignored beside the tensors: array, bytearray, bytes, class, complex, ";
    assert!(found.stderr.contains(ignored), "{}", found.stderr);

    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    place.file("pointer.pth", pointer);
    let words = ["pointer.pth", "a Git LFS pointer", "`git lfs pull`"];
    place.fails(3, &words, &["weights", "inspect", "pointer.pth"]);
}

/// A safetensors file whose tensor of that name has single bytes for elements, four times as many.
fn with_float8(file: &[u8], name: &str) -> Vec<u8> {
    let (length, rest) = file.split_first_chunk().expect("a length");
    let (header, numbers) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let mut header: Value = serde_json::from_slice(header).expect("a header");
    let tensor = &mut header[name];
    tensor["dtype"] = "F8_E4M3".into();
    let elements = tensor["shape"][0].as_u64().expect("a size");
    tensor["shape"] = serde_json::json!([4 * elements]);
    let header = header.to_string();
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), numbers].concat()
}

/// Half of the bytes are half of the weights; read again, they are near.
#[test]
fn exported_weights_may_be_rounded() {
    let place = Place::new();
    place.ok(&small_training(&XVLM));
    place.ok(&["weights", "export", "run", "--to", "whole"]);
    let export = ["weights", "export", "run", "--dtype"];
    place.ok(&[&export[..], &["bf16", "--to", "half"]].concat());
    let bytes = |name: &str| {
        fs::read(place.path().join(name))
            .expect("it is there")
            .len()
    };
    let [whole, half] = ["whole", "half"].map(bytes);
    assert!(half * 100 < whole * 60, "{half} of {whole}");
    let inspected = place.ok(&["weights", "inspect", "half"]).stdout;
    assert!(
        inspected.contains("BF16") && !inspected.contains("F32"),
        "{inspected}"
    );
    let import = ["weights", "import", "half", "--run", "run", "--to", "again"];
    place.ok(&import);
    assert_eq!(bytes("again"), whole);
}

#[test]
fn weights_leave_a_run_and_come_back() {
    let place = Place::new();
    place.ok(&small_training(&XVLM));
    place.ok(&["weights", "export", "run", "--to", "run.safetensors"]);
    let import = [
        "weights",
        "import",
        "run.safetensors",
        "--run",
        "run",
        "--to",
        "again.safetensors",
        "--json",
    ];
    let report: Value = serde_json::from_str(&place.ok(&import).stdout).expect("JSON");
    assert_eq!(report["complete"], true);
    for list in [
        "interpolated",
        "fresh",
        "missing",
        "mis_shaped",
        "unexpected",
        "ignored",
    ] {
        assert_eq!(report[list], serde_json::json!([]), "{list}");
    }
    let read = |name: &str| fs::read(place.path().join(name)).expect("it is there");
    assert_eq!(read("run.safetensors"), read("again.safetensors"));

    // A file that is there stays, and so does what is no file.
    let fitting = [
        "weights",
        "import",
        "run.safetensors",
        "--run",
        "run",
        "--to",
    ];
    let export = ["weights", "export", "run", "--to"];
    let exists = ["exists already", "--force"];
    for to in ["run.safetensors", "again.safetensors"] {
        place.fails(2, &exists, &[&export[..], &[to]].concat());
        place.fails(2, &exists, &[&fitting[..], &[to]].concat());
    }
    place.ok(&[&export[..], &["again.safetensors", "--force"]].concat());
    place.ok(&[&fitting[..], &["again.safetensors", "--force"]].concat());
    place.file("folder/file", "");
    let no_file = ["folder is not a regular file"];
    place.fails(2, &no_file, &[&export[..], &["folder", "--force"]].concat());

    let words = [
        "the model has no fine branch",
        "model.branches = \"both\" or \"fine\", and with model.fine_form = \"cfr\"",
    ];
    place.fails(
        2,
        &words,
        &[
            "weights",
            "export",
            "run",
            "--part",
            "fine",
            "--to",
            "fine.safetensors",
        ],
    );
    // A weight that is needed is there in a form that is not read.
    let bias = "text_encoder.embeddings.LayerNorm.bias";
    place.file(
        "float8.safetensors",
        with_float8(&read("run.safetensors"), bias),
    );
    let words = [
        "tensor text_encoder.embeddings.LayerNorm.bias is a tensor of F8_E4M3, which is not read",
        "float32",
    ];
    let import = ["weights", "import", "float8.safetensors", "--run", "run"];
    place.fails(
        3,
        &words,
        &[&import[..], &["--to", "other.safetensors"]].concat(),
    );

    // A checkpoint of other sizes: everything that does not fit is named, and nothing is written.
    let file = checkpoint();
    let import = [
        "weights",
        "import",
        &file,
        "--run",
        "run",
        "--to",
        "other.safetensors",
    ];
    let outcome = place.run(&import);
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    let wrong =
        "mis-shaped text_encoder.embeddings.LayerNorm.bias: [32] in the file, [16] in the model";
    assert!(
        outcome.stdout.lines().any(|line| line == wrong),
        "{}",
        outcome.stdout
    );
    assert!(!Path::new(&place.path().join("other.safetensors")).exists());
}

#[test]
fn a_rehearsal_looks_at_the_file_of_weights() {
    let place = Place::new();
    place.ok(&small_training(&XVLM));
    place.ok(&["weights", "export", "run", "--to", "run.safetensors"]);
    let fitting = "xvlm.weights=run.safetensors";
    let rehearsal = [
        "--dry-run",
        "--json",
        "--set",
        "logging.run_dir=next",
        "--set",
    ];
    let rehearse = |weights| small_training(&[&XVLM[..], &rehearsal, &[weights]].concat());
    let outcome = place.ok(&rehearse(fitting));
    let found: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    let report = found["pretrained"]["report"].as_str().expect("a report");
    assert!(report.contains(" 0 missing, 0 mis-shaped"), "{report}");
    place.fails(3, &["gone.pth"], &rehearse("xvlm.weights=gone.pth"));
    for missing in ["xvlm.weights=gone", "xvlm.vocabulary=gone"] {
        let sets = ["--set", "logging.run_dir=next", "--set", missing];
        let training = small_training(&[&XVLM[..], &sets].concat());
        place.fails(3, &["gone"], &training);
    }
    let other = ["does not have all of the model", "mis-shaped"];
    let wide = [&rehearse(fitting)[..], &["--set", "xvlm.text_hidden=32"]].concat();
    place.fails(3, &other, &wide);
    assert!(!place.path().join("next").exists());
}
