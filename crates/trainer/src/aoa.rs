//! The project's own model behind the trainer's trait.

use std::path::PathBuf;

use aoa_model::cfr;
use aoa_model::weights::{LoadError, PublishedPart, WeightFile, load_part};
use aoa_model::xvlm::XVlmConfig;
use aoa_model::xvlm::bert::BertConfig;
use aoa_model::xvlm::swin::SwinConfig;
use aoa_model::{
    Checkpointing, CompactBranchConfig, FineBranchConfig, GridEncoderConfig, ImageEncoderConfig,
    Vqa, VqaConfig, VqaInput, VqaOutput, VqaTargets, WordPieces,
};
use burn::tensor::{Device, Tensor};
use config_schema::{Branches, Config, FineForm, ImageEncoder};
use data_pipeline::{BOX_SIZE, Inputs};

use crate::batch::{DeviceBatch, Regions};
use crate::error::TrainError;
use crate::model::{DataShape, Group, Model, ModelOutput, Pretrained};

/// Rows of the table of token positions, as in every published BERT.
const POSITIONS: usize = 512;

impl Model for Vqa {
    type Config = VqaConfig;

    const LONGEST_ANSWER: usize = POSITIONS;

    fn configure(settings: &Config, data: &DataShape) -> Result<VqaConfig, String> {
        let keys = &settings.model;
        let image_encoder = image_encoder(settings);
        let (fine, coarse) = match keys.branches {
            Branches::Fine => (true, false),
            Branches::Coarse => (false, true),
            Branches::Both => (true, true),
        };
        let looks_at_images = coarse || data.inputs.regions.is_none();
        if looks_at_images {
            if !data.inputs.images {
                return Err(
                    "the model looks at images, and the data set has none; with region features \
                     `model.branches = \"fine\"` does without"
                        .to_owned(),
                );
            }
            image_encoder
                .validate()
                .map_err(|error| format!("no image encoder can be built: {error}"))?;
        }
        let channels = image_encoder.channels();
        let (features, box_size) = data
            .inputs
            .regions
            .map_or((channels, image_encoder.box_size()), |found| {
                (found.dim, BOX_SIZE)
            });
        let region_dim = features + if keys.region_boxes { box_size } else { 0 };
        let coarse = coarse.then_some(data.word_pieces).flatten();
        Ok(VqaConfig::new(data.answers)
            .with_fine(fine.then(|| fine_branch(settings, data, region_dim)))
            .with_coarse(coarse.map(|pieces| coarse_branch(settings, pieces, channels)))
            .with_image_encoder(looks_at_images.then_some(image_encoder))
            .with_region_boxes(keys.region_boxes)
            .with_fusion_ratio(keys.fusion_ratio)
            .with_tune_xvlm(settings.training.tune_xvlm && settings.training.xvlm_lr > 0.0))
    }

    /// Images are left out where only region features would be looked at.
    fn inputs(settings: &Config, there: Inputs) -> Inputs {
        let keys = &settings.model;
        let fine = keys.branches != Branches::Coarse;
        let published = fine && keys.fine_form == FineForm::Cfr;
        let regions = there.regions.filter(|_| fine && keys.region_features);
        let weighed = |weight: f64| published && weight > 0.0;
        Inputs {
            images: there.images && (keys.branches != Branches::Fine || regions.is_none()),
            regions,
            statistical_words: there
                .statistical_words
                .filter(|_| weighed(keys.statistical_weight)),
            entities: there.entities.filter(|_| weighed(keys.entity_weight)),
        }
    }

    fn init(config: &VqaConfig, device: &Device) -> Self {
        config.init(device)
    }

    fn pretrained(self, settings: &Config) -> Result<(Self, Option<Pretrained>), TrainError> {
        if settings.xvlm.weights.is_empty() {
            return Ok((self, None));
        }
        let path = PathBuf::from(&settings.xvlm.weights);
        let file = WeightFile::open(&path)?;
        let loaded = load_part(&file, PublishedPart::Xvlm, self);
        let (model, report) = loaded.map_err(|error| match error {
            LoadError::NoSuchPart(error) => TrainError::Part(error),
            LoadError::File(error) => TrainError::Weights(error),
        })?;
        let complete = report.is_complete();
        let report = report.to_string();
        if complete {
            Ok((model, Some(Pretrained { path, report })))
        } else {
            Err(TrainError::WeightsIncomplete { path, report })
        }
    }

    fn carried_out(self, settings: &Config) -> Self {
        let keys = &settings.memory_optimization;
        self.with_checkpointing(Checkpointing {
            rebuild: keys.gradient_checkpointing,
            // 0 where nothing is trained, so that nothing was chosen.
            segment: keys.checkpoint_segment.max(1),
            memory_efficient_attention: keys.memory_efficient_attention,
        })
    }

    fn losses(&self, batch: DeviceBatch) -> Tensor<1> {
        let keys = batch.dropout.clone();
        let (input, targets) = split(batch);
        self.losses(input, targets, keys.as_ref())
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
            .with_entity_weight(data.inputs.entities.map(|_| keys.entity_weight))
            .with_statistical_weight(
                data.inputs
                    .statistical_words
                    .map(|_| keys.statistical_weight),
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
        images: batch.images,
        image_of: batch.image_of,
        questions: batch.questions,
        entities: batch.entities,
        regions: batch
            .regions
            .map(|Regions { features, boxes }| aoa_model::Regions { features, boxes }),
        statistical_words: batch.statistical_words,
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
