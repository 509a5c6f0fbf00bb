//! Looking through a model's parameters.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

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
/// Burn draws weights when they are first used. Without this the first forward pass would decide which random
/// numbers a weight gets, and the seed of its dropout would leak into them.
pub fn materialize<M: Module>(model: &M) {
    struct Touch;
    impl ModuleVisitor for Touch {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let _ = param.val();
        }
    }
    model.visit(&mut Touch);
}
