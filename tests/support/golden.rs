//! Golden cases: numbers that the public PyTorch implementations computed.
//!
//! One file because one convention of names and layouts loads a case into a module and compares a module with a case.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_frugal::Checkpointing;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// One case: tensors by name, configuration and tolerances.
#[derive(Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    bytes: Vec<u8>,
    entry: Value,
}

/// How far a tensor may be from the stored one: `max|a - b| <= abs + rel * max|b|`.
#[derive(Debug, Clone, Copy)]
struct Tolerance {
    abs: f64,
    rel: f64,
}

/// A tensor that is too far from the stored one.
pub type Difference = String;

/// Gradients or weights by parameter path.
pub type Gradients = BTreeMap<String, TensorData>;

/// Kinds of cases. A case is of the kind whose name, of all that its own begins with, is the longest.
const KINDS: &[&str] = &[
    "aoa",
    "ban_bcnet",
    "ban_biattention",
    "ban_classifier",
    "ban_counter",
    "ban_fcnet",
    "ban_fusion",
    "ban_question_embedding",
    "ban_word_embedding",
    "fine_branch",
    "fusion",
    "grad_accum",
    "image",
    "lr_cfr",
    "lr_xvlm",
    "optim_adamax",
    "optim_adamw",
    "optim_adamw_xvlm",
    "optim_clip",
    "optim_grad_scaler",
    "optim_xvlm_groups",
    "tokenizer",
    "vqa_metric",
    "vqa_targets",
    "xvlm_bert",
    "xvlm_bert_decoder",
    "xvlm_pretrain_checkpoint",
    "xvlm_pretrain_import",
    "xvlm_swin",
    "xvlm_swin_interp",
    "xvlm_vqa",
    "xvlm_vqa_checkpoint",
];

/// The folder of the cases: `AOA_GOLDEN`, or the one in this repository.
pub fn golden_folder() -> PathBuf {
    match std::env::var_os("AOA_GOLDEN") {
        Some(folder) => folder.into(),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden"),
    }
}

fn kind(name: &str) -> &'static str {
    let kinds = KINDS.iter().filter(|kind| {
        let rest = name.strip_prefix(**kind);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    });
    let longest = kinds.max_by_key(|kind| kind.len());
    longest.unwrap_or_else(|| panic!("the golden case {name} is of no known kind"))
}

fn index() -> Vec<Value> {
    let text = fs::read_to_string(golden_folder().join("index.json")).expect("the golden index");
    let index: Value = serde_json::from_str(&text).expect("the golden index is JSON");
    index["cases"]
        .as_array()
        .expect("the golden index lists cases")
        .clone()
}

impl Case {
    /// Every case of a kind. There is at least one, but in a folder of one's own: then a line says that there is none.
    #[expect(clippy::print_stderr, reason = "says what is not tested")]
    pub fn all(of: &str) -> Vec<Self> {
        assert!(KINDS.contains(&of), "{of} is no kind of golden cases");
        let named = |entry: &Value| entry["name"].as_str().map(kind);
        let entries = index().into_iter();
        let entries = entries.filter(|entry| named(entry) == Some(of));
        let cases: Vec<_> = entries.map(Self::load).collect();
        if cases.is_empty() {
            assert!(std::env::var_os("AOA_GOLDEN").is_some(), "no case of {of}");
            eprintln!("skipped: the folder that AOA_GOLDEN names has no case of the kind {of}");
        }
        cases
    }

    /// The same cases twice, with either form of attention.
    pub fn in_both_forms(kind: &str) -> impl Iterator<Item = (Self, Checkpointing)> {
        let cases = [false, true].map(|memory_efficient_attention| {
            let form = Checkpointing {
                memory_efficient_attention,
                ..Checkpointing::default()
            };
            Self::all(kind).into_iter().map(move |case| (case, form))
        });
        cases.into_iter().flatten()
    }

    /// Every case of a kind whose weights lie in a PyTorch checkpoint as well, with that file.
    pub fn with_checkpoint(of: &str) -> impl Iterator<Item = (Self, PathBuf)> {
        Self::all(of).into_iter().filter_map(|case| {
            let file = golden_folder().join(case.entry["checkpoint"].as_str()?);
            Some((case, file))
        })
    }

    fn load(entry: Value) -> Self {
        let file = golden_folder().join(entry["file"].as_str().expect("a case names its file"));
        let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Self {
            name: entry["name"]
                .as_str()
                .expect("a case has a name")
                .to_owned(),
            bytes,
            entry,
        }
    }

    /// Names that the case lists under `key`.
    pub fn list(&self, key: &str) -> BTreeSet<String> {
        serde_json::from_value(self.entry[key].clone())
            .unwrap_or_else(|error| panic!("{} {key}: {error}", self.name))
    }

