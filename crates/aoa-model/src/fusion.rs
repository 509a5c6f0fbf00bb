//! Learned fusion of branches, answer by answer.

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

/// Configuration of [`AnswerFusion`].
#[derive(Config, Debug)]
pub struct AnswerFusionConfig {
    /// Branches that are fused.
    pub branches: usize,
    /// Answers of the answer list.
    pub answers: usize,
    /// Weight of the fused answer in the loss; every branch has weight 1.
    pub fusion_ratio: f64,
}

/// Weighted mean of what several branches say, with learned weights for every answer (Nguyen et al., "Coarse-to-Fine
/// Reasoning for Visual Question Answering", CVPR workshops 2022).
///
/// `fused = sum over branches n of softmax(adapted_w)[n] * branch n`, the softmax taken over the branches. It applies to
/// logits and to probabilities alike. Parameter paths are the PyTorch names.
#[derive(Module, Debug)]
pub struct AnswerFusion {
    /// `[branches, answers]`, before the softmax.
    pub adapted_w: Param<Tensor<2>>,
    fusion_ratio: f64,
}

impl AnswerFusionConfig {
    /// Creates the fusion on `device`; at first it is the plain mean.
    pub fn init(&self, device: &Device) -> AnswerFusion {
        AnswerFusion {
            adapted_w: Initializer::Ones.init([self.branches, self.answers], device),
            fusion_ratio: self.fusion_ratio,
        }
    }
}

impl AnswerFusion {
    /// Fuses the branches, each `[batch, answers]`, to `[batch, answers]`.
    ///
    /// # Panics
    ///
    /// When there are not as many branches as configured.
    pub fn forward(&self, branches: &[Tensor<2>]) -> Tensor<2> {
        let weights = softmax(self.adapted_w.val(), 0); // [branches, answers]
        // A single branch would be broadcast.
        assert_eq!(branches.len(), weights.dims()[0], "branches to fuse");
        let branches = Tensor::stack::<3>(branches.to_vec(), 1); // [batch, branches, answers]
        (branches * weights.unsqueeze()).sum_dim(1).squeeze_dim(1)
    }

    /// Training loss of every sample, `[batch]`: `fusion_ratio * fused + sum of branches`, from the loss of the fused
    /// answer and those of the branches, `[batch]` each.
    pub fn loss(
        &self,
        fused: Tensor<1>,
        branches: impl IntoIterator<Item = Tensor<1>>,
    ) -> Tensor<1> {
        branches
            .into_iter()
            .fold(fused.mul_scalar(self.fusion_ratio), |sum, branch| {
                sum + branch
            })
    }
}
