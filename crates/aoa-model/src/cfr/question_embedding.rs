//! Recurrent encoder of a question or of other words.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::gru::{Gru, GruConfig};

/// Configuration of [`QuestionEmbedding`].
#[derive(Config, Debug)]
pub struct QuestionEmbeddingConfig {
    /// Channels of a token.
    pub input: usize,
    /// Channels of a state.
    pub hidden: usize,
    /// Layers; each reads the states of the one before it.
    #[config(default = 1)]
    pub layers: usize,
    /// Whether every layer also reads its input from the end.
    #[config(default = false)]
    pub bidirectional: bool,
}

/// Layers of gated recurrent units. Padding is read like a word.
#[derive(Module, Debug)]
pub struct QuestionEmbedding {
    rnn: Vec<Layer>,
}

#[derive(Module, Debug)]
struct Layer {
    forward: Gru,
    reverse: Option<Gru>,
}

impl QuestionEmbeddingConfig {
    /// Creates the encoder with freshly drawn weights on `device`.
    pub fn init(&self, device: &Device) -> QuestionEmbedding {
        let states = self.hidden * if self.bidirectional { 2 } else { 1 };
        let layer = |index| {
            let input = if index == 0 { self.input } else { states };
            let config = GruConfig::new(input, self.hidden);
            Layer {
                forward: config.init(device),
                reverse: self.bidirectional.then(|| config.init(device)),
            }
        };
        QuestionEmbedding {
            rnn: (0..self.layers).map(layer).collect(),
        }
    }
}

impl QuestionEmbedding {
    /// Every state of the last layer; forward and backward state of a token side by side.
    ///
    /// # Shapes
    ///
    /// - `tokens`: `[batch, tokens, input]`
    /// - result: `[batch, tokens, hidden]`, twice the channels if bidirectional
    pub fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        self.rnn.iter().fold(tokens, |tokens, layer| {
            let Some(reverse) = &layer.reverse else {
                return layer.forward.forward(tokens);
            };
            let backward = reverse.forward(tokens.clone().flip([1])).flip([1]);
            Tensor::cat(vec![layer.forward.forward(tokens), backward], 2)
        })
    }

    /// What was read last in each direction, of the states that [`forward`](Self::forward) returned:
    /// `[batch, tokens, channels]` to `[batch, channels]`.
    pub fn summary(&self, states: Tensor<3>) -> Tensor<2> {
        let [_, tokens, channels] = states.dims();
        let bidirectional = self.rnn.iter().any(|layer| layer.reverse.is_some());
        let last = states.clone().narrow(1, tokens - 1, 1).squeeze_dim::<2>(1);
        if !bidirectional {
            return last;
        }
        let first = states.narrow(1, 0, 1).squeeze_dim::<2>(1);
        let hidden = channels / 2;
        Tensor::cat(
            vec![last.narrow(1, 0, hidden), first.narrow(1, hidden, hidden)],
            1,
        )
    }
}
