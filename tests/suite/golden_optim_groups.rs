//! Which parameters of X-VLM decay and which learn faster, against the public implementation.

use std::collections::BTreeMap;

use aoa_model::xvlm::bert::{self, BertConfig};
use aoa_model::xvlm::swin::{self, Swin, SwinConfig};
use aoa_model::xvlm::{XVlm, XVlmConfig};
use aoa_model::xvlm_group;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use config_schema::{Config, OptimizerForm, ScheduleKind};
use integration_tests::{Case, random_numbers};
use model_api::{ConfigureError, DataShape, DeviceBatch, Model, ModelOutput, ParameterGroup};
use trainer::Optimizers;
use trainer::optim::Progress;

/// The model of the case, of which only the tree of parameters matters here.
#[derive(Module, Debug)]
struct Tree {
    vision_encoder: Swin,
    xvlm: XVlm,
}

impl Model for Tree {
    type Config = ();

    fn configure(_settings: &Config, _data: &DataShape) -> Result<(), ConfigureError> {
        Ok(())
    }

    fn init((): &(), device: &Device) -> Self {
        Self::of(&Layers::default(), device)
    }

    fn losses(&self, batch: DeviceBatch) -> Tensor<1> {
        batch.targets.sum_dim(1).squeeze_dim(1)
    }

    fn answer(&self, batch: DeviceBatch) -> ModelOutput {
        ModelOutput {
            probabilities: batch.targets,
            branches: Vec::new(),
        }
    }

    fn groups(settings: &Config) -> Vec<ParameterGroup> {
        vec![xvlm_group(settings)]
    }

    fn group(_path: &str) -> &'static str {
        ParameterGroup::XVLM
    }
}

/// How many layers the parts of a model have.
#[derive(Debug, Default)]
struct Layers {
    /// Blocks of each stage of the vision encoder.
    vision: Vec<usize>,
    text: usize,
    /// The first layer of the text encoder that looks at the image.
    fusion: usize,
    decoder: usize,
}

impl Layers {
    /// Of the model that has the parameters, by their public names.
    fn of(names: &[&str]) -> Self {
        let number = |part: Option<&str>| part.and_then(|part| part.parse::<usize>().ok());
        let mut layers = Self {
            fusion: usize::MAX,
            ..Self::default()
        };
        for name in names {
            let layer = name.split_once(".layer.").map(|(_, rest)| rest.split('.'));
            let layer = layer.and_then(|mut parts| number(parts.next()));
            if let Some(rest) = name.strip_prefix("vision_encoder.layers.") {
                let mut parts = rest.split('.');
                let stage = number(parts.next()).expect("the number of a stage");
                layers.vision.resize(layers.vision.len().max(stage + 1), 0);
                if parts.next() == Some("blocks") {
                    let block = number(parts.next()).expect("the number of a block");
                    layers.vision[stage] = layers.vision[stage].max(block + 1);
                }
            } else if let (true, Some(layer)) = (name.starts_with("text_encoder."), layer) {
                layers.text = layers.text.max(layer + 1);
                if name.contains("crossattention") {
                    layers.fusion = layers.fusion.min(layer);
                }
            } else if let (true, Some(layer)) = (name.starts_with("text_decoder."), layer) {
                layers.decoder = layers.decoder.max(layer + 1);
            }
        }
        layers.fusion = layers.fusion.min(layers.text);
        layers
    }
}

impl Tree {
    /// With widths of vision and text that differ, as the published model has them.
    fn of(layers: &Layers, device: &Device) -> Self {
        let stages = layers.vision.len();
        let heads = (0..stages).map(|stage| 2 << stage).collect();
        let (patch, window) = (4, 2);
        let image = (patch * window) << stages.saturating_sub(1);
        let vision = SwinConfig::new(image, window, 12, layers.vision.clone(), heads);
        let text = BertConfig::new(
            60,
            32,
            layers.text,
            4,
            64,
            16,
            layers.fusion,
            vision.channels(),
        );
        Self {
            vision_encoder: vision.init(device),
            xvlm: XVlmConfig::new(text, layers.decoder).init(device),
        }
    }
}

/// Names as the public implementation has them.
fn pytorch_name(path: &str) -> String {
    match path.strip_prefix("xvlm.") {
        Some(path) => bert::pytorch_name(path),
        None => swin::pytorch_name(path),
    }
}

/// Sets every number of a model to one.
struct Ones;

impl ModuleMapper for Ones {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.ones_like().require_grad())
    }
}

/// Gradients of one for every parameter.
#[derive(Default)]
struct UnitGradients(GradientsParams);

impl ModuleVisitor for UnitGradients {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().inner().ones_like();
        self.0.register(param.id, gradient);
    }
}

/// The first number of every parameter, by its public name.
#[derive(Default)]
struct Firsts {
    path: Vec<String>,
    found: BTreeMap<String, f32>,
}

impl ModuleVisitor for Firsts {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let first = param.val().into_data().iter().next();
        let name = pytorch_name(&self.path.join("."));
        self.found
            .insert(name, first.expect("no parameter is empty"));
    }
}

#[test]
fn golden_optim_xvlm_groups() {
    let _guard = random_numbers();
    for case in Case::all("optim_xvlm_groups") {
        let case = case.json();
        let number = |value: &serde_json::Value| value.as_f64().expect("a number");

        let mut settings = Config::default();
        settings.training.xvlm_lr = number(&case["lr"]);
        settings.schedule.xvlm = ScheduleKind::Constant;
        settings.optimizer.xvlm_form = OptimizerForm::Xvlm;
        settings.optimizer.clip_norm = 0.0;
        // Large, so that single precision tells the groups apart.
        let exaggerated = 1e6;
        settings.optimizer.xvlm_weight_decay = number(&case["weight_decay"]) * exaggerated;

        let groups = case["groups"].as_array().expect("groups").iter();
        let names = groups.flat_map(|group| group["params"].as_array().expect("names"));
        let names: Vec<_> = names.filter_map(|name| name.as_str()).collect();
        let model = Tree::of(&Layers::of(&names), &Device::flex().autodiff()).map(&mut Ones);
        let mut gradients = UnitGradients::default();
        model.visit(&mut gradients);
        let at = Progress {
            step: 0,
            total_steps: 1,
            epoch: 0,
        };
        let (model, _) = Optimizers::of::<Tree>(&settings).step(model, gradients.0, at);
        let mut stepped = Firsts::default();
        model.visit(&mut stepped);

        let mut compared = 0;
        for group in case["groups"].as_array().expect("groups") {
            let rate = number(&group["lr"]);
            let decay = number(&group["weight_decay"]) * exaggerated;
            // The first update of a parameter is its rate, whatever the gradient; then it decays.
            let expected = (1.0 - rate) * (1.0 - rate * decay);
            for name in group["params"].as_array().expect("names") {
                let name = name.as_str().expect("a name");
                let found = f64::from(stepped.found[name]);
                assert!(
                    (found - expected).abs() < 1e-6,
                    "{name}: {found} instead of {expected}"
                );
                compared += 1;
            }
        }
        assert_eq!(compared, stepped.found.len());
    }
}
