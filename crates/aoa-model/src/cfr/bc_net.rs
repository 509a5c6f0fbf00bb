//! Low-rank bilinear form of two sequences.

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use burn_frugal::{RowKeys, dropout, product};

use super::fc_net::{FcNet, FcNetConfig};
use crate::weight_norm::{WeightNormLinear, WeightNormLinearConfig, gain, weight_norm};

/// Up to this many maps are weighted by a plain tensor; more by a weight-normed linear layer.
const PLAIN_MAPS: usize = 32;

/// Configuration of [`BcNet`].
#[derive(Config, Debug)]
pub struct BcNetConfig {
    /// Channels of the first sequence.
    pub v_dim: usize,
    /// Channels of the second sequence.
    pub q_dim: usize,
    /// Channels of the joint space.
    pub h_dim: usize,
    /// Factors of a joint channel: both sequences are projected to `h_dim * k` channels.
    #[config(default = 1)]
    pub k: usize,
    /// Maps that [`BcNet::forward`] returns; none: all products.
    pub maps: Option<usize>,
    /// Whether the weights of up to 32 maps are weight-normed.
    #[config(default = false)]
    pub normed: bool,
    /// Dropout in front of both projections, and on the projected first sequence where there are maps.
    #[config(default = "[0.2, 0.5]")]
    pub dropout: [f64; 2],
}

/// Low-rank bilinear form of two sequences (Kim et al., "Bilinear Attention Networks", NeurIPS 2018, equations 2 to 6).
///
/// With `V = v_net(v)` and `Q = q_net(q)`, both rectified, the form is `sum_d h[g, d] V[i, d] Q[j, d] + bias[g]` for
/// every map `g` and pair `(i, j)`, or the products `V[i, d] Q[j, d]` themselves where there are no maps.
#[derive(Module, Debug)]
pub struct BcNet {
    v_net: FcNet,
    q_net: FcNet,
    maps: Option<Maps>,
    dropout: f64,
    k: usize,
}

/// Weights of the maps.
#[derive(Module, Debug)]
enum Maps {
    Plain(PlainMaps),
    Normed(NormedMaps),
    /// `[joint, maps]`
    Linear(WeightNormLinear),
}

#[derive(Module, Debug)]
struct PlainMaps {
    /// `[1, maps, 1, joint]`
    mat: Param<Tensor<4>>,
    /// `[1, maps, 1, 1]`
    bias: Param<Tensor<4>>,
}

#[derive(Module, Debug)]
struct NormedMaps {
    /// Direction, `[1, maps, 1, joint]`.
    mat_v: Param<Tensor<4>>,
    /// Gain, `[1]`.
    mat_g: Param<Tensor<1>>,
    /// `[1, maps, 1, 1]`
    bias: Param<Tensor<4>>,
}

impl BcNetConfig {
    /// Creates the net with freshly drawn weights on `device`.
    pub fn init(&self, device: &Device) -> BcNet {
        let joint = self.h_dim * self.k;
        let [projection, attention] = self.dropout;
        let project = |dim| {
            FcNetConfig::new(vec![dim, joint], true)
                .with_dropout(Some(projection))
                .init(device)
        };
        BcNet {
            v_net: project(self.v_dim),
            q_net: project(self.q_dim),
            maps: self.maps.map(|maps| self.init_maps(maps, joint, device)),
            dropout: attention,
            k: self.k,
        }
    }

    fn init_maps(&self, maps: usize, joint: usize, device: &Device) -> Maps {
        if maps > PLAIN_MAPS {
            return Maps::Linear(WeightNormLinearConfig::new(joint, maps).init(device));
        }
        let normal = Initializer::Normal {
            mean: 0.0,
            std: 1.0,
        };
        let mat: Param<Tensor<4>> = normal.init([1, maps, 1, joint], device);
        let bias = normal.init([1, maps, 1, 1], device);
        if self.normed {
            Maps::Normed(NormedMaps {
                mat_g: gain(mat.val()),
                mat_v: mat,
                bias,
            })
        } else {
            Maps::Plain(PlainMaps { mat, bias })
        }
    }
}

