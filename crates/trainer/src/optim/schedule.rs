/// Learning rate as a function of the step alone, so that a resumed run needs no scheduler state.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// The base rate throughout.
    Constant,
    /// From 0 linearly up over the warm-up, then linearly down to 0 at the last step (X-VLM).
    Linear {
        /// Part of all steps spent warming up.
        warmup_fraction: f64,
    },
    /// Like `Linear` on the way up, then down along half a cosine wave.
    Cosine {
        /// Part of all steps spent warming up.
        warmup_fraction: f64,
    },
    /// Steps by the epoch (CFR-VQA): one factor for each of the first epochs, the last of which stays,
    /// multiplied by `decay_factor` at `decay_start` and every `decay_every` epochs from there on.
    Cfr {
        /// Factors of the first epochs.
        warmup_factors: Vec<f64>,
        /// Factor of one decay.
        decay_factor: f64,
        /// First epoch (counted from 0) with a decayed rate.
        decay_start: usize,
        /// Epochs between two decays.
        decay_every: usize,
    },
}

/// Where a run stands.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Step about to be taken, counted from 0.
    pub step: usize,
    /// Steps of the whole run.
    pub total_steps: usize,
    /// Epoch of the step, counted from 0.
    pub epoch: usize,
}

impl Schedule {
    /// Rate at `at`, as a factor of the base rate.
    pub fn factor(&self, at: Progress) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Linear { warmup_fraction } => ramp(at, *warmup_fraction, |rest| rest),
            Self::Cosine { warmup_fraction } => ramp(at, *warmup_fraction, |rest| {
                0.5 * (1.0 - (std::f64::consts::PI * rest).cos())
            }),
            Self::Cfr {
                warmup_factors,
                decay_factor,
                decay_start,
                decay_every,
            } => {
                let warm = warmup_factors
                    .get(at.epoch)
                    .or(warmup_factors.last())
                    .copied()
                    .unwrap_or(1.0);
                let decays = match at.epoch.checked_sub(*decay_start) {
                    Some(since) => since / (*decay_every).max(1) + 1,
                    None => 0,
                };
                warm * decay_factor.powf(decays as f64)
            }
        }
    }
}

/// Linear warm-up, then `decay` of the part of the steps that is left, which falls from 1 to 0.
fn ramp(at: Progress, warmup_fraction: f64, decay: impl Fn(f64) -> f64) -> f64 {
    let warmup = (at.total_steps as f64 * warmup_fraction).floor();
    let step = at.step as f64;
    if step < warmup {
        return step / warmup;
    }
    let rest = (at.total_steps as f64 - step) / (at.total_steps as f64 - warmup).max(1.0);
    decay(rest.clamp(0.0, 1.0))
}
