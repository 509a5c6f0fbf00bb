//! Word embedding from two tables.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::{Device, Int, Tensor};

/// Configuration of [`WordEmbedding`].
#[derive(Config, Debug)]
pub struct WordEmbeddingConfig {
    /// Words; the id of padding is this number.
    pub words: usize,
    /// Channels of one table; an embedding has twice as many.
    pub dim: usize,
    /// Whether the second table is trained. It is where it has been initialised with meaning, as by tf-idf, and stays
    /// as it was drawn otherwise.
    #[config(default = false)]
    pub train_second: bool,
}

/// Looks every word up in two tables and joins what they hold; padding is zero and trains nothing.
#[derive(Module, Debug)]
pub struct WordEmbedding {
    /// `[words + 1, dim]`
    emb: Embedding,
    /// `[words + 1, dim]`
    emb_: Embedding,
    padding: usize,
}

impl WordEmbeddingConfig {
    /// Creates the tables with freshly drawn weights on `device`.
    pub fn init(&self, device: &Device) -> WordEmbedding {
        let table = || EmbeddingConfig::new(self.words + 1, self.dim).init(device);
        WordEmbedding {
            emb: table(),
            emb_: if self.train_second {
                table()
            } else {
                table().no_grad()
            },
            padding: self.words,
        }
    }
}

impl WordEmbedding {
    /// Embeds word ids: `[batch, words]` to `[batch, words, 2 * dim]`, the first table first.
    pub fn forward(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let padding = ids
            .clone()
            .equal_elem(self.padding as i64)
            .unsqueeze_dim::<3>(2);
        let words = Tensor::cat(
            vec![self.emb.forward(ids.clone()), self.emb_.forward(ids)],
            2,
        );
        let shape = words.dims();
        words.mask_fill(padding.expand(shape), 0.0)
    }
}