    /// The whole file as JSON, for the cases that are.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).expect("the case is JSON")
    }

    /// A value of the case's configuration.
    pub fn config(&self, key: &str) -> &Value {
        self.entry["config"]
            .get(key)
            .unwrap_or_else(|| panic!("{} has no {key}", self.name))
    }

    /// A size of the case's configuration.
    pub fn size(&self, key: &str) -> usize {
        self.config(key)
            .as_u64()
            .unwrap_or_else(|| panic!("{key} is a size")) as usize
    }

    /// A number of the case's configuration.
    pub fn number(&self, key: &str) -> f64 {
        self.config(key)
            .as_f64()
            .unwrap_or_else(|| panic!("{key} is a number"))
    }

    /// Names of all stored tensors.
    pub fn names(&self) -> Vec<String> {
        self.tensors()
            .names()
            .into_iter()
            .map(ToString::to_string)
            .collect()
    }

    /// A stored tensor.
    pub fn data(&self, name: &str) -> TensorData {
        let tensors = self.tensors();
        let view = tensors
            .tensor(name)
            .unwrap_or_else(|error| panic!("{}: {name}: {error}", self.name));
        let shape = view.shape().to_vec();
        match view.dtype() {
            Dtype::F32 => TensorData::new(numbers(view.data(), f32::from_le_bytes), shape),
            Dtype::F64 => TensorData::new(numbers(view.data(), f64::from_le_bytes), shape),
            Dtype::I64 => TensorData::new(numbers(view.data(), i64::from_le_bytes), shape),
            other => panic!("{name} has type {other:?}"),
        }
    }

    /// A stored float tensor on `device`.
    pub fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        Tensor::from_data(self.data(name), device)
    }

    /// A stored integer tensor on `device`.
    pub fn ints<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D, Int> {
        Tensor::from_data(self.data(name), device)
    }

    /// Whether the case stores a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors().tensor(name).is_ok()
    }

    fn tensors(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes).expect("the case is a safetensors file")
    }

    fn tolerance(&self, kind: &str) -> Tolerance {
        let part = |key: &str| {
            self.entry["tolerance"][kind][key]
                .as_f64()
                .unwrap_or_else(|| panic!("{} states {kind} {key}", self.name))
        };
        Tolerance {
            abs: part("abs"),
            rel: part("rel"),
        }
    }

    /// Compares with the stored tensor `name` within the case's tolerance for outputs.
    ///
    /// # Panics
    ///
    /// When they differ by more.
    pub fn assert_output(&self, name: &str, actual: &TensorData) {
        self.compare(&self.data(name), actual, self.tolerance("forward"))
            .unwrap_or_else(|difference| panic!("{} {name}: {difference}", self.name));
    }

    /// Compares with stored values within the case's tolerance for gradients.
    ///
    /// # Panics
    ///
    /// When they differ by more.
    pub fn assert_gradient(&self, name: &str, actual: &TensorData) {
        self.gradient_difference(name, actual)
            .unwrap_or_else(|difference| panic!("{} {name}: {difference}", self.name));
    }

    /// Compares with stored values within the case's tolerance for gradients.
    ///
    /// # Errors
    ///
    /// When they differ by more.
    pub fn gradient_difference(&self, name: &str, actual: &TensorData) -> Result<(), Difference> {
        self.compare(&self.data(name), actual, self.tolerance("grad"))
    }

    /// Compares the gradients of a module with the stored ones and returns their names; parameters that the case lists
    /// as `no_grad` have none.
    ///
    /// # Panics
    ///
    /// When one differs by more than the case's tolerance for gradients, is missing, or should not be there.
    pub fn assert_gradients<M: Module>(
        &self,
        module: &M,
        gradients: &GradientsParams,
        rename: &dyn Fn(&str) -> String,
    ) -> BTreeSet<String> {
        let without = self.entry.get("no_grad").and_then(Value::as_array);
        let mut compared = BTreeSet::new();
        for (path, gradient) in gradients_of_trained(module, gradients) {
            let name = rename(&path);
            if let Some(gradient) = gradient {
                let stored = format!("grad.{name}");
                self.assert_gradient(&stored, &gradient);
                compared.insert(stored);
            } else {
                assert!(
                    without.is_some_and(|without| without.contains(&Value::from(name))),
                    "{} {path} has no gradient",
                    self.name
                );
            }
        }
        compared
    }

    /// Weights that the case stores twice: second name and first name.
    pub fn tied(&self) -> BTreeMap<String, String> {
        self.entry.get("tied").map_or_else(BTreeMap::new, |tied| {
            serde_json::from_value(tied.clone()).expect("tied maps names to names")
        })
    }

    fn compare(
        &self,
        stored: &TensorData,
        actual: &TensorData,
        tolerance: Tolerance,
    ) -> Result<(), Difference> {
        let (stored, actual) = (values(stored), values(actual));
        if stored.len() != actual.len() {
            return Err(format!(
                "{}: {} values instead of {}",
                self.name,
                actual.len(),
                stored.len()
            ));
        }
        let largest = stored
            .iter()
            .fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let allowed = tolerance.abs + tolerance.rel * largest;
        let error = stored
            .iter()
            .zip(&actual)
            .map(|(b, a)| (a - b).abs())
            .fold(0.0, f64::max);
        // NaN compares false, and must not pass.
        if error <= allowed {
            Ok(())
        } else {
            Err(format!("differs by {error:e}, allowed {allowed:e}"))
        }
    }
}

