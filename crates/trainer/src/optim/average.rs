//! The moving average of the weights.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::host::{CHUNK, HostTensor};

/// The exponential moving average of a model's trained weights (Polyak and Juditsky, 1992), which is often more accurate than
/// the weights themselves.
///
/// It begins with the weights after the first step. After step t it moves by `1 - min(decay, t / (t + 9))` of the way to the
/// weights, so that those of the first steps are soon forgotten.
pub(super) struct Average {
    decay: f64,
    /// A tensor for each trained parameter, under its identifier. Burn's container of tensors by parameter is called after
    /// what it was made for.
    weights: GradientsParams,
}

impl Average {
    /// An average that begins with the weights it first sees.
    pub(super) fn new(decay: f64) -> Self {
        Self {
            decay,
            weights: GradientsParams::new(),
        }
    }

    /// Moves towards the weights after a step, counted from 1.
    pub(super) fn follow<M: Module>(&mut self, model: M, step: usize) -> M {
        let step = step as f64;
        let kept = self.decay.min(step / (step + 9.0));
        model.map(&mut Follow {
            average: self,
            moved: (1.0 - kept) as f32,
        })
    }

    /// The model with the average in place of its trained weights; as it is where there is none yet.
    pub(super) fn of<M: Module>(&self, model: M) -> M {
        model.map(&mut Replace(self))
    }

    /// Takes over the trained weights of a model as the average.
    pub(super) fn load<M: Module>(&mut self, model: &M) {
        model.visit(&mut Load(self));
    }
}

struct Follow<'a> {
    average: &'a mut Average,
    /// Part of the way from the average to the weights.
    moved: f32,
}

impl ModuleMapper for Follow<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !param.is_require_grad() {
            return param;
        }
        let id = param.id;
        param.map(|weight| {
            let weight = weight.inner();
            let (weight, average) = if let Some(average) = self.average.weights.remove::<D>(id) {
                move_towards(weight, average, self.moved)
            } else {
                // Not a clone, which later changes in place would have to be copied for.
                let average = weight.clone().mul_scalar(1.0);
                (weight, average)
            };
            self.average.weights.register(id, average);
            Tensor::from_inner(weight).require_grad()
        })
    }
}

/// The weight, and the average moved by a part of the way to it.
fn move_towards<const D: usize>(
    weight: Tensor<D>,
    average: Tensor<D>,
    moved: f32,
) -> (Tensor<D>, Tensor<D>) {
    match HostTensor::take([weight, average]) {
        Ok([mut weight, mut average]) => {
            let chunks = average.numbers().par_chunks_mut(CHUNK);
            let pairs = chunks.zip(weight.numbers().par_chunks(CHUNK));
            pairs.for_each(|(average, weight)| {
                for (average, weight) in average.iter_mut().zip(weight) {
                    *average += (weight - *average) * moved;
                }
            });
            (weight.into_tensor(), average.into_tensor())
        }
        Err([weight, average]) => {
            let way = weight.clone().sub(average.clone());
            (weight, average.add(way.mul_scalar(moved)))
        }
    }
}

struct Replace<'a>(&'a Average);

impl ModuleMapper for Replace<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.0.weights.get::<D>(param.id) {
            Some(average) => param.map(|_| Tensor::from_inner(average).require_grad()),
            None => param,
        }
    }
}

struct Load<'a>(&'a mut Average);

impl ModuleVisitor for Load<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            let weight = param.val().inner();
            self.0.weights.register(param.id, weight);
        }
    }
}
