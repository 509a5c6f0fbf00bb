//! Collecting modules for a file.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use weight_files::TensorBytes;

use super::layout::{Layout, Place};

/// Tensors by `PyTorch` name and in `PyTorch`'s layout, from the modules that a model is made of.
#[derive(Debug, Default)]
pub struct Export {
    tensors: BTreeMap<String, TensorBytes>,
}

impl Export {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the parameters of `module`; `name` is the `PyTorch` name of the parameter at a path of the module.
    pub fn add<M: Module>(&mut self, module: &M, name: impl Fn(&str) -> String) {
        module.visit(&mut Collect {
            export: self,
            name,
            place: Place::default(),
        });
    }

    /// Adds a tensor of single-precision numbers or of integers.
    pub fn add_data(&mut self, name: String, data: &TensorData) {
        let shape = data.shape().to_vec();
        let tensor = if data.dtype().is_float() {
            TensorBytes::from_f32(shape, &data.iter::<f32>().collect::<Vec<_>>())
        } else {
            TensorBytes::from_i64(shape, &data.iter::<i64>().collect::<Vec<_>>())
        };
        self.tensors.insert(name, tensor);
    }

    /// Adds a second name of a tensor that is there.
    pub fn add_second_name(&mut self, second: String, first: &str) {
        if let Some(tensor) = self.tensors.get(first) {
            self.tensors.insert(second, tensor.clone());
        }
    }

    /// The tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, TensorBytes> {
        &self.tensors
    }

    /// Takes the tensors out.
    pub fn into_tensors(self) -> BTreeMap<String, TensorBytes> {
        self.tensors
    }
}

/// A walk through a module that collects its parameters.
struct Collect<'e, N> {
    export: &'e mut Export,
    name: N,
    place: Place,
}

impl<N: Fn(&str) -> String> ModuleVisitor for Collect<'_, N> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.place.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.place.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.transform_for_save().val();
        let layout: Layout = self.place.layout(D);
        let (dims, values) = (value.dims(), value.into_data().iter().collect());
        let tensor = TensorBytes::from_f32(layout.shape(&dims), &layout.convert(values, &dims));
        let name = (self.name)(&self.place.path());
        self.export.tensors.insert(name, tensor);
    }
}
