//! The optimizers of a run: one for each parameter group.

use std::collections::HashMap;
use std::convert::Infallible;

use burn::module::{ModuleVisitor, Param, ParamGroup};
use burn::optim::{GradientsParams, ModuleOptimizer, OptimizerRecord};
use burn::tensor::Tensor;
use config_schema::{Config, OptimizerForm, ScheduleKind};
use model_api::{Model, OptimizerKind, OptimizerSettings, Paths};

use crate::optim::average::Average;
use crate::optim::{
    AdamW, AdamWForm, Adamax, GradientNorm, Progress, Schedule, clip_by_global_norm,
};

/// What the moving average of the weights is called among the groups of an update.
const AVERAGE: &str = "average";

/// One optimizer, base rate and schedule a group, the clipping they share, and the moving average of what they make.
pub struct Optimizers {
    groups: Vec<GroupOptimizer>,
    clip_norm: f64,
    average: Option<Average>,
}

struct GroupOptimizer {
    name: &'static str,
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
    pub rates: Vec<(&'static str, f64)>,
}

impl Optimizers {
    /// The optimizers of a model's parameter groups, without state.
    pub fn of<M: Model>(settings: &Config) -> Self {
        let groups = M::groups(settings).into_iter();
        Self {
            groups: groups
                .map(|group| GroupOptimizer {
                    name: group.name,
                    optimizer: optimizer(&group.optimizer),
                    base_rate: group.base_rate,
                    schedule: schedule(settings, group.schedule),
                })
                .collect(),
            clip_norm: settings.optimizer.clip_norm,
            average: (settings.training.ema > 0.0).then(|| Average::new(settings.training.ema)),
        }
    }

    /// The names of the groups, in the order in which they are stepped and saved.
    pub fn groups(&self) -> impl Iterator<Item = &'static str> {
        self.groups.iter().map(|group| group.name)
    }

    /// Clips the gradients by their global norm, updates every group at its own rate and moves the average.
    ///
    /// Takes the model by value so that old and new weights need not exist side by side. Returns it as it was
    /// when the norm is not finite.
    pub fn step<M: Model>(
        &mut self,
        model: M,
        gradients: GradientsParams,
        at: Progress,
    ) -> (M, Update) {
        let updated = self.try_step(model, gradients, 1.0, at, |_| Ok::<_, Infallible>(()));
        let Ok(updated) = updated;
        updated
    }

    /// [`step`](Self::step) with gradients of a loss that was multiplied by `scale`, which they are divided by first, that calls
    /// `group_ended` after each group. Where that fails or panics, model and state are
    /// half-updated.
    ///
    /// # Errors
    ///
    /// When `group_ended` fails.
    pub(crate) fn try_step<M: Model, E>(
        &mut self,
        mut model: M,
        gradients: GradientsParams,
        scale: f64,
        at: Progress,
        group_ended: impl Fn(&'static str) -> Result<(), E>,
    ) -> Result<(M, Update), E> {
        let rates: Vec<_> = self
            .groups
            .iter()
            .map(|group| (group.name, group.base_rate * group.schedule.factor(at)))
            .collect();
        let (gradients, norm) = clip_by_global_norm(&model, gradients, self.clip_norm, scale);
        if !norm.0.is_finite() {
            return Ok((model, Update { norm, rates }));
        }
        let mut parts = split_by_group(&model, gradients);
        for (group, (_, rate)) in self.groups.iter_mut().zip(&rates) {
            if let Some(part) = parts.remove(group.name) {
                model = group.optimizer.step(*rate, model, part);
                group_ended(group.name)?;
            }
        }
        if let Some(average) = &mut self.average {
            model = average.follow(model, at.step + 1);
            group_ended(AVERAGE)?;
        }
        Ok((model, Update { norm, rates }))
    }

    /// What is evaluated and kept as a result: the model with the moving average of its weights, or as it is where there is
    /// none.
    pub fn averaged<M: Model>(&self, model: &M) -> M {
        let model = model.clone();
        match &self.average {
            Some(average) => average.of(model),
            None => model,
        }
    }

    /// Whether there is a moving average.
    pub fn has_average(&self) -> bool {
        self.average.is_some()
    }

    /// Replaces the moving average, where there is one, by the weights of a model.
    pub fn load_average<M: Model>(&mut self, averaged: &M) {
        if let Some(average) = &mut self.average {
            average.load(averaged);
        }
    }

    /// State of every group's optimizer.
    pub fn records(&self) -> impl Iterator<Item = (&'static str, OptimizerRecord)> {
        self.groups
            .iter()
            .map(|group| (group.name, group.optimizer.to_record()))
    }

    /// Replaces the state of one group's optimizer.
    pub fn load(&mut self, group: &str, record: OptimizerRecord) {
        if let Some(own) = self.groups.iter_mut().find(|own| own.name == group) {
            own.optimizer = own.optimizer.clone().load_record(record);
        }
    }
}

/// The optimizer of a group.
fn optimizer(settings: &OptimizerSettings) -> ModuleOptimizer {
    let of = |weight_decay: f64, rate_factor: f64| Member {
        settings,
        weight_decay,
        rate_factor,
    };
    let optimizer = of(settings.weight_decay, 1.0).whole();
    // The last group that a parameter is in decides.
    settings
        .exceptions
        .iter()
        .fold(optimizer, |optimizer, exception| {
            let parameters = match &exception.paths {
                Paths::WithAny(parts) => ParamGroup::from_any_predicates(parts.clone()),
                Paths::WithAll(parts) => ParamGroup::from_predicates(parts.clone()),
            };
            of(exception.weight_decay, exception.rate_factor).within(optimizer, parameters)
        })
}

/// An optimizer with a weight decay and a rate of its own.
struct Member<'a> {
    settings: &'a OptimizerSettings,
    weight_decay: f64,
    rate_factor: f64,
}

impl Member<'_> {
    fn whole(&self) -> ModuleOptimizer {
        match self.settings.kind {
            OptimizerKind::Adamax => self.adamax().into(),
            OptimizerKind::AdamW(form) => self.adamw(form).into(),
        }
    }

    fn within(&self, optimizer: ModuleOptimizer, parameters: ParamGroup) -> ModuleOptimizer {
        match self.settings.kind {
            OptimizerKind::Adamax => optimizer.with_group(parameters, self.adamax(), None),
            OptimizerKind::AdamW(form) => optimizer.with_group(parameters, self.adamw(form), None),
        }
    }

    fn adamax(&self) -> Adamax {
        let [beta_1, beta_2] = self.settings.betas.map(|beta| beta as f32);
        Adamax {
            beta_1,
            beta_2,
            epsilon: self.settings.epsilon as f32,
            weight_decay: self.weight_decay as f32,
            rate_factor: self.rate_factor,
        }
    }

    fn adamw(&self, form: OptimizerForm) -> AdamW {
        let [beta_1, beta_2] = self.settings.betas.map(|beta| beta as f32);
        AdamW {
            beta_1,
            beta_2,
            epsilon: self.settings.epsilon as f32,
            weight_decay: self.weight_decay as f32,
            rate_factor: self.rate_factor,
            form: match form {
                OptimizerForm::Xvlm => AdamWForm::Xvlm,
                OptimizerForm::Torch => AdamWForm::Torch,
            },
        }
    }
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
) -> HashMap<&'static str, GradientsParams> {
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
    parts: HashMap<&'static str, GradientsParams>,
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
