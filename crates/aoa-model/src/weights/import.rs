//! Filling modules from a file, and which tensor of it each parameter comes from.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use weight_files::{WeightFile, WeightFileError};

use super::layout::{Layout, Place};
use super::report::{Interpolated, MisShaped, Report};
use crate::xvlm::swin::resize_bias_table;

/// Last part of the name of a table that can be resized.
const BIAS_TABLE: &str = "relative_position_bias_table";

/// Which tensor of a file each parameter of a model comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Name in the model to name in the file. Several parameters may come from one tensor.
    pub sources: BTreeMap<String, String>,
    /// Names in the model of parameters that such a file does not have and that stay as they are.
    pub fresh: BTreeSet<String>,
    /// Names in the file of tensors that follow from others: buffers, and second names of tied weights.
    pub implied: BTreeSet<String>,
}

impl Names {
    /// Each parameter comes from the tensor of its own name.
    pub fn of(file: &WeightFile) -> Self {
        let own = |name: &str| (name.to_owned(), name.to_owned());
        Self {
            sources: file.names().map(own).collect(),
            ..Self::default()
        }
    }
}

/// An import of a file into the modules that a model is made of, one after the other.
///
/// Tensors are read one at a time, so beside the model an import needs the memory of its largest tensor.
#[derive(Debug)]
pub struct Import<'a> {
    file: &'a WeightFile,
    names: Names,
    used: BTreeSet<String>,
    report: Report,
}

impl<'a> Import<'a> {
    /// Starts an import of `file`, in which `names` says where parameters are.
    pub fn new(file: &'a WeightFile, names: Names) -> Self {
        Self {
            file,
            names,
            used: BTreeSet::new(),
            report: Report::default(),
        }
    }

    /// Gives `module` what the file has of it; `name` is the `PyTorch` name of the parameter at a path of the module.
    /// Parameters stay on their device and stay trained or frozen.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or holds integers, what is not finite or a tensor of a form that is not read where weights
    /// should be. What the file has not, or has in another shape, is no error; [`finish`](Self::finish) names it.
    pub fn load<M: Module>(
        &mut self,
        module: M,
        name: impl Fn(&str) -> String,
    ) -> Result<M, WeightFileError> {
        let mut fill = Fill {
            import: self,
            name,
            place: Place::default(),
            error: None,
        };
        let module = module.map(&mut fill);
        match fill.error {
            Some(error) => Err(error),
            None => Ok(module),
        }
    }

    /// What happened to each parameter of the modules and each tensor of the file.
    pub fn finish(mut self) -> Report {
        for (name, _) in self.file.tensors() {
            if self.names.implied.contains(name) {
                self.report.implied.push(name.to_owned());
            } else if !self.used.contains(name) {
                self.report.unexpected.push(name.to_owned());
            }
        }
        self.report.ignored = self.file.ignored().to_vec();
        let unread = self.file.unread();
        let unread = unread.map(|(name, what)| format!("{name} ({what})"));
        self.report.ignored.extend(unread);
        self.report
    }

    /// The values of the parameter `name`, which `PyTorch` stores in `shape`. What stands in the way is noted.
    fn values(
        &mut self,
        name: String,
        shape: &[usize],
    ) -> Result<Option<Vec<f32>>, WeightFileError> {
        if self.names.fresh.contains(&name) {
            self.report.fresh.push(name);
            return Ok(None);
        }
        let source = self.names.sources.get(&name);
        let stored = source.and_then(|source| Some((source, self.file.tensor(source)?)));
        let Some((source, stored)) = stored else {
            // It may be there in a form that is not read, which is an error.
            if let Some(source) = source.filter(|source| self.file.is_unread(source)) {
                return self.file.weights(source).map(Some);
            }
            self.report.missing.push(name);
            return Ok(None);
        };
        self.used.insert(source.clone());
        if stored.shape == shape {
            let values = self.file.weights(source)?;
            self.report.loaded.push(name);
            return Ok(Some(values));
        }
        if name.ends_with(BIAS_TABLE)
            && let ([rows, heads], [target, same]) = (&stored.shape[..], shape)
            && heads == same
            && let (Some(from), Some(to)) = (window(*rows), window(*target))
            && let Ok(values) = resize_bias_table(&self.file.weights(source)?, *heads, from, to)
        {
            self.report
                .interpolated
                .push(Interpolated { name, from, to });
            return Ok(Some(values));
        }
        self.report.mis_shaped.push(MisShaped {
            name,
            file: stored.shape.clone(),
            model: shape.to_vec(),
        });
        Ok(None)
    }
}

/// The window whose bias table has this many rows.
fn window(rows: usize) -> Option<usize> {
    let reach = rows.isqrt();
    (reach * reach == rows && reach % 2 == 1).then_some(reach.div_ceil(2))
}

/// A walk through a module that replaces its parameters.
struct Fill<'i, 'a, N> {
    import: &'i mut Import<'a>,
    name: N,
    place: Place,
    error: Option<WeightFileError>,
}

impl<N: Fn(&str) -> String> ModuleMapper for Fill<'_, '_, N> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.place.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.place.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.error.is_some() {
            return param;
        }
        let dims: [usize; D] = param.lazy_shape().dims();
        let layout: Layout = self.place.layout(D);
        let shape = layout.shape(&dims);
        match self.import.values((self.name)(&self.place.path()), &shape) {
            Ok(None) => param,
            Ok(Some(values)) => {
                let values = TensorData::new(layout.convert(values, &shape), dims);
                let (id, device) = (param.id, param.lazy_device());
                param.transform_for_load(Tensor::from_data(values, &device), id)
            }
            Err(error) => {
                self.error = Some(error);
                param
            }
        }
    }
}
