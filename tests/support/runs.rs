//! What tests of whole runs share.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use model_api::Model;
use trainer::{Checkpoints, Event, Observer};

use crate::golden::Gradients;

/// Held by a test while it draws random numbers on the CPU backend, whose generator is one for the process.
pub fn random_numbers() -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches a run without a word.
#[derive(Debug)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&mut self, _event: &Event) {}

    fn tick(&mut self, _step: usize) {}
}

/// Weights of a run's newest whole checkpoint, by path.
pub fn newest_weights<M: Model>(run_dir: &Path) -> Gradients {
    let (newest, _) = Checkpoints::of(run_dir).newest();
    let config = fs::read_to_string(run_dir.join("model.json")).expect("model.json");
    let config: M::Config = serde_json::from_str(&config).expect("the model's configuration");
    let model = M::init(&config, &Device::flex());
    weights(
        &newest
            .expect("a whole checkpoint")
            .load_model(model)
            .expect("it is of this model"),
    )
}

/// Weights of a module by path.
pub fn weights<M: Module>(module: &M) -> Gradients {
    struct Collect {
        path: Vec<String>,
        found: Gradients,
    }
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.found
                .insert(self.path.join("."), param.val().into_data());
        }
    }
    let mut collect = Collect {
        path: Vec::new(),
        found: Gradients::new(),
    };
    module.visit(&mut collect);
    collect.found
}
