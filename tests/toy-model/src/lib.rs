//! A model that takes the place of `aoa-model`: the mean word and the mean pixel, through one linear layer.
//!
//! It shows all that a fork has to write. It knows the trait and nothing of `aoa-model`.

use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use config_schema::Config;
use model_api::{ConfigureError, DataShape, DeviceBatch, Model, ModelOutput, binary_cross_entropy};
use serde::{Deserialize, Serialize};

/// What the toy model is built from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ToyConfig {
    words: usize,
    answers: usize,
    dim: usize,
}

/// Mean word beside mean pixel, one linear layer.
#[derive(Module, Debug)]
pub struct Toy {
    words: Embedding,
    answer: Linear,
}

impl Toy {
    /// `[batch, answers]`
    fn logits(&self, batch: &DeviceBatch) -> Tensor<2> {
        let words = self
            .words
            .forward(batch.questions.clone())
            .mean_dim(1)
            .squeeze_dim::<2>(1); // [batch, dim]
        let images = batch
            .images
            .clone()
            .expect("`configure` saw that there are images");
        let pixels = images.mean_dims(&[2, 3]).flatten::<2>(1, 3); // [images, 3]
        self.answer.forward(Tensor::cat(
            vec![words, pixels.select(0, batch.image_of.clone())],
            1,
        ))
    }
}

impl Model for Toy {
    type Config = ToyConfig;

    fn configure(settings: &Config, data: &DataShape) -> Result<ToyConfig, ConfigureError> {
        if !data.inputs.images {
            return Err(ConfigureError(
                "the toy model looks at images, and the data set has none".to_owned(),
            ));
        }
        Ok(ToyConfig {
            words: data.vocabulary,
            answers: data.answers,
            dim: settings.model.word_dim,
        })
    }

    fn init(config: &ToyConfig, device: &Device) -> Self {
        Self {
            words: EmbeddingConfig::new(config.words, config.dim).init(device),
            answer: LinearConfig::new(config.dim + 3, config.answers).init(device),
        }
    }

    fn losses(&self, batch: DeviceBatch) -> Tensor<1> {
        binary_cross_entropy(self.logits(&batch), batch.targets)
    }

    fn answer(&self, batch: DeviceBatch) -> ModelOutput {
        ModelOutput {
            probabilities: softmax(self.logits(&batch), 1),
            branches: Vec::new(),
        }
    }
}
