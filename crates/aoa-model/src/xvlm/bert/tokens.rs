//! Token ids and the masks that follow from their padding.

use burn::tensor::{Bool, Int, Tensor};

/// Token id of padding.
pub const PADDING_ID: i64 = 0;

/// Added to the score of a token that must not be looked at. Large enough that its weight is zero, small enough that
/// single precision keeps some of the score, which a row of nothing but padding depends on.
const MASKED_TOKEN: f64 = -10_000.0;

/// Padded token sequences.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// `[rows, tokens]`: token ids; [`PADDING_ID`] has an embedding that look-ups do not train.
    pub ids: Tensor<2, Int>,
    /// `[rows, tokens]`: true where a token must not be looked at.
    pub masked: Tensor<2, Bool>,
}

impl Tokens {
    /// Sequences `[rows, tokens]` in which exactly the tokens [`PADDING_ID`] are masked.
    pub fn padded(ids: Tensor<2, Int>) -> Self {
        Self {
            masked: ids.clone().equal_elem(PADDING_ID),
            ids,
        }
    }

    /// Some of the rows, `[rows]` to `[selected]`.
    #[must_use]
    pub fn select(&self, rows: Tensor<1, Int>) -> Self {
        Self {
            ids: self.ids.clone().select(0, rows.clone()),
            masked: self.masked.clone().select(0, rows),
        }
    }

    /// The same without autodiff.
    #[must_use]
    pub fn without_autodiff(self) -> Self {
        Self {
            ids: self.ids.without_autodiff(),
            masked: self.masked.without_autodiff(),
        }
    }

    /// Added to attention scores so that each token looks at all tokens: `[rows, 1, 1, tokens]`.
    pub(super) fn full_mask(&self) -> Tensor<4> {
        let [rows, tokens] = self.masked.dims();
        let masked = self.masked.clone().float().mul_scalar(MASKED_TOKEN);
        masked.reshape([rows, 1, 1, tokens])
    }

    /// Added to attention scores so that each token looks at itself and those before it:
    /// `[rows, 1, tokens, tokens]`, queries first.
    pub(super) fn causal_mask(&self) -> Tensor<4> {
        let [rows, tokens] = self.masked.dims();
        let later = Tensor::<2>::ones([tokens, tokens], &self.masked.device())
            .triu(1)
            .mul_scalar(MASKED_TOKEN)
            .reshape([1, 1, tokens, tokens]);
        // The smaller of the two and not their sum: a token that is masked for both reasons is masked once.
        later
            .expand([rows, 1, tokens, tokens])
            .min_pair(self.full_mask().expand([rows, 1, tokens, tokens]))
    }
}