impl BcNet {
    /// The bilinear form of every pair of positions.
    ///
    /// # Shapes
    ///
    /// - `v`: `[batch, i, v_dim]`
    /// - `q`: `[batch, j, q_dim]`
    /// - `keys`: what dropout is drawn by, `[batch]`; none: nothing is dropped
    /// - result: `[batch, maps, i, j]`, or without maps the products `[batch, i, j, h_dim * k]`
    pub fn forward(&self, v: Tensor<3>, q: Tensor<3>, keys: Option<&RowKeys>) -> Tensor<4> {
        let [v, q] = self.project(v, q, keys);
        let Some(maps) = &self.maps else {
            return v.unsqueeze_dim::<4>(2) * q.unsqueeze_dim::<4>(1);
        };
        let (weight, bias) = maps.weight_and_bias();
        let keys = keys.map(|keys| keys.fold_in(2));
        let v = dropout(v, self.dropout, keys.as_ref());
        // The weight goes to the shorter sequence, whose copy for every map is the largest tensor here.
        let form = if v.dims()[1] <= q.dims()[1] {
            weighted_products(v, q, weight)
        } else {
            weighted_products(q, v, weight).swap_dims(2, 3)
        };
        form + bias
    }

    /// Joint feature of two sequences, pooled over all pairs of positions by an attention map (equation 6 there):
    /// `sum_ij V[i, d] w[i, j] Q[j, d]`, where every `k` neighbouring channels are summed.
    ///
    /// # Shapes
    ///
    /// - `v`: `[batch, i, v_dim]`
    /// - `q`: `[batch, j, q_dim]`
    /// - `weights`: `[batch, i, j]`
    /// - `keys`: what dropout is drawn by, `[batch]`; none: nothing is dropped
    /// - result: `[batch, h_dim]`
    pub fn pooled(
        &self,
        v: Tensor<3>,
        q: Tensor<3>,
        weights: Tensor<3>,
        keys: Option<&RowKeys>,
    ) -> Tensor<2> {
        let [v, q] = self.project(v, q, keys);
        // One position axis is contracted at a time: no tensor has both of them and the channels.
        let pooled = (v * product(weights, q)).sum_dim(1); // [batch, 1, joint]
        let [batch, _, joint] = pooled.dims();
        if self.k == 1 {
            return pooled.reshape([batch, joint]);
        }
        pooled
            .reshape([batch, joint / self.k, self.k])
            .sum_dim(2)
            .squeeze_dim(2)
    }

    /// Both sequences in the joint space, `[batch, i, joint]` and `[batch, j, joint]`.
    fn project(&self, v: Tensor<3>, q: Tensor<3>, keys: Option<&RowKeys>) -> [Tensor<3>; 2] {
        let [v_keys, q_keys] = [0, 1].map(|side| keys.map(|keys| keys.fold_in(side)));
        [
            self.v_net.forward(v, v_keys.as_ref()),
            self.q_net.forward(q, q_keys.as_ref()),
        ]
    }
}

impl Maps {
    /// Weight `[1, maps, 1, joint]` and bias `[1, maps, 1, 1]`.
    fn weight_and_bias(&self) -> (Tensor<4>, Tensor<4>) {
        match self {
            Self::Plain(plain) => (plain.mat.val(), plain.bias.val()),
            Self::Normed(normed) => (
                weight_norm(normed.mat_v.val(), normed.mat_g.val()),
                normed.bias.val(),
            ),
            Self::Linear(linear) => {
                let weight = linear.weight();
                let [joint, maps] = weight.dims();
                (
                    weight.transpose().reshape([1, maps, 1, joint]),
                    linear.bias.val().reshape([1, maps, 1, 1]),
                )
            }
        }
    }
}

/// `sum_d weight[g, d] left[i, d] right[j, d]`: `[batch, i, joint]` and `[batch, j, joint]` to `[batch, maps, i, j]`.
fn weighted_products(left: Tensor<3>, right: Tensor<3>, weight: Tensor<4>) -> Tensor<4> {
    let [batch, i, joint] = left.dims();
    let j = right.dims()[1];
    let maps = weight.dims()[1];
    let weighted = (left.unsqueeze_dim::<4>(1) * weight).reshape([batch, maps * i, joint]);
    product(weighted, right.swap_dims(1, 2)).reshape([batch, maps, i, j])
}
