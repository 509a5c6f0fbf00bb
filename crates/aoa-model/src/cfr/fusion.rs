//! Residual fusion of two sequences by bilinear attention.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_frugal::RowKeys;

use super::bc_net::{BcNet, BcNetConfig};
use super::bi_attention::{BiAttention, BiAttentionConfig};
use super::counter::{Counter, CounterConfig};
use super::fc_net::{FcNet, FcNetConfig};
use super::masked::Masked;

/// Configuration of [`BanFusion`].
#[derive(Config, Debug)]
pub struct BanFusionConfig {
    /// Channels of the first sequence, of the joint space and of the result.
    pub dim_1: usize,
    /// Channels of the second sequence.
    pub dim_2: usize,
    /// Attention maps, which refine the first sequence one after the other.
    pub glimpses: usize,
    /// Weight of the second sequence and of what is added to the first.
    pub omega: f64,
    /// Most objects that are counted among the positions of the first sequence; none: nothing is counted.
    pub objects: Option<usize>,
    /// Dropout in front of the projections, and on the projected first sequence of the attention maps.
    #[config(default = "[0.2, 0.5]")]
    pub dropout: [f64; 2],
}

/// Refines one sequence by another through bilinear attention (Kim et al., "Bilinear Attention Networks", NeurIPS 2018,
/// equation 12; Nguyen et al., "Coarse-to-Fine Reasoning for Visual Question Answering", 2022).
///
/// The attention maps are computed once, from the incoming sequences. Each glimpse `g` in turn pools
/// `e = b_net(x, omega * y; map g)` and sets `x = x + omega * q_prj(e) * x`; then it adds the projected count of the
/// objects that the map attends to, where there is a counter.
#[derive(Module, Debug)]
pub struct BanFusion {
    v_att: BiAttention,
    b_net: Vec<BcNet>,
    q_prj: Vec<FcNet>,
    c_prj: Vec<FcNet>,
    counter: Option<Counter>,
    omega: f64,
}

impl BanFusionConfig {
    /// Creates the module with freshly drawn weights on `device`.
    pub fn init(&self, device: &Device) -> BanFusion {
        let (dim, glimpses) = (self.dim_1, self.glimpses);
        let connect = BcNetConfig::new(dim, self.dim_2, dim).with_dropout(self.dropout);
        let project = FcNetConfig::new(vec![dim, dim], false).with_dropout(Some(self.dropout[0]));
        let counts = self
            .objects
            .map(|objects| FcNetConfig::new(vec![objects + 1, dim], true));
        BanFusion {
            v_att: BiAttentionConfig::new(dim, self.dim_2, dim, glimpses)
                .with_dropout(self.dropout)
                .init(device),
            b_net: (0..glimpses).map(|_| connect.init(device)).collect(),
            q_prj: (0..glimpses).map(|_| project.init(device)).collect(),
            c_prj: counts
                .iter()
                .flat_map(|config| (0..glimpses).map(|_| config.init(device)))
                .collect(),
            counter: self
                .objects
                .map(|objects| CounterConfig::new(objects).init(device)),
            omega: self.omega,
        }
    }
}

impl BanFusion {
    /// Attention maps.
    pub fn glimpses(&self) -> usize {
        self.q_prj.len()
    }

    /// Refines `x` by `y`; the result has the shape of `x`.
    ///
    /// # Shapes
    ///
    /// - `x`: `[batch, i, dim_1]`
    /// - `y`: `[batch, j, dim_2]`
    /// - `masked`: positions of either that get no attention and are not counted
    /// - `boxes`: `[batch, i, 4 or more]`, beginning with left, top, right, bottom; read by the counter
    /// - `keys`: random keys of dropout, `[batch]`; without them nothing is dropped
    ///
    /// # Panics
    ///
    /// When there is a counter and no boxes, or boxes and no counter.
    pub fn forward(
        &self,
        x: Tensor<3>,
        y: Tensor<3>,
        masked: Masked<'_>,
        boxes: Option<Tensor<3>>,
        keys: Option<&RowKeys>,
    ) -> Tensor<3> {
        let counter = match (&self.counter, boxes) {
            (Some(counter), Some(boxes)) => {
                Some((counter, boxes.narrow(2, 0, 4).swap_dims(1, 2))) // [batch, 4, i]
            }
            (None, None) => None,
            _ => panic!("boxes are given exactly where a counter is configured"),
        };
        let part = |index| keys.map(|keys| keys.fold_in(index));
        let maps = self
            .v_att
            .forward(x.clone(), y.clone(), masked, part(0).as_ref());
        let [batch, _, i, j] = maps.logits.dims();
        let y = y.mul_scalar(self.omega);

        let glimpses = self.b_net.iter().zip(&self.q_prj).enumerate();
        glimpses.fold(x, |x, (glimpse, (b_net, q_prj))| {
            let map = maps.weights.clone().narrow(1, glimpse, 1);
            let own = part(1 + glimpse);
            let [pool_keys, gate_keys] =
                [0, 1].map(|index| own.as_ref().map(|keys| keys.fold_in(index)));
            let pooled = b_net.pooled(
                x.clone(),
                y.clone(),
                map.reshape([batch, i, j]),
                pool_keys.as_ref(),
            );
            let gate = q_prj.forward(pooled, gate_keys.as_ref());
            let gate = gate.mul_scalar(self.omega).add_scalar(1.0);
            let x = x * gate.unsqueeze_dim::<3>(1);
            let Some((counter, boxes)) = &counter else {
                return x;
            };
            let attention = maps.logits.clone().narrow(1, glimpse, 1).max_dim(3);
            let count = counter.forward(boxes.clone(), attention.reshape([batch, i]), masked.x);
            // The projection of counts has no dropout.
            x + self.c_prj[glimpse]
                .forward(count, None)
                .unsqueeze_dim::<3>(1)
        })
    }
}
