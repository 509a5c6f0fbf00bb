//! The model as the settings describe it, behind the trainer's trait.

use std::path::PathBuf;

use burn::tensor::{Device, Tensor};
use burn_frugal::Checkpointing;
use config_schema::{Branches, Config, FineForm, ImageEncoder};
use data_pipeline::{BOX_SIZE, Inputs};
use model_api::{
    ConfigureError, DataShape, DeviceBatch, Exception, Model, ModelOutput, ParameterGroup, Paths,
    Pretrained, PretrainedError, PretrainedFault, Texts,
};

use crate::cfr;
use crate::compact::CompactBranchConfig;
use crate::fine::FineBranchConfig;
use crate::image_encoder::{GridEncoderConfig, ImageEncoderConfig};
use crate::vqa::{Vqa, VqaConfig};
use crate::weights::{LoadError, PublishedPart, WeightFile, load_part};
use crate::xvlm::XVlmConfig;
use crate::xvlm::bert::BertConfig;
use crate::xvlm::swin::SwinConfig;

/// Rows of the table of token positions, as in every published BERT.
const POSITIONS: usize = 512;

/// The least and the most that `dataset.image_size` may be.
const IMAGE_SIZES: [usize; 2] = [16, 4096];

/// Assignments of the nearest smaller and larger image size that the image encoder takes, as far as the size is what keeps
/// it from being built.
fn image_sizes(settings: &Config) -> Vec<String> {
    let size = settings.dataset.image_size;
    let fits = |size: &usize| {
        let mut other = settings.clone();
        other.dataset.image_size = *size;
        image_encoder(&other).validate().is_ok()
    };
    let [least, most] = IMAGE_SIZES;
    let smaller = (least..size).rev().find(fits);
    let larger = (size + 1..=most).find(fits);
    let sizes = smaller.into_iter().chain(larger);
    sizes
        .map(|size| format!("`dataset.image_size={size}`"))
        .collect()
}

impl Model for Vqa {
    type Config = VqaConfig;

    const LONGEST_ANSWER: usize = POSITIONS;

    fn configure(settings: &Config, data: &DataShape) -> Result<VqaConfig, ConfigureError> {
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
                return Err(ConfigureError(
                    "the model looks at images, and the data set has none; with region features \
                     `model.branches = \"fine\"` does without"
                        .to_owned(),
                ));
            }
            image_encoder.validate().map_err(|error| {
                let sizes = image_sizes(settings).join(" or ");
                let cure = if sizes.is_empty() {
                    String::new()
                } else {
                    format!("; set {sizes}")
                };
                ConfigureError(format!("no image encoder can be built: {error}{cure}"))
            })?;
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

    fn texts(settings: &Config) -> Texts {
        let branches = settings.model.branches;
        Texts {
            words: branches != Branches::Coarse,
            word_pieces: branches != Branches::Fine,
        }
    }

    fn init(config: &VqaConfig, device: &Device) -> Self {
        config.init(device)
    }

    fn names_pretrained(settings: &Config) -> bool {
        !settings.xvlm.weights.is_empty()
    }

    fn pretrained(self, settings: &Config) -> Result<(Self, Option<Pretrained>), PretrainedError> {
        if !Self::names_pretrained(settings) {
            return Ok((self, None));
        }
        let path = PathBuf::from(&settings.xvlm.weights);
        let loaded = WeightFile::open(&path)
            .map_err(LoadError::File)
            .and_then(|file| load_part(&file, PublishedPart::Xvlm, self));
        let (model, report) = loaded.map_err(|error| match error {
            LoadError::NoSuchPart(problem) => PretrainedError {
                fault: PretrainedFault::Settings,
                problem: problem.into(),
                help: Some(
                    "`xvlm.weights` needs the coarse branch and `model.image_encoder = \"swin\"`",
                ),
            },
            LoadError::File(problem) => PretrainedError {
                fault: PretrainedFault::File,
                help: problem.hint(),
                problem: problem.into(),
            },
        })?;
        if !report.is_complete() {
            return Err(PretrainedError {
                fault: PretrainedFault::File,
                problem: format!(
                    "{} does not have all of the model: {report}",
                    path.display()
                )
                .into(),
                help: Some(
                    "set the sizes of the [xvlm] section to those of the file, and `xvlm.vocabulary` to the file it was \
                     trained with",
                ),
            });
        }
        let report = report.to_string();
        Ok((model, Some(Pretrained { path, report })))
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
        self.losses_of(batch)
    }

    fn answer(&self, batch: DeviceBatch) -> ModelOutput {
        self.answers_to(batch)
    }

    fn groups(settings: &Config) -> Vec<ParameterGroup> {
        vec![ParameterGroup::fine(settings), xvlm_group(settings)]
    }

    fn group(path: &str) -> &'static str {
        if path.starts_with("image_encoder.") || path.starts_with("coarse.") {
            ParameterGroup::XVLM
        } else {
            ParameterGroup::FINE
        }
    }

    fn memory_switches(settings: &Config) -> Vec<(&'static str, Config)> {
        // The coarse branch alone has nothing else to train.
        if !settings.training.tune_xvlm || settings.model.branches == Branches::Coarse {
            return Vec::new();
        }
        let mut frozen = settings.clone();
        frozen.training.tune_xvlm = false;
        vec![("training.tune_xvlm=false", frozen)]
    }
}

/// Factor of the learning rate of parameters that pre-training did not make.
const FRESH_RATE_FACTOR: f64 = 2.0;

/// The group that X-VLM is trained in: neither biases (bias tables included) nor layer normalisations decay, and the keys
/// and values of the decoder's cross-attention, which no pre-training checkpoint holds, learn faster.
pub fn xvlm_group(settings: &Config) -> ParameterGroup {
    let mut group = ParameterGroup::xvlm(settings);
    let decay = group.optimizer.weight_decay;
    let exceptions = &mut group.optimizer.exceptions;
    exceptions.push(Exception {
        paths: Paths::WithAny(vec!["bias", ".gamma", ".beta"]),
        weight_decay: 0.0,
        rate_factor: 1.0,
    });
    for projection in [".key.", ".value."] {
        let place = vec!["text_decoder.", ".crossattention.", projection];
        let bias = [place.clone(), vec!["bias"]].concat();
        for (path, weight_decay) in [(place, decay), (bias, 0.0)] {
            exceptions.push(Exception {
                paths: Paths::WithAll(path),
                weight_decay,
                rate_factor: FRESH_RATE_FACTOR,
            });
        }
    }
    group
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
