//! The fine branches to choose from.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use burn_frugal::Checkpointing;
use model_api::DropoutKeys;

use crate::cfr;
use crate::compact::{CompactBranch, CompactBranchConfig};

/// Configuration of [`FineBranch`].
#[derive(Config, Debug)]
pub enum FineBranchConfig {
    /// For small data sets.
    Compact(CompactBranchConfig),
    /// As published. Its vocabulary has one word less than there are word ids, since padding is none.
    Cfr(cfr::FineBranchConfig),
}

/// Classifies the answer from words and regions.
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a model has one, and its weights dwarf it"
)]
pub enum FineBranch {
    /// See [`CompactBranch`].
    Compact(CompactBranch),
    /// See [`cfr::FineBranch`].
    Cfr(CfrBranch),
}

/// The published branch, and how its word ids differ.
#[derive(Module, Debug)]
pub struct CfrBranch {
    /// The branch.
    pub branch: cfr::FineBranch,
    /// Word ids, padding among them.
    word_ids: usize,
}

impl FineBranchConfig {
    /// Channels of a region.
    pub fn region_dim(&self) -> usize {
        match self {
            Self::Compact(config) => config.region_dim,
            Self::Cfr(config) => config.region_dim,
        }
    }

    /// Creates the branch with freshly drawn weights on `device`.
    pub fn init(&self, device: &Device) -> FineBranch {
        match self {
            Self::Compact(config) => FineBranch::Compact(config.init(device)),
            Self::Cfr(config) => FineBranch::Cfr(CfrBranch {
                branch: config.init(device),
                word_ids: config.words + 1,
            }),
        }
    }
}

impl FineBranch {
    /// As [`AoaStack::set_checkpointing`](crate::AoaStack::set_checkpointing).
    pub fn set_checkpointing(&mut self, checkpointing: Checkpointing) {
        match self {
            Self::Compact(branch) => branch.set_checkpointing(checkpointing),
            Self::Cfr(CfrBranch { branch, .. }) => branch.set_checkpointing(checkpointing),
        }
    }

    /// Logits of the answers, `[batch, answers]`. Word ids are padded with 0. Dropout is drawn by `keys`; without them
    /// nothing is dropped.
    ///
    /// # Panics
    ///
    /// When entities or statistical words are given to a branch that has no part for them, or the other way round.
    pub fn forward(&self, input: cfr::FineInput, keys: Option<&DropoutKeys>) -> Tensor<2> {
        match self {
            Self::Compact(branch) => {
                assert!(
                    input.entities.is_none() && input.statistical_words.is_none(),
                    "the compact branch reads questions and regions only"
                );
                branch.forward(
                    input.question,
                    input.regions,
                    input.masked_regions.as_ref(),
                    input.image_of,
                    keys,
                )
            }
            Self::Cfr(CfrBranch { branch, word_ids }) => {
                let padded_last = |words| padded_last(words, *word_ids);
                let input = cfr::FineInput {
                    question: padded_last(input.question),
                    entities: input.entities.map(padded_last),
                    statistical_words: input.statistical_words.map(padded_last),
                    ..input
                };
                branch.forward(input, keys)
            }
        }
    }
}

/// Word ids whose padding is 0 to the published ones, whose padding is the last.
fn padded_last(words: Tensor<2, Int>, word_ids: usize) -> Tensor<2, Int> {
    words
        .add_scalar(word_ids as i64 - 1)
        .remainder_scalar(word_ids as i64)
}
