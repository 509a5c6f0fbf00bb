//! Where a run stands, as a checkpoint keeps it: what equal runs have in common apart from what was measured.

use serde::{Deserialize, Serialize};

use crate::memory::MicroBatches;
use crate::optim::LossScale;

/// Layout of the checkpoints that this program writes.
const FORMAT: u32 = 3;
/// The layout before, whose state holds everything.
const FORMAT_OF_ONE_FILE: u32 = 2;

/// Where a run stood when its checkpoint was written.
#[derive(Debug, Clone, PartialEq)]
pub struct RunState {
    /// Steps taken.
    pub step: usize,
    /// Epoch of the next step, counted from 0.
    pub epoch: usize,
    /// Steps taken in that epoch.
    pub step_in_epoch: usize,
    /// Steps that are not reported yet.
    pub window: Sums,
    /// Seconds spent training, evaluation and checkpoints included.
    pub train_seconds: f64,
    /// Sizes of micro-batches, and what they follow from.
    pub micro_batches: MicroBatches,
    /// Best validation accuracy so far, 0 to 1, and the step it was measured at.
    pub best: Option<Best>,
    /// Evaluations on the validation split since the best one.
    pub since_best: usize,
    /// Loss scale of the next step; none but in f16.
    pub loss_scale: Option<LossScale>,
    /// Whether the model is to be evaluated on the validation split before the next step: the data failed when it was.
    pub validation_due: bool,
}

/// Sums over steps, from which means are reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sums {
    /// The steps.
    pub steps: usize,
    /// Their mean losses a sample.
    pub loss: f64,
    /// Their global gradient norms before clipping.
    pub gradient_norm: f64,
}

/// The best evaluation so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Validation accuracy, 0 to 1.
    pub accuracy: f64,
    /// Step it was measured at.
    pub step: usize,
}

/// What the configuration and the data decide: equal in equal runs.
#[derive(Debug)]
pub(super) struct Position {
    /// Steps taken.
    pub(super) step: usize,
    /// The best evaluation so far.
    pub(super) best: Option<Best>,
    epoch: usize,
    step_in_epoch: usize,
    window: Sums,
    since_best: usize,
    loss_scale: Option<LossScale>,
    validation_due: bool,
    /// What was measured, where it stands in the same file.
    pub(super) earlier: Option<Measured>,
}

/// [`Position`] in [`FORMAT`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Current {
    format: u32,
    step: usize,
    epoch: usize,
    step_in_epoch: usize,
    window: Sums,
    best: Option<Best>,
    #[serde(default)]
    since_best: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    loss_scale: Option<LossScale>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    validation_due: bool,
}

/// What was measured: times and memory are never the same twice.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Measured {
    train_seconds: f64,
    micro_batches: MicroBatches,
}

/// [`Measured`] with its checksum.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Checked {
    measured: Measured,
    crc32: u32,
}

/// The state in [`FORMAT_OF_ONE_FILE`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneFile {
    #[serde(rename = "format")]
    _format: u32,
    step: usize,
    epoch: usize,
    step_in_epoch: usize,
    train_seconds: f64,
    #[serde(rename = "metrics_bytes")]
    _metrics_bytes: u64,
    #[serde(rename = "memory_bytes")]
    _memory_bytes: u64,
    micro_batches: MicroBatches,
    best: Option<Best>,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl RunState {
    /// A run that has not begun.
    pub fn start(micro_batches: MicroBatches, loss_scale: Option<LossScale>) -> Self {
        Self {
            step: 0,
            epoch: 0,
            step_in_epoch: 0,
            window: Sums::default(),
            train_seconds: 0.0,
            micro_batches,
            best: None,
            since_best: 0,
            loss_scale,
            validation_due: false,
        }
    }

    /// The part that is equal in equal runs.
    pub(super) fn position(&self) -> Vec<u8> {
        json(&Current {
            format: FORMAT,
            step: self.step,
            epoch: self.epoch,
            step_in_epoch: self.step_in_epoch,
            window: self.window,
            best: self.best,
            since_best: self.since_best,
            loss_scale: self.loss_scale,
            validation_due: self.validation_due,
        })
    }

    /// The part that was measured.
    pub(super) fn measured(&self) -> Vec<u8> {
        let measured = Measured {
            train_seconds: self.train_seconds,
            micro_batches: self.micro_batches.clone(),
        };
        json(&Checked {
            crc32: checksum(&measured),
            measured,
        })
    }

    /// Puts both parts together; the error says what is wrong with what was measured.
    pub(super) fn of(position: Position, measured: &[u8]) -> Result<Self, String> {
        let measured = match position.earlier {
            Some(measured) => measured,
            None => Checked::parse(measured)?,
        };
        Ok(Self {
            step: position.step,
            epoch: position.epoch,
            step_in_epoch: position.step_in_epoch,
            window: position.window,
            train_seconds: measured.train_seconds,
            micro_batches: measured.micro_batches,
            best: position.best,
            since_best: position.since_best,
            loss_scale: position.loss_scale,
            validation_due: position.validation_due,
        })
    }
}

