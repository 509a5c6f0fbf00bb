//! A learned monotone function.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

/// Linear pieces of the unit interval.
const PIECES: usize = 16;

/// Monotone function of the unit interval onto itself, linear on each of 16 equal pieces (Zhang et al., "Learning to Count
/// Objects in Natural Images for Visual Question Answering", ICLR 2018, section 4.1).
#[derive(Module, Debug)]
pub struct PiecewiseLinear {
    /// `[17]`: value at 0 and rise over each piece, up to sign and a common factor.
    weight: Param<Tensor<1>>,
}

impl PiecewiseLinear {
    /// The identity, on `device`.
    pub fn identity(device: &Device) -> Self {
        let mut rises = [1.0_f32; PIECES + 1];
        rises[0] = 0.0;
        let weight = Tensor::from_data(TensorData::new(rises.to_vec(), [PIECES + 1]), device);
        Self {
            weight: Param::from_tensor(weight),
        }
    }

    /// Applies the function to every entry; entries lie in the unit interval.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let rises = self.weight.val().abs();
        let rises = rises.clone() / rises.sum(); // [17]
        let values = rises.clone().cumsum(0); // [17]: at the borders of the pieces

        let shape = x.dims();
        let place = x.flatten::<1>(0, D - 1).mul_scalar(PIECES as f64);
        let border = place.clone().detach().floor().clamp(0.0, PIECES as f64);
        let piece = border.clone().int();
        // At 1 there is no next piece, and nothing of it is needed.
        let next = piece.clone().add_scalar(1).clamp_max(PIECES as i64);
        (values.select(0, piece) + (place - border) * rises.select(0, next)).reshape(shape)
    }
}
