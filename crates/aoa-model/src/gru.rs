//! Gated recurrent unit.

use burn::config::Config;
use burn::module::{Initializer, Module};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{sigmoid, tanh};
use burn::tensor::{Device, Tensor};

/// Configuration of [`Gru`].
#[derive(Config, Debug)]
pub struct GruConfig {
    /// Channels of a token.
    pub input: usize,
    /// Channels of a state.
    pub hidden: usize,
}

/// One-directional gated recurrent unit (Cho et al., 2014) in the form that PyTorch computes: the reset
/// gate is applied after the recurrent projection, `n = tanh(W_in x + b_in + r * (W_hn h + b_hn))`.
///
/// Both projections hold their gates side by side in the order reset, update, new. The input is projected token by
/// token, too: to cut tokens out of a tensor costs a gradient of its full size each, and the tokens are the smaller one.
#[derive(Module, Debug)]
pub struct Gru {
    /// `[input, 3 * hidden]`
    input: Linear,
    /// `[hidden, 3 * hidden]`
    recurrent: Linear,
    hidden: usize,
}

impl GruConfig {
    /// Creates the unit on `device`; weights are uniform in `+-1/sqrt(hidden)`.
    pub fn init(&self, device: &Device) -> Gru {
        let bound = (self.hidden as f64).powf(-0.5);
        let linear = |input| {
            LinearConfig::new(input, 3 * self.hidden)
                .with_initializer(Initializer::Uniform {
                    min: -bound,
                    max: bound,
                })
                .init(device)
        };
        Gru {
            input: linear(self.input),
            recurrent: linear(self.hidden),
            hidden: self.hidden,
        }
    }
}

impl Gru {
    /// Runs over the tokens from a zero state and returns every state.
    ///
    /// # Shapes
    ///
    /// - `tokens`: `[batch, tokens, input]`
    /// - result: `[batch, tokens, hidden]`
    pub fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        let tokens = tokens.swap_dims(0, 1); // [tokens, batch, input]
        let [length, batch, _] = tokens.dims();
        let n = self.hidden;
        let mut state = Tensor::<2>::zeros([batch, n], &tokens.device());
        let mut states = Vec::with_capacity(length);
        for token in 0..length {
            let x = tokens.clone().narrow(0, token, 1).squeeze_dim(0);
            let x = self.input.forward(x); // [batch, 3 * hidden]
            let h = self.recurrent.forward(state.clone()); // [batch, 3 * hidden]
            let gates = sigmoid(x.clone().narrow(1, 0, 2 * n) + h.clone().narrow(1, 0, 2 * n));
            let reset = gates.clone().narrow(1, 0, n);
            let update = gates.narrow(1, n, n);
            let new = tanh(x.narrow(1, 2 * n, n) + reset * h.narrow(1, 2 * n, n));
            // (1 - z) n + z h
            state = new.clone() + update * (state - new);
            states.push(state.clone());
        }
        Tensor::stack(states, 1)
    }
}
