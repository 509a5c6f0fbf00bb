//! The length of segments where a run leaves it to its budget.

use data_pipeline::Encoder;
use model_api::Model;

use super::run::Run;
use crate::dataset::Dataset;
use crate::error::TrainError;
use crate::memory::budget;
use crate::plan::{SegmentChoice, WorstCase, choose_segment};
use crate::run_dir::durable;
use crate::run_dir::names::SEGMENTS;
use crate::run_dir::read;

/// The choice of the run, if it leaves one. A run that is resumed has made it already, and keeps it: what the machine has to give
/// may be another budget then, and the length of segments changes results to rounding.
pub(super) fn segments<M: Model>(
    run: &Run,
    encoder: &Encoder,
    dataset: &Dataset,
) -> Result<Option<SegmentChoice>, TrainError> {
    let Some(budget) = budget(run.settings, run.memory.capacity()) else {
        return Ok(None);
    };
    let path = run.run_dir.join(SEGMENTS);
    let keys = &run.settings.memory_optimization;
    let open = keys.gradient_checkpointing && keys.checkpoint_segment == 0;
    if open && run.resume && path.is_file() {
        let text = read(&path)?;
        let choice = serde_json::from_slice(&text).map_err(|error| error.to_string());
        let choice = choice.and_then(|choice: SegmentChoice| match choice.checkpoint_segment {
            0 => Err("segments have at least one layer".to_owned()),
            _ => Ok(choice),
        });
        let reason = |reason| format!("{reason}; without the file the length is chosen again");
        return choice.map(Some).map_err(|error| TrainError::Invalid {
            path,
            reason: reason(error),
        });
    }
    let worst = WorstCase::of(encoder, dataset.train.samples());
    let choice = choose_segment::<M>(run.settings, &worst, budget)?;
    if let Some(choice) = &choice {
        let text = serde_json::to_vec_pretty(choice).map_err(std::io::Error::other);
        text.and_then(|text| durable::write(&path, &text))
            .map_err(|source| TrainError::Write { path, source })?;
    }
    Ok(choice)
}
