//! Which operations of the whole model multiply in half precision, as a capture device records them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aoa_model::Vqa;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Tensor};
use burn_frugal::capture::{self, ELEMENTWISE, ROUND, WIDEN};
use burn_ir::{OperationIr, TensorId, TensorIr};
use integration_tests::random_numbers;
use model_api::{DataShape, DeviceBatch, Model, Sight};
use trainer::{dropout_keys, materialize, precision};

use crate::runs::small;
use crate::two_branches::{BOTH, Fixture};

/// Ends the making of the model in a record.
const MODEL_IS_MADE: &str = "model is made";
/// Ends the forward pass in a record.
const FORWARD_ENDS: &str = "forward pass ends";

/// What an operation reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Read {
    /// 16 bits.
    Half,
    /// 32 bits that hold numbers of 16, as the CPU multiplies them.
    Rounded,
    /// Single precision.
    Single,
}
use Read::{Half, Rounded, Single};

/// What the forward and the backward pass read.
struct Trace {
    /// Floating-point operands in all uses of an operation, by its name.
    reads: BTreeMap<String, BTreeSet<Vec<Read>>>,
    /// Parameters of products of the forward pass that stay in single precision; a product of none is empty.
    single: BTreeSet<String>,
}

fn record(sets: &[&str]) -> Trace {
    let _guard = random_numbers();
    let saving = [
        "memory_optimization.gradient_checkpointing=true",
        "memory_optimization.checkpoint_segment=1",
        "model.dropout=0.1",
        "xvlm.dropout=0.1",
    ];
    let settings = small(&[&BOTH[..], &saving, sets].concat());
    let fixture = Fixture::new(&[&saving, sets].concat());
    let config = Vqa::configure(&settings, &DataShape::of(&fixture.encoder)).expect("a model");
    let mut parameters = Parameters::default();
    let device = Device::capture();
    let captured = device.capture_scope(|scope| {
        let device = device.clone().autodiff();
        let model = Vqa::init(&config, &device).carried_out(&settings);
        materialize(&model);
        model.visit(&mut parameters);
        capture::mark(MODEL_IS_MADE, Tensor::<1>::zeros([1], &device));
        let batch = DeviceBatch::upload(&fixture.batch, &fixture.encoder, Sight::Images, &device);
        let keys = dropout_keys(&fixture.batch, Sight::Images, 1, 1, &device);
        let batch = DeviceBatch {
            dropout: Some(keys),
            ..batch
        };
        precision(&settings).run(|| {
            model.answer(batch.clone());
            let loss = model.losses(batch).sum();
            capture::mark(FORWARD_ENDS, loss.clone());
            let mut gradients = capture::backward(loss);
            model.visit(&mut Take(&mut gradients));
        });
        scope.complete([], [])
    });
    let recorded = captured.expect("a record").graph.operations;
    trace(&recorded, parameters.paths)
}

/// Paths of the parameters, without the numbers of layers.
#[derive(Default)]
struct Parameters {
    path: Vec<String>,
    paths: HashMap<TensorId, String>,
}

impl ModuleVisitor for Parameters {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let names = self
            .path
            .iter()
            .filter(|name| name.parse::<usize>().is_err());
        let path: Vec<_> = names.cloned().collect();
        let id = capture::id(param.val()).expect("it is on a capture device");
        self.paths.insert(id, path.join("."));
    }
}

/// Takes the gradient of every parameter, so that none is left unused.
struct Take<'a>(&'a mut capture::Gradients);

impl ModuleVisitor for Take<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let _ = self.0.remove(param.val());
    }
}

/// The name of an operation: that of the kernel, or what the record calls it.
fn name(operation: &OperationIr) -> String {
    if let OperationIr::Custom(custom) = operation {
        return custom.id.clone();
    }
    let shown = format!("{operation:?}");
    let parts: Vec<&str> = shown
        .split(['(', ' ', ','])
        .filter(|part| !part.is_empty())
        .collect();
    let is_type = |part: &str| {
        part.starts_with(|c: char| c.is_uppercase())
            && part.chars().skip(1).all(|c| c.is_ascii_digit())
    };
    let inner = parts.iter().skip(1).find(|part| !is_type(part));
    inner.map_or_else(|| parts[0].to_owned(), |part| (*part).to_owned())
}

/// Operations that move numbers.
const MOVES: [&str; 12] = [
    "Reshape",
    "Expand",
    "SwapDims",
    "Permute",
    "Slice",
    "Cat",
    "Select",
    "Gather",
    "Flip",
    "RepeatDim",
    "SliceAssign",
    "Cast",
];

