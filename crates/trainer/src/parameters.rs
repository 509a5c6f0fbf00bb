//! Looking through a model's parameters.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

use crate::device::is_cpu;

/// Trainable parameters of a model.
pub fn count<M: Module>(model: &M) -> usize {
    struct Count(usize);
    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                self.0 += param.lazy_shape().num_elements();
            }
        }
    }
    let mut total = Count(0);
    model.visit(&mut total);
    total.0
}

/// Draws every weight that is not drawn yet, in the order of the module tree.
///
/// Burn draws weights when they are first used. Without this the first forward pass would decide which random numbers a
/// weight gets.
pub fn materialize<M: Module>(model: &M) {
    struct Touch;
    impl ModuleVisitor for Touch {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let _ = param.val();
        }
    }
    model.visit(&mut Touch);
}

/// Numbers of type f32 that hold nothing but themselves. What was read from a checkpoint is a view of the whole file, and
/// keeps it even when it has been written to.
pub(crate) fn owned(data: TensorData) -> TensorData {
    if data.bytes().view(0, 0).is_err() {
        return data;
    }
    let numbers: Vec<f32> = data.iter().collect();
    TensorData::new(numbers, data.shape().clone())
}

/// The model with weights that hold nothing but themselves; see [`owned`].
pub(crate) fn with_owned_weights<M: Module>(model: M) -> M {
    struct Own;
    impl ModuleMapper for Own {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|weight| {
                let device = weight.device();
                if !is_cpu(&device.clone().inner()) {
                    return weight;
                }
                let trained = weight.is_require_grad();
                Tensor::from_data(owned(weight.into_data()), &device).set_require_grad(trained)
            })
        }
    }
    model.map(&mut Own)
}
