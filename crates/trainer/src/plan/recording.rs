//! A pass of a model as a trace.

use std::collections::{HashMap, HashSet};

use burn::module::{ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use burn_frugal::capture::{self, Gradients};
use burn_ir::OperationIr;
use config_schema::Config;
use memory_planner::{Operation, TensorId, Trace};
use model_api::{ConfigureError, Model};

use super::translate::{operation, tensor};
use super::worst_case::WorstCase;
use crate::error::TrainError;
use crate::parameters::materialize;
use crate::precision::precision;

/// Ends the making of the model in a record.
const MODEL_IS_MADE: &str = "model is made";
/// Ends the forward pass in a record.
const FORWARD_ENDS: &str = "forward ends";

/// A recorded pass.
pub(super) struct Recording {
    pub(super) trace: Trace,
    /// The parts of the model, as the operations of the trace number them.
    pub(super) parts: Vec<String>,
    /// Every parameter.
    pub(super) parameters: Vec<Parameter>,
}

/// A parameter of a recorded model.
pub(super) struct Parameter {
    id: TensorId,
    pub(super) bytes: u64,
    /// The part of the model that it is in.
    pub(super) part: String,
    pub(super) trained: bool,
}

/// Records the loss of this many samples and its gradient.
pub(super) fn training<M: Model>(
    (settings, config): (&Config, &M::Config),
    worst: &WorstCase,
    samples: usize,
) -> Result<Recording, TrainError> {
    record::<M>(
        (settings, config),
        &Device::capture(),
        true,
        |model, device| {
            let loss = model.losses(worst.batch(samples, device)).sum();
            let loss = loss.div_scalar(samples as f64);
            capture::mark(FORWARD_ENDS, loss.clone());
            gradients_of(model, capture::backward(loss))
        },
    )
}

/// Records the answers to this many samples.
pub(super) fn evaluation<M: Model>(
    (settings, config): (&Config, &M::Config),
    worst: &WorstCase,
    samples: usize,
) -> Result<Recording, TrainError> {
    record::<M>(
        (settings, config),
        &Device::capture(),
        false,
        |model, device| {
            let output = model.answer(worst.batch(samples, device));
            output.probabilities.argmax(1);
            Vec::new()
        },
    )
}

fn record<M: Model>(
    (settings, config): (&Config, &M::Config),
    device: &Device,
    graph: bool,
    pass: impl FnOnce(&M, &Device) -> Vec<burn_ir::TensorId>,
) -> Result<Recording, TrainError> {
    let mut parameters = Vec::new();
    let mut kept = Vec::new();
    let captured = device.capture_scope(|scope| {
        let device = if graph {
            device.clone().autodiff()
        } else {
            device.clone()
        };
        let model = M::init(config, &device).carried_out(settings);
        materialize(&model);
        parameters = parameters_of(&model);
        capture::mark(MODEL_IS_MADE, Tensor::<1>::zeros([1], &device));
        kept = precision(settings).run(|| pass(&model, &device));
        scope.complete([], [])
    });
    let captured =
        captured.map_err(|error| TrainError::Model(ConfigureError(error.to_string())))?;
    Ok(Recording::new(
        &captured.graph.operations,
        parameters,
        &kept,
    ))
}

impl Recording {
    fn new(
        recorded: &[OperationIr],
        parameters: Vec<Parameter>,
        kept: &[burn_ir::TensorId],
    ) -> Self {
        let mut parts = vec!["inputs".to_owned()];
        let mut part_of: HashMap<TensorId, usize> = HashMap::new();
        for parameter in &parameters {
            let known = parts.iter().position(|part| *part == parameter.part);
            let part = known.unwrap_or_else(|| {
                parts.push(parameter.part.clone());
                parts.len() - 1
            });
            part_of.insert(parameter.id, part);
        }
        let mut trace = Trace {
            kept: kept.iter().map(|id| TensorId(id.value())).collect(),
            ..Trace::default()
        };
        let mut there: HashSet<TensorId> = HashSet::new();
        let mut forward = None;
        let mut part = 0;
        let pass = recorded
            .iter()
            .skip_while(|one| !is_mark(one, MODEL_IS_MADE));
        for one in pass.skip(1) {
            if is_mark(one, FORWARD_ENDS) {
                forward = Some(trace.operations.len());
                continue;
            }
            for read in one.inputs() {
                let id = TensorId(read.id.value());
                if there.insert(id) {
                    // Nothing of the pass made it: a parameter or a constant of the model.
                    trace.held.push(tensor(read));
                }
                if let Some(owner) = part_of.get(&id) {
                    part = *owner;
                }
            }
            let step = Operation {
                part,
                ..operation(one)
            };
            there.extend(step.outputs.iter().map(|made| made.id));
            trace.operations.push(step);
        }
        trace.forward = forward.unwrap_or(trace.operations.len());
        Self {
            trace,
            parts,
            parameters,
        }
    }

    /// Bytes of the parameters that the pass never reads: they are there, too.
    pub(super) fn unread(&self) -> u64 {
        let held: HashSet<_> = self.trace.held.iter().map(|tensor| tensor.id).collect();
        let unread = self.parameters.iter().filter(|one| !held.contains(&one.id));
        unread.map(|one| one.bytes).sum()
    }
}

fn is_mark(operation: &OperationIr, name: &str) -> bool {
    matches!(operation, OperationIr::Custom(custom) if custom.id == name)
}

/// What the gradients of the parameters are called in the record.
fn gradients_of<M: Model>(model: &M, gradients: Gradients) -> Vec<burn_ir::TensorId> {
    struct Take {
        from: Gradients,
        found: Vec<burn_ir::TensorId>,
    }
    impl ModuleVisitor for Take {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = self.from.remove(param.val());
            self.found.extend(gradient.and_then(capture::id));
        }
    }
    let mut take = Take {
        from: gradients,
        found: Vec::new(),
    };
    model.visit(&mut take);
    take.found
}

fn parameters_of<M: Model>(model: &M) -> Vec<Parameter> {
    struct Collect {
        path: Vec<String>,
        found: Vec<Parameter>,
        seen: HashSet<TensorId>,
    }
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            let bytes = (value.shape().num_elements() * value.dtype().size()) as u64;
            let trained = param.is_require_grad();
            let id = capture::id(value).map(|id| TensorId(id.value()));
            if let Some(id) = id.filter(|id| self.seen.insert(*id)) {
                self.found.push(Parameter {
                    id,
                    bytes,
                    part: part_of(&self.path),
                    trained,
                });
            }
        }
    }
    let mut collect = Collect {
        path: Vec::new(),
        found: Vec::new(),
        seen: HashSet::new(),
    };
    model.visit(&mut collect);
    collect.found
}

/// The part of the model that a parameter is in: its path as far as the first number, or as the second name.
fn part_of(path: &[String]) -> String {
    let numbered = path.iter().position(|name| name.parse::<usize>().is_ok());
    let names = numbered.map_or(2, |index| index + 1).min(path.len());
    path[..names].join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_ends_with_its_first_number() {
        let part = |path: &str| {
            let names: Vec<_> = path.split('.').map(str::to_owned).collect();
            part_of(&names)
        };
        assert_eq!(
            part("image_encoder.Swin.layers.2.blocks.5.attn.qkv.weight"),
            "image_encoder.Swin.layers.2"
        );
        assert_eq!(
            part("coarse.text_decoder.bert.embeddings.layer_norm.gamma"),
            "coarse.text_decoder"
        );
        assert_eq!(part("weight"), "weight");
    }
}