impl Checked {
    fn parse(text: &[u8]) -> Result<Measured, String> {
        let Self { measured, crc32 } = parse(text)?;
        if checksum(&measured) != crc32 {
            return Err("the checksum of what was measured does not match".to_owned());
        }
        Ok(measured)
    }
}

impl Position {
    /// Reads the state of a checkpoint; the error says what is wrong with it.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let Format { format } = parse(text)?;
        match format {
            FORMAT => {
                let state: Current = parse(text)?;
                Ok(Self {
                    step: state.step,
                    best: state.best,
                    epoch: state.epoch,
                    step_in_epoch: state.step_in_epoch,
                    window: state.window,
                    since_best: state.since_best,
                    loss_scale: state.loss_scale,
                    validation_due: state.validation_due,
                    earlier: None,
                })
            }
            FORMAT_OF_ONE_FILE => {
                let state: OneFile = parse(text)?;
                Ok(Self {
                    step: state.step,
                    best: state.best,
                    epoch: state.epoch,
                    step_in_epoch: state.step_in_epoch,
                    window: Sums::default(),
                    since_best: 0,
                    loss_scale: None,
                    validation_due: false,
                    earlier: Some(Measured {
                        train_seconds: state.train_seconds,
                        micro_batches: state.micro_batches,
                    }),
                })
            }
            _ => Err(format!(
                "it has format {format}, and this program reads formats {FORMAT_OF_ONE_FILE} and {FORMAT}"
            )),
        }
    }
}

fn checksum(measured: &Measured) -> u32 {
    crc32fast::hash(&json(measured))
}

fn parse<T: for<'a> Deserialize<'a>>(text: &[u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

/// Serializes plain structs, which cannot fail.
pub(super) fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec_pretty(value)
        .unwrap_or_else(|error| unreachable!("plain data serializes: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Controller, Limits};

    fn state() -> RunState {
        let limits = Limits {
            configured: 4,
            most: 8,
            budget: Some(1 << 30),
            dynamic: true,
        };
        RunState {
            step: 7,
            train_seconds: 0.1 + 0.2,
            window: Sums {
                steps: 2,
                loss: 1.0 / 3.0,
                gradient_norm: 1e-300,
            },
            best: Some(Best {
                accuracy: 2.0 / 3.0,
                step: 5,
            }),
            since_best: 3,
            ..RunState::start(
                MicroBatches {
                    training: Controller::new(limits, None),
                    evaluation: Controller::new(limits, None),
                },
                None,
            )
        }
    }

    /// The state of two texts.
    fn read(position: &[u8], measured: &[u8]) -> Result<RunState, String> {
        RunState::of(Position::parse(position)?, measured)
    }

    #[test]
    fn a_state_comes_back_to_the_bit_and_what_was_measured_stays_apart() {
        let state = state();
        let back = read(&state.position(), &state.measured());
        assert_eq!(back.as_ref(), Ok(&state));
        let slower = RunState {
            train_seconds: 9.0,
            ..state.clone()
        };
        assert_eq!(slower.position(), state.position());
        let due = RunState {
            validation_due: true,
            ..state
        };
        let back = read(&due.position(), &due.measured());
        assert_eq!(back, Ok(due));
    }

    #[test]
    fn a_changed_measurement_and_another_format_are_refused() {
        let state = state();
        let text = |bytes| String::from_utf8(bytes).expect("JSON");
        let changed = text(state.measured()).replacen("0.3", "0.4", 1);
        let error = read(&state.position(), changed.as_bytes());
        assert!(error.is_err_and(|error| error.contains("checksum")));
        let other = text(state.position()).replacen("\"format\": 3", "\"format\": 9", 1);
        let error = read(other.as_bytes(), &state.measured());
        assert!(error.is_err_and(|error| error.contains("format 9")));
    }

    #[test]
    fn the_format_of_one_file_is_read() {
        let state = state();
        let sizes = serde_json::to_string(&state.micro_batches).expect("JSON");
        let text = format!(
            r#"{{"format": 2, "step": 7, "epoch": 0, "step_in_epoch": 0, "train_seconds": 1.5, "metrics_bytes": 10,
                "memory_bytes": 20, "micro_batches": {sizes}, "best": null}}"#
        );
        let back = read(text.as_bytes(), b"").expect("it is read");
        assert_eq!((back.step, back.train_seconds), (7, 1.5));
        assert_eq!(back.micro_batches, state.micro_batches);
    }
}
