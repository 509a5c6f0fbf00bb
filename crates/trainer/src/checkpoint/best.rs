//! Which checkpoint of a run answers: the best one, unless another one is asked for.

use std::io;
use std::path::{Path, PathBuf};

use model_api::Model;
use serde::Deserialize;

use super::files::{Files, Wanted};
use super::rejected::Rejected;
use super::state::Best;
use super::store::Checkpoints;
use crate::error::TrainError;
use crate::run_dir::names::METRICS;
use crate::run_dir::read_log;

/// The weights of a checkpoint, checked. They need neither the state of optimizers nor what was measured.
#[derive(Debug)]
pub struct Weights {
    /// The checkpoint's folder.
    pub path: PathBuf,
    /// Step that it was saved at.
    pub step: usize,
    files: Files,
}

impl Weights {
    fn read(step: usize, path: &Path) -> Result<Self, Rejected> {
        match Files::read(step, path, Wanted::Weights) {
            Ok((files, _)) => Ok(Self {
                path: path.to_owned(),
                step,
                files,
            }),
            Err(fault) => Err(fault.of(path.to_owned())),
        }
    }

    /// CRC-32 of the weights' file.
    pub(crate) fn checksum(&self) -> u32 {
        self.files.checksum(self.files.answering())
    }

    /// Gives `model` the checkpoint's weights: their moving average where the run has one.
    ///
    /// # Errors
    ///
    /// When the checkpoint is of another model.
    pub fn load_model<M: Model>(&self, model: M) -> Result<M, TrainError> {
        self.files.load_model(self.files.answering(), model)
    }
}

/// What the log of a run tells of its checkpoints.
#[derive(Debug, Default, PartialEq)]
struct Told {
    /// Step of the newest one.
    newest: Option<usize>,
    /// The best evaluation with a checkpoint.
    best: Option<Best>,
}

impl Told {
    fn parse(log: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Line {
            event: String,
            step: usize,
            split: Option<String>,
            accuracy: Option<f64>,
        }
        let lines = log.split(|&byte| byte == b'\n');
        let mut told = Self::default();
        // An evaluation has no checkpoint yet when the process was killed in between.
        let mut evaluated: Option<Best> = None;
        for line in lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok()) {
            match (&*line.event, line.split.as_deref(), line.accuracy) {
                ("evaluation", Some("validation"), Some(accuracy)) => {
                    let step = line.step;
                    evaluated = Some(Best { accuracy, step });
                }
                ("checkpoint", ..) => {
                    told.newest = told.newest.max(Some(line.step));
                    let saved = evaluated.filter(|one| one.step == line.step);
                    told.best = better(told.best, saved);
                }
                _ => {}
            }
        }
        told
    }
}

/// The more accurate of two evaluations, the first where they are equal.
fn better(one: Option<Best>, other: Option<Best>) -> Option<Best> {
    match (one, other) {
        (Some(one), Some(other)) if other.accuracy > one.accuracy => Some(other),
        (None, other) => other,
        (one, _) => one,
    }
}

impl Checkpoints {
    /// The best checkpoint, as the newest one and the log of the run know it; the newest one where none was evaluated. Beside
    /// it those whose state cannot be read. No other checkpoint takes its place.
    ///
    /// # Errors
    ///
    /// When there is none, or this one is gone or cannot be used.
    pub fn best(&self) -> Result<(Weights, Vec<Rejected>), TrainError> {
        let steps = self.listed()?;
        let told = Told::parse(&read_log(&self.run_dir().join(METRICS))?);
        let (mut known, mut rejected) = (None, Vec::new());
        for (step, path) in steps.iter().rev() {
            match Files::read(*step, path, Wanted::State) {
                Ok((_, position)) => {
                    known = position.best;
                    break;
                }
                Err(fault) => rejected.push(fault.of(path.clone())),
            }
        }
        let newest = told.newest.max(steps.keys().next_back().copied());
        let (which, step) = match (better(known, told.best), newest) {
            (Some(best), _) => ("best ", best.step),
            (None, Some(newest)) => ("newest ", newest),
            (None, None) => return Err(TrainError::no_checkpoint(self.run_dir(), rejected)),
        };
        let weights = self.weights(which, step)?;
        rejected.retain(|one| one.path != weights.path);
        Ok((weights, rejected))
    }

    /// The weights of the checkpoint of a step.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be used.
    pub fn of_step(&self, step: usize) -> Result<Weights, TrainError> {
        self.weights("", step)
    }

    /// What to say of the best checkpoint where it is gone while its run goes on.
    pub fn lost(&self, best: Option<Best>) -> Option<String> {
        let path = self.path(best?.step);
        let gone = path
            .metadata()
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        gone.then(|| {
            format!(
                "the best checkpoint, {}, is gone: unless it comes back or a later one is better, the run ends without a result",
                path.display()
            )
        })
    }

    fn weights(&self, which: &'static str, step: usize) -> Result<Weights, TrainError> {
        let steps = self.listed()?;
        let found = match steps.get(&step) {
            Some(path) => Weights::read(step, path),
            None => Err(Rejected {
                reason: if which.is_empty() {
                    "there is none of this step"
                } else {
                    "it is gone"
                }
                .to_owned(),
                ..Rejected::gone(self.path(step))
            }),
        };
        found.map_err(|rejected| {
            let mut all = vec![rejected.clone()];
            let mut others = Vec::new();
            for (other, path) in steps.iter().filter(|(other, _)| **other != step) {
                match Weights::read(*other, path) {
                    Ok(_) => others.push(*other),
                    Err(rejected) => all.push(rejected),
                }
            }
            let run_dir = self.run_dir();
            if others.is_empty() {
                return TrainError::no_checkpoint(run_dir, all);
            }
            TrainError::Unusable {
                which,
                rejected,
                run_dir: run_dir.to_owned(),
                others,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_of_the_best_evaluation_that_was_saved() {
        let line = |event: &str, step: usize, more: &str| {
            format!("{{\"event\":\"{event}\",\"step\":{step}{more}}}\n")
        };
        let evaluation = |step, accuracy: f64| {
            let more = format!(",\"split\":\"validation\",\"accuracy\":{accuracy}");
            line("evaluation", step, &more)
        };
        let test = line("evaluation", 8, ",\"split\":\"test\",\"accuracy\":0.9");
        let log = [
            line("start", 0, ""),
            evaluation(2, 0.3),
            line("checkpoint", 2, ",\"path\":\"x\""),
            line("checkpoint", 3, ""),
            evaluation(4, 0.5),
            line("checkpoint", 4, ""),
            evaluation(6, 0.5),
            line("checkpoint", 6, ""),
            test,
            evaluation(8, 0.8),
            "{\"event\":\"checkpoint\",\"st".to_owned(),
        ];
        let told = Told::parse(log.concat().as_bytes());
        let best = Best {
            accuracy: 0.5,
            step: 4,
        };
        assert_eq!((told.newest, told.best), (Some(6), Some(best)));
        assert_eq!(Told::parse(b""), Told::default());
    }
}