fn numbers<T, const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes
        .chunks_exact(N)
        .map(|chunk| read(chunk.try_into().expect("chunks have N bytes")))
        .collect()
}

fn values(data: &TensorData) -> Vec<f64> {
    data.iter::<f64>().collect()
}

/// Replaces every weight of a module by the stored `weights.<name>`; matrices turn from PyTorch's `[out, in]` to
/// Burn's `[in, out]`, embedding tables stay as they are. Dropout is switched off, as it was for the stored numbers.
pub struct LoadWeights<'a> {
    case: &'a Case,
    rename: &'a dyn Fn(&str) -> String,
    path: Path,
}

impl<'a> LoadWeights<'a> {
    /// Loads into `module`; `rename` gives the PyTorch name of a parameter path.
    pub fn into_module<M: Module>(
        module: M,
        case: &'a Case,
        rename: &'a dyn Fn(&str) -> String,
    ) -> M {
        module.map(&mut Self {
            case,
            rename,
            path: Path::default(),
        })
    }
}

impl ModuleMapper for LoadWeights<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        flag.with_value(false)
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = format!("weights.{}", (self.rename)(&self.path.joined()));
        let value = param.val();
        let stored = self.path.turned(self.case.data(&name));
        assert_eq!(
            stored.num_elements(),
            value.dims().iter().product::<usize>(),
            "{name}"
        );
        let stored = Tensor::<D>::from_data(
            TensorData::new(stored.try_to_vec::<f32>().expect("f32"), value.dims()),
            &value.device(),
        );
        Param::initialized(param.id, stored.set_require_grad(value.is_require_grad()))
    }
}

/// Where a walk through a module is.
#[derive(Default)]
struct Path {
    /// Field and the type that holds it, from the root on.
    fields: Vec<(String, String)>,
}

impl Path {
    fn enter(&mut self, name: &str, container_type: &str) {
        self.fields
            .push((name.to_owned(), container_type.to_owned()));
    }

    fn exit(&mut self) {
        self.fields.pop();
    }

    fn joined(&self) -> String {
        let names: Vec<&str> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
        names.join(".")
    }

    /// Between PyTorch's layout and Burn's of the tensor here: an embedding table is the same in both.
    fn turned(&self, data: TensorData) -> TensorData {
        match self.fields.last() {
            Some((_, holder)) if holder == "Struct:Embedding" => data,
            _ => transposed(data),
        }
    }
}

/// A matrix turned around; anything else as it is.
fn transposed(data: TensorData) -> TensorData {
    let &[rows, columns] = &data.shape()[..] else {
        return data;
    };
    let values: Vec<f32> = data.try_to_vec().expect("weights are f32");
    let turned = (0..columns)
        .flat_map(|c| (0..rows).map(move |r| (r, c)))
        .map(|(r, c)| values[r * columns + c]);
    TensorData::new(turned.collect::<Vec<_>>(), [columns, rows])
}

/// Gradients of a module's trained weights by PyTorch name and layout.
pub fn gradients_by_path<M: Module>(
    module: &M,
    gradients: &GradientsParams,
    rename: &dyn Fn(&str) -> String,
) -> Gradients {
    gradients_of_trained(module, gradients)
        .into_iter()
        .map(|(path, gradient)| {
            let gradient = gradient.unwrap_or_else(|| panic!("{path} has no gradient"));
            (rename(&path), gradient)
        })
        .collect()
}

/// Path of each trained weight of a module, and its gradient in PyTorch's layout if the loss depends on it.
fn gradients_of_trained<M: Module>(
    module: &M,
    gradients: &GradientsParams,
) -> Vec<(String, Option<TensorData>)> {
    struct Collect<'a> {
        gradients: &'a GradientsParams,
        path: Path,
        found: Vec<(String, Option<TensorData>)>,
    }
    impl ModuleVisitor for Collect<'_> {
        fn enter_module(&mut self, name: &str, container_type: &str) {
            self.path.enter(name, container_type);
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if !param.is_require_grad() {
                return;
            }
            let gradient = self.gradients.get::<D>(param.id);
            let gradient = gradient.map(|gradient| self.path.turned(gradient.into_data()));
            self.found.push((self.path.joined(), gradient));
        }
    }
    let mut collect = Collect {
        gradients,
        path: Path::default(),
        found: Vec::new(),
    };
    module.visit(&mut collect);
    collect.found
}

/// Gradients of `sum(output * cotangent)` for a module.
pub fn gradient_of<M: Module, const D: usize>(
    module: &M,
    output: Tensor<D>,
    cotangent: Tensor<D>,
) -> (GradientsParams, burn::tensor::Gradients) {
    let mut gradients = (output * cotangent).sum().backward();
    (
        GradientsParams::from_module(&mut gradients, module),
        gradients,
    )
}
