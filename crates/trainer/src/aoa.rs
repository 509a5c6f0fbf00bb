//! The project's own model behind the trainer's trait.

use aoa_model::{FineBranchConfig, GridEncoderConfig, Vqa, VqaConfig, VqaInput};
use burn::tensor::activation::{log_sigmoid, softmax};
use burn::tensor::{Device, Tensor};
use config_schema::Config;

use crate::batch::DeviceBatch;
use crate::model::{Group, Model};

impl Model for Vqa {
    type Config = VqaConfig;

    fn configure(
        settings: &Config,
        vocabulary: usize,
        answers: usize,
    ) -> Result<VqaConfig, String> {
        let image_size = settings.dataset.image_size;
        if !image_size.is_multiple_of(16) {
            return Err(format!(
                "the image encoder needs `dataset.image_size` to be a multiple of 16, not {image_size}"
            ));
        }
        let model = &settings.model;
        Ok(VqaConfig::new(
            vocabulary,
            answers,
            GridEncoderConfig::new(image_size, model.image_width),
            FineBranchConfig::new(
                model.word_dim,
                model.num_hid,
                model.aoa_layers,
                model.heads,
                model.dropout,
            ),
        ))
    }

    fn init(config: &VqaConfig, device: &Device) -> Self {
        config.init(device)
    }

    fn losses(&self, batch: DeviceBatch) -> Tensor<1> {
        let targets = batch.targets.clone();
        binary_cross_entropy(self.forward(input(batch)), targets)
    }

    fn probabilities(&self, batch: DeviceBatch) -> Tensor<2> {
        softmax(self.forward(input(batch)), 1)
    }

    fn group(path: &str) -> Group {
        if path.starts_with("image_encoder.") {
            Group::Xvlm
        } else {
            Group::Fine
        }
    }
}

fn input(batch: DeviceBatch) -> VqaInput {
    VqaInput {
        images: batch.images,
        image_of: batch.image_of,
        questions: batch.questions,
    }
}

/// Binary cross-entropy of logits against soft targets, summed over the answers: two `[batch, answers]` to
/// `[batch]`.
pub fn binary_cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    // -(t log s(x) + (1 - t) log(1 - s(x))) = x (1 - t) - log s(x)
    let losses = logits.clone() * (targets.neg().add_scalar(1.0)) - log_sigmoid(logits);
    losses.sum_dim(1).squeeze_dim(1)
}
