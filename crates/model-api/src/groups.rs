//! Parameter groups: which optimizer trains which parameters, at which rate.

use config_schema::{Config, OptimizerForm, ScheduleKind};

/// Parameters that share an optimizer, a base learning rate and a schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterGroup {
    /// Its name, in file names and logs.
    pub name: &'static str,
    /// The optimizer.
    pub optimizer: OptimizerSettings,
    /// Learning rate that the schedule multiplies.
    pub base_rate: f64,
    /// The schedule.
    pub schedule: ScheduleKind,
}

/// An optimizer and its constants.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizerSettings {
    /// Which optimizer.
    pub kind: OptimizerKind,
    /// Decay of the first and of the second moment.
    pub betas: [f64; 2],
    /// What keeps divisions finite.
    pub epsilon: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Parameters that are trained in another way. The last exception that a parameter meets decides.
    pub exceptions: Vec<Exception>,
}

/// Which optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptimizerKind {
    /// Adamax (Kingma and Ba, 2015).
    Adamax,
    /// `AdamW` (Loshchilov and Hutter, 2019) in one of its forms.
    AdamW(OptimizerForm),
}

/// Parameters of a group with a weight decay and a rate of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Exception {
    /// Which parameters.
    pub paths: Paths,
    /// Their weight decay.
    pub weight_decay: f64,
    /// What their learning rate is multiplied by.
    pub rate_factor: f64,
}

/// Parameters by parts of their paths, `module.submodule.weight`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paths {
    /// The path has one of these parts.
    WithAny(Vec<&'static str>),
    /// The path has all of these parts.
    WithAll(Vec<&'static str>),
}

impl ParameterGroup {
    /// The name of [`fine`](Self::fine).
    pub const FINE: &'static str = "fine";
    /// The name of [`xvlm`](Self::xvlm).
    pub const XVLM: &'static str = "xvlm";

    /// Adamax with `optimizer.fine_*` at `training.lr`.
    pub fn fine(settings: &Config) -> Self {
        let keys = &settings.optimizer;
        Self {
            name: Self::FINE,
            optimizer: OptimizerSettings {
                kind: OptimizerKind::Adamax,
                betas: keys.fine_betas,
                epsilon: keys.fine_eps,
                weight_decay: keys.fine_weight_decay,
                exceptions: Vec::new(),
            },
            base_rate: settings.training.lr,
            schedule: settings.schedule.fine,
        }
    }

    /// `AdamW` with `optimizer.xvlm_*` at `training.xvlm_lr`.
    pub fn xvlm(settings: &Config) -> Self {
        let keys = &settings.optimizer;
        Self {
            name: Self::XVLM,
            optimizer: OptimizerSettings {
                kind: OptimizerKind::AdamW(keys.xvlm_form),
                betas: keys.xvlm_betas,
                epsilon: keys.xvlm_eps,
                weight_decay: keys.xvlm_weight_decay,
                exceptions: Vec::new(),
            },
            base_rate: settings.training.xvlm_lr,
            schedule: settings.schedule.xvlm,
        }
    }
}
