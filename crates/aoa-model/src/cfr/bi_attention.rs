//! Bilinear attention maps.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use burn_frugal::RowKeys;

use super::bc_net::{BcNet, BcNetConfig};
use super::masked::Masked;

/// Logit of a masked pair: far below any other, and finite, so that no map is without a number.
const MASKED_LOGIT: f32 = -1e9;

/// Configuration of [`BiAttention`].
#[derive(Config, Debug)]
pub struct BiAttentionConfig {
    /// Channels of the first sequence.
    pub v_dim: usize,
    /// Channels of the second sequence.
    pub q_dim: usize,
    /// Channels of the joint space.
    pub h_dim: usize,
    /// Attention maps.
    pub glimpses: usize,
    /// Factors of a joint channel.
    #[config(default = 1)]
    pub k: usize,
    /// Dropout in front of the projections, and on the projected first sequence.
    #[config(default = "[0.2, 0.5]")]
    pub dropout: [f64; 2],
}

/// Attention maps over all pairs of positions of two sequences (Kim et al., "Bilinear Attention Networks", NeurIPS
/// 2018, equation 5).
#[derive(Module, Debug)]
pub struct BiAttention {
    logits: BcNet,
}

/// Attention maps of every sample.
#[derive(Debug, Clone)]
pub struct AttentionMaps {
    /// `[batch, glimpses, i, j]`; every map sums to one over its cells.
    pub weights: Tensor<4>,
    /// `[batch, glimpses, i, j]`, before the softmax.
    pub logits: Tensor<4>,
}

impl BiAttentionConfig {
    /// Creates the module with freshly drawn weights on `device`.
    pub fn init(&self, device: &Device) -> BiAttention {
        let logits = BcNetConfig::new(self.v_dim, self.q_dim, self.h_dim)
            .with_k(self.k)
            .with_maps(Some(self.glimpses))
            .with_normed(true)
            .with_dropout(self.dropout)
            .init(device);
        BiAttention { logits }
    }
}

impl BiAttention {
    /// Attends from every position of `v` to every position of `q`.
    ///
    /// # Shapes
    ///
    /// - `v`: `[batch, i, v_dim]`
    /// - `q`: `[batch, j, q_dim]`
    /// - `masked`: positions of either that get no attention
    /// - `keys`: what dropout is drawn by, `[batch]`; none: nothing is dropped
    pub fn forward(
        &self,
        v: Tensor<3>,
        q: Tensor<3>,
        masked: Masked<'_>,
        keys: Option<&RowKeys>,
    ) -> AttentionMaps {
        let logits = self.logits.forward(v, q, keys);
        let [batch, maps, i, j] = logits.dims();
        let logits = [(masked.x, [batch, 1, i, 1]), (masked.y, [batch, 1, 1, j])]
            .into_iter()
            .fold(logits, |logits, (masked, shape)| match masked {
                Some(masked) => logits.mask_fill(
                    masked.clone().reshape(shape).expand([batch, maps, i, j]),
                    MASKED_LOGIT,
                ),
                None => logits,
            });
        let shape = logits.dims();
        let weights = softmax(logits.clone().flatten::<3>(2, 3), 2).reshape(shape);
        AttentionMaps { weights, logits }
    }
}
