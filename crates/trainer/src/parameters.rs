//! Looking through a model's parameters.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, Int, Tensor, TensorData};

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

/// The model with identifiers of parameters that follow from their paths.
///
/// Burn draws identifiers at random and writes them to files, so equal models would have files that differ.
pub(crate) fn with_ids_of_paths<M: Module>(model: M) -> M {
    #[derive(Default)]
    struct Identify {
        path: Vec<String>,
    }
    impl Identify {
        fn id(&self) -> ParamId {
            ParamId::from(id_of(&self.path.join(".")))
        }
    }
    impl ModuleMapper for Identify {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }
        fn map_float<const D: usize>(&mut self, mut param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.id = self.id();
            param
        }
        fn map_int<const D: usize>(
            &mut self,
            mut param: Param<Tensor<D, Int>>,
        ) -> Param<Tensor<D, Int>> {
            param.id = self.id();
            param
        }
        fn map_bool<const D: usize>(
            &mut self,
            mut param: Param<Tensor<D, Bool>>,
        ) -> Param<Tensor<D, Bool>> {
            param.id = self.id();
            param
        }
    }
    model.map(&mut Identify::default())
}

/// The 64-bit FNV-1a hash of a path: short, and the same on every machine and in every version. Paths of a model are far too
/// few to collide.
fn id_of(path: &str) -> u64 {
    path.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Test vectors of the hash's authors.
    #[test]
    fn identifiers_are_hashes_of_paths() {
        assert_eq!(id_of(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(id_of("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(id_of("foobar"), 0x8594_4171_f739_67e8);
    }
}
