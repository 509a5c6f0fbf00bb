//! The optimizers of a run: one for each parameter group.

use std::collections::HashMap;

use burn::module::{ModuleVisitor, Param, ParamGroup};
use burn::optim::{GradientsParams, ModuleOptimizer, OptimizerRecord};
use burn::tensor::Tensor;
use config_schema::{Config, OptimizerForm, ScheduleKind};

use crate::model::{Group, Model};
use crate::optim::{
    AdamW, AdamWForm, Adamax, GradientNorm, Progress, Schedule, clip_by_global_norm,
};

/// One optimizer, base rate and schedule a group, and the clipping they share.
#[derive(Clone)]
pub struct Optimizers {
    groups: Vec<GroupOptimizer>,
    clip_norm: f64,
}

#[derive(Clone)]
struct GroupOptimizer {
    group: Group,
    optimizer: ModuleOptimizer,
    base_rate: f64,
    schedule: Schedule,
}

/// What an update did.
#[derive(Debug, Clone)]
pub struct Update {
    /// Global gradient norm before clipping.
    pub norm: GradientNorm,
    /// Learning rate of every group.
    pub rates: Vec<(Group, f64)>,
}

impl Optimizers {
    /// The optimizers that the configuration asks for, without state.
    pub fn new(settings: &Config) -> Self {
        let optimizer = &settings.optimizer;
        let adamax = Adamax {
            beta_1: optimizer.fine_betas[0] as f32,
            beta_2: optimizer.fine_betas[1] as f32,
            epsilon: optimizer.fine_eps as f32,
            weight_decay: optimizer.fine_weight_decay as f32,
        };
        let adamw = AdamW {
            beta_1: optimizer.xvlm_betas[0] as f32,
            beta_2: optimizer.xvlm_betas[1] as f32,
            epsilon: optimizer.xvlm_eps as f32,
            weight_decay: optimizer.xvlm_weight_decay as f32,
            rate_factor: 1.0,
            form: match optimizer.xvlm_form {
                OptimizerForm::Xvlm => AdamWForm::Xvlm,
                OptimizerForm::Torch => AdamWForm::Torch,
            },
        };
        Self {
            groups: vec![
                GroupOptimizer {
                    group: Group::Fine,
                    optimizer: adamax.into(),
                    base_rate: settings.training.lr,
                    schedule: schedule(settings, settings.schedule.fine),
                },
                GroupOptimizer {
                    group: Group::Xvlm,
                    optimizer: in_xvlm_groups(&adamw),
                    base_rate: settings.training.xvlm_lr,
                    schedule: schedule(settings, settings.schedule.xvlm),
                },
            ],
            clip_norm: optimizer.clip_norm,
        }
    }

    /// Clips the gradients by their global norm and updates every group at its own rate.
    ///
    /// Takes the model by value so that old and new weights need not exist side by side. Returns it as it was
    /// when the norm is not finite.
    pub fn step<M: Model>(
        &mut self,
        model: M,
        gradients: GradientsParams,
        at: Progress,
    ) -> (M, Update) {
        self.step_watched(model, gradients, at, |_| ())
    }

    /// [`step`](Self::step) that calls `updated` after each group. Where it panics, model and state are half-updated.
    pub(crate) fn step_watched<M: Model>(
        &mut self,
        mut model: M,
        gradients: GradientsParams,
        at: Progress,
        updated: impl Fn(Group),
    ) -> (M, Update) {
        let rates: Vec<_> = self
            .groups
            .iter()
            .map(|group| (group.group, group.base_rate * group.schedule.factor(at)))
            .collect();
        let (gradients, norm) = clip_by_global_norm(&model, gradients, self.clip_norm);
        if !norm.0.is_finite() {
            return (model, Update { norm, rates });
        }
        let mut parts = split_by_group(&model, gradients);
        for (group, (_, rate)) in self.groups.iter_mut().zip(&rates) {
            if let Some(part) = parts.remove(&group.group) {
                model = group.optimizer.step(*rate, model, part);
                updated(group.group);
            }
        }
        (model, Update { norm, rates })
    }

    /// State of every group's optimizer.
    pub fn records(&self) -> impl Iterator<Item = (Group, OptimizerRecord)> {
        self.groups
            .iter()
            .map(|group| (group.group, group.optimizer.to_record()))
    }

    /// Replaces the state of one group's optimizer.
    pub fn load(&mut self, group: Group, record: OptimizerRecord) {
        if let Some(own) = self.groups.iter_mut().find(|own| own.group == group) {
            own.optimizer = own.optimizer.clone().load_record(record);
        }
    }
}

/// Factor of the learning rate of parameters that pre-training did not make.
const FRESH_RATE_FACTOR: f64 = 2.0;

/// The parameter groups that X-VLM is trained in: neither biases (bias tables included) nor layer normalisations decay,
/// and the keys and values of the decoder's cross-attention, which no pre-training checkpoint holds, learn faster.
fn in_xvlm_groups(adamw: &AdamW) -> ModuleOptimizer {
    let undecayed = |adamw: &AdamW| AdamW {
        weight_decay: 0.0,
        ..adamw.clone()
    };
    let fresh = AdamW {
        rate_factor: FRESH_RATE_FACTOR,
        ..adamw.clone()
    };
    let optimizer = ModuleOptimizer::from(adamw.clone()).with_group(
        ParamGroup::from_any_predicates(vec!["bias", ".gamma", ".beta"]),
        undecayed(adamw),
        None,
    );
    // The last group that a parameter is in decides.
    [".key.", ".value."]
        .into_iter()
        .fold(optimizer, |optimizer, projection| {
            let place = vec!["text_decoder.", ".crossattention.", projection];
            let bias = [place.clone(), vec!["bias"]].concat();
            optimizer
                .with_group(ParamGroup::from_predicates(place), fresh.clone(), None)
                .with_group(ParamGroup::from_predicates(bias), undecayed(&fresh), None)
        })
}

fn schedule(settings: &Config, kind: ScheduleKind) -> Schedule {
    let keys = &settings.schedule;
    match kind {
        ScheduleKind::Constant => Schedule::Constant,
        ScheduleKind::Linear => Schedule::Linear {
            warmup_fraction: keys.warmup_fraction,
        },
        ScheduleKind::Cosine => Schedule::Cosine {
            warmup_fraction: keys.warmup_fraction,
        },
        ScheduleKind::Cfr => Schedule::Cfr {
            warmup_factors: keys.cfr_warmup_factors.clone(),
            decay_factor: keys.cfr_decay_factor,
            decay_start: keys.cfr_decay_start,
            decay_every: keys.cfr_decay_every,
        },
    }
}

fn split_by_group<M: Model>(
    model: &M,
    gradients: GradientsParams,
) -> HashMap<Group, GradientsParams> {
    let mut split = Split::<M> {
        gradients,
        parts: HashMap::new(),
        path: Vec::new(),
        model: std::marker::PhantomData,
    };
    model.visit(&mut split);
    split.parts
}

struct Split<M> {
    gradients: GradientsParams,
    parts: HashMap<Group, GradientsParams>,
    path: Vec<String>,
    model: std::marker::PhantomData<M>,
}

impl<M: Model> ModuleVisitor for Split<M> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            let group = M::group(&self.path.join("."));
            self.parts
                .entry(group)
                .or_default()
                .register(param.id, gradient);
        }
    }
}
