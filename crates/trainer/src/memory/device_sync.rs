//! Whether a device that works behind our back has computed what it was asked for.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, Transaction};

use super::DeviceFailure;
use crate::device::is_cpu;

/// Waits for the gradients of a model.
///
/// # Errors
///
/// When one of them could not be computed.
pub(crate) fn ensure_gradients<M: Module>(
    model: &M,
    gradients: &GradientsParams,
    device: &Device,
) -> Result<(), DeviceFailure> {
    ensure(model, Some(gradients), device)
}

/// Waits for the weights of a model.
///
/// # Errors
///
/// When one of them could not be computed.
pub(crate) fn ensure_weights<M: Module>(model: &M, device: &Device) -> Result<(), DeviceFailure> {
    ensure(model, None, device)
}

/// A kernel that finds no memory for its result is skipped, and so is what depends on it. Nobody is told before one of these
/// results is read; waiting for the device alone does not tell. So one number of each tensor is read.
fn ensure<M: Module>(
    model: &M,
    gradients: Option<&GradientsParams>,
    device: &Device,
) -> Result<(), DeviceFailure> {
    if is_cpu(&device.clone().inner()) {
        // Whatever was asked for is there.
        return Ok(());
    }
    let mut numbers = Numbers {
        gradients,
        read: Some(Transaction::default()),
    };
    model.visit(&mut numbers);
    let read = numbers.read.unwrap_or_default().try_execute();
    read.map(drop)
        .map_err(|error| DeviceFailure::of_error(&error.to_string()))
}

/// The first number of each parameter or of its gradient.
struct Numbers<'a> {
    gradients: Option<&'a GradientsParams>,
    /// There but while one more is added.
    read: Option<Transaction>,
}

impl ModuleVisitor for Numbers<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = match self.gradients {
            Some(gradients) => gradients.get::<D>(param.id),
            None => Some(param.val().inner()),
        };
        if let Some(tensor) = tensor {
            let first = tensor.slice(std::array::from_fn::<_, D, _>(|_| 0..1));
            self.read = self.read.take().map(|read| read.register(first));
        }
    }
}
