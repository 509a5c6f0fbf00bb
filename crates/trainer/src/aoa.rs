//! The project's own model behind the trainer's trait.

use aoa_model::cfr;
use aoa_model::xvlm::XVlmConfig;
use aoa_model::xvlm::bert::BertConfig;
use aoa_model::xvlm::swin::SwinConfig;
use aoa_model::{
    CompactBranchConfig, FineBranchConfig, GridEncoderConfig, ImageEncoderConfig, Vqa, VqaConfig,
    VqaInput, VqaOutput, VqaTargets, WordPieces,
};
use burn::tensor::{Device, Tensor};
use config_schema::{Branches, Config, FineForm, ImageEncoder};

use crate::batch::DeviceBatch;
use crate::model::{DataShape, Group, Model, ModelOutput};

/// Rows of the table of token positions, as in every published BERT.
const POSITIONS: usize = 512;

impl Model for Vqa {
    type Config = VqaConfig;

    fn configure(settings: &Config, data: &DataShape) -> Result<VqaConfig, String> {
        let keys = &settings.model;
        let image_encoder = image_encoder(settings);
        image_encoder
            .validate()
            .map_err(|error| format!("no image encoder can be built: {error}"))?;
        let (fine, coarse) = match keys.branches {
            Branches::Fine => (true, false),
            Branches::Coarse => (false, true),
            Branches::Both => (true, true),
        };
        let channels = image_encoder.channels();
        let coarse = coarse.then_some(data.word_pieces).flatten();
        Ok(VqaConfig::new(data.answers)
            .with_fine(fine.then(|| fine_branch(settings, data, channels)))
            .with_coarse(coarse.map(|pieces| coarse_branch(settings, pieces, channels)))
            .with_image_encoder(Some(image_encoder))
            .with_fusion_ratio(keys.fusion_ratio)
            .with_tune_xvlm(settings.training.tune_xvlm && settings.training.xvlm_lr > 0.0))
    }

    fn init(config: &VqaConfig, device: &Device) -> Self {
        config.init(device)
    }

    fn losses(&self, batch: DeviceBatch) -> Tensor<1> {
        let (input, targets) = split(batch);
        self.losses(input, targets)
    }

    fn answer(&self, batch: DeviceBatch) -> ModelOutput {
        let (input, _) = split(batch);
        let VqaOutput {
            probabilities,
            branches,
        } = self.forward(input);
        ModelOutput {
            probabilities,
            branches,
        }
    }

    fn group(path: &str) -> Group {
        if path.starts_with("image_encoder.") || path.starts_with("coarse.") {
            Group::Xvlm
        } else {
            Group::Fine
        }
    }
}

fn image_encoder(settings: &Config) -> ImageEncoderConfig {
    let image_size = settings.dataset.image_size;
    let keys = &settings.xvlm;
    match settings.model.image_encoder {
        ImageEncoder::Grid => ImageEncoderConfig::Grid(GridEncoderConfig::new(
            image_size,
            settings.model.image_width,
        )),
        ImageEncoder::Swin => ImageEncoderConfig::Swin(
            SwinConfig::new(
                image_size,
                keys.window,
                keys.embed_dim,
                keys.depths.clone(),
                keys.image_heads.clone(),
            )
            .with_patch_size(keys.patch_size)
            .with_drop_path_rate(keys.drop_path_rate),
        ),
    }
}

fn fine_branch(settings: &Config, data: &DataShape, region_dim: usize) -> FineBranchConfig {
    let keys = &settings.model;
    match keys.fine_form {
        FineForm::Compact => FineBranchConfig::Compact(CompactBranchConfig::new(
            data.vocabulary,
            region_dim,
            data.answers,
            keys.word_dim,
            keys.num_hid,
            keys.aoa_layers,
            keys.heads,
            keys.glimpses,
            keys.dropout,
        )),
        FineForm::Cfr => FineBranchConfig::Cfr(
            cfr::FineBranchConfig::new(
                data.vocabulary - 1,
                keys.word_dim,
                region_dim,
                keys.num_hid,
                data.answers,
                keys.aoa_layers,
                keys.heads,
                keys.num_hid / keys.heads,
                keys.glimpses,
            )
            .with_dropout(keys.dropout)
            .with_fusion_dropout(keys.fusion_dropout),
        ),
    }
}

fn coarse_branch(settings: &Config, word_pieces: usize, image_channels: usize) -> XVlmConfig {
    let keys = &settings.xvlm;
    let text = BertConfig::new(
        word_pieces,
        keys.text_hidden,
        keys.text_layers,
        keys.text_heads,
        keys.text_intermediate,
        POSITIONS,
        keys.fusion_layer,
        image_channels,
    )
    .with_hidden_dropout(keys.dropout)
    .with_attention_dropout(keys.dropout);
    XVlmConfig::new(text, keys.decoder_layers).with_k_test(keys.k_test)
}

fn split(batch: DeviceBatch) -> (VqaInput, VqaTargets) {
    let input = VqaInput {
        images: Some(batch.images),
        image_of: batch.image_of,
        questions: batch.questions,
        entities: None,
        regions: None,
        statistical_words: None,
        pieces: batch.pieces.map(|pieces| WordPieces {
            questions: pieces.questions,
            answers: pieces.answers,
        }),
    };
    let targets = VqaTargets {
        scores: batch.targets,
        right: batch.right.answers,
        sample_of: batch.right.sample_of,
        weights: batch.right.weights,
    };
    (input, targets)
}