fn trace(recorded: &[OperationIr], mut paths: HashMap<TensorId, String>) -> Trace {
    let mut read_as: HashMap<TensorId, Read> = HashMap::new();
    let mut trace = Trace {
        reads: BTreeMap::new(),
        single: BTreeSet::new(),
    };
    let is_mark =
        |one: &&OperationIr| !matches!(one, OperationIr::Custom(mark) if mark.id == MODEL_IS_MADE);
    let mut forward = true;
    for one in recorded.iter().skip_while(is_mark).skip(1) {
        let name = name(one);
        forward &= name != FORWARD_ENDS;
        let of = |tensor: &TensorIr| match tensor.dtype {
            DType::F16 | DType::BF16 => Some(Half),
            DType::F32 => Some(read_as.get(&tensor.id).copied().unwrap_or(Single)),
            _ => None,
        };
        let reads: Vec<Read> = one.inputs().filter_map(of).collect();
        let moves = MOVES.contains(&name.as_str());
        if forward && name == "Matmul" && reads.contains(&Single) {
            let paths = one.inputs().filter_map(|input| paths.get(&input.id));
            trace.single.insert(paths.cloned().collect());
        }
        let path = one.inputs().find_map(|input| paths.get(&input.id)).cloned();
        let made = match name.as_str() {
            WIDEN | ELEMENTWISE => Rounded,
            _ if moves && reads.iter().all(|read| *read == Rounded) => Rounded,
            _ => Single,
        };
        for output in one.outputs() {
            read_as.insert(output.id, made);
            if let Some(path) = path.clone().filter(|_| moves || name == "Matmul") {
                paths.insert(output.id, path);
            }
        }
        if !reads.is_empty() {
            trace.reads.entry(name).or_default().insert(reads);
        }
    }
    trace
}

/// Operations that multiply in half precision, wherever the model uses them.
const HALF_PRODUCTS: [&str; 5] = [
    "Conv2d",
    "Conv2dWeightBackward",
    "Linear",
    "LinearWeightBackward",
    "LinearXBackward",
];

/// Operations of attention, whose queries, keys and values are kept in 16 bits.
const ATTENTION: [&str; 2] = ["attention", "attention backward"];

/// Operations in single precision: sums, norms, softmax and losses, activations, and what chooses numbers.
const IN_SINGLE: [&str; 44] = [
    "Add",
    "AddScalar",
    "Div",
    "DivScalar",
    "Embedding",
    "EmbeddingBackward",
    "Exp",
    "Gelu",
    "GeluBackward",
    "GreaterElem",
    "Log",
    "LogSigmoid",
    "LogSigmoidBackward",
    "LogSoftmax",
    "Lower",
    "LowerElem",
    "MaskFill",
    "MaskWhere",
    "MaxDim",
    "MaxDimWithIndices",
    "MeanDim",
    "Mul",
    "MulScalar",
    "Neg",
    "PowfScalar",
    "Recip",
    "Relu",
    "ReluBackward",
    "Scatter",
    "SelectAssign",
    "Sigmoid",
    "SigmoidBackward",
    "Softmax",
    "SortWithIndices",
    "Sqrt",
    "Sub",
    "Sum",
    "SumDim",
    "SumDims",
    "Tanh",
    "TopKWithIndices",
    "layer norm",
    "layer norm backward",
    ELEMENTWISE,
];

#[test]
fn every_operation_reads_what_the_policy_says() {
    // The table of position biases is looked up by a product with ones and zeros.
    let biases = "image_encoder.Swin.layers.blocks.attn.relative_position_bias_table";
    let gru = |path: &str| ["input", "recurrent"].map(|part| format!("fine.{path}.{part}.weight"));
    for (sets, in_single) in [
        (
            ["precision.mode=bf16", "model.fine_form=compact"],
            gru("Compact.gru"),
        ),
        (
            ["precision.mode=f16", "model.fine_form=cfr"],
            gru("Cfr.branch.q_emb.rnn.forward"),
        ),
    ] {
        let Trace { reads, single } = record(&sets);
        for (name, reads) in reads {
            let is = |allowed: fn(&[Read]) -> bool| {
                for read in &reads {
                    assert!(allowed(read), "{sets:?}: {name} reads {read:?}");
                }
            };
            match name.as_str() {
                name if HALF_PRODUCTS.contains(&name) => {
                    is(|read| read.iter().all(|one| *one == Rounded));
                }
                name if ATTENTION.contains(&name) => is(|read| {
                    let (products, others) = read.split_at(3);
                    products == [Half; 3] && !others.contains(&Half)
                }),
                // Which products are single is looked at below; none mixes.
                "Matmul" => is(|read| [[Rounded; 2], [Single; 2]].contains(&[read[0], read[1]])),
                WIDEN => is(|read| read == [Half]),
                ROUND => is(|read| read != [Half]),
                name if IN_SINGLE.contains(&name) => is(|read| !read.contains(&Half)),
                name => assert!(MOVES.contains(&name), "the policy does not know {name}"),
            }
        }
        let mut expected = BTreeSet::from(in_single);
        expected.insert(biases.to_owned());
        assert_eq!(single, expected, "{sets:?}");
    }
    let Trace { reads, .. } = record(&[]);
    let all: BTreeSet<_> = reads.into_values().flatten().flatten().collect();
    assert_eq!(
        all,
        BTreeSet::from([Single]),
        "in single precision nothing is rounded"
    );
}
