//! Which of its samples a run can use, known before its first step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use config_schema::{Config, OnBadSample, count};
use data_pipeline::{
    Check, DataError, DataReport, Depth, Encoder, Fault, Faults, OddImage, SharedImages, Source,
    Split, Subset, check,
};
use model_api::Model;
use serde::{Deserialize, Serialize};

use crate::dataset::Dataset;
use crate::error::TrainError;
use crate::run_dir::names::SKIPPED;
use crate::run_dir::{Sealed, has_begun};

/// All splits, in the order in which a data set is spoken of.
const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

/// Most files that a warning names.
const MOST_NAMED: usize = 5;

/// The samples that a run leaves out, by the name of their split.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Skipped(BTreeMap<String, Vec<SkippedSample>>);

/// A sample that a run leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedSample {
    /// Index of the sample in its split.
    pub sample: usize,
    /// Where it is written down.
    pub place: String,
    /// The file that cannot be used.
    pub file: String,
    /// What is wrong with the file.
    pub cause: String,
}

/// A data set whose files can be used, as far as a look before the run tells.
pub struct Usable {
    /// The data set without what is left out.
    pub dataset: Dataset,
    /// What is left out.
    pub skipped: Skipped,
    /// Images that are used although their files are odd.
    pub odd: Vec<OddImage>,
    /// Images that splits have in common.
    pub shared: Vec<SharedImages>,
}

impl Skipped {
    /// What a run left out when it began; nothing if no run began in the folder.
    ///
    /// # Errors
    ///
    /// When what the run wrote down cannot be read or was changed.
    pub fn of_run(run_dir: &Path) -> Result<Option<Self>, TrainError> {
        if !has_begun(run_dir) {
            return Ok(None);
        }
        let sealed = Sealed::of(run_dir)?;
        let skipped = sealed
            .contains(SKIPPED)
            .then(|| sealed.parse(SKIPPED))
            .transpose()?;
        Ok(Some(skipped.unwrap_or_default()))
    }

    /// The samples that need one of the files.
    fn of(faults: &[Fault], dataset: &Dataset) -> Self {
        let mut by_split: BTreeMap<String, BTreeMap<usize, SkippedSample>> = BTreeMap::new();
        for fault in faults {
            for used in &fault.used_by {
                let split = SPLITS[used.split];
                let samples = by_split.entry(split.name().to_owned()).or_default();
                for &sample in &used.samples {
                    samples.entry(sample).or_insert_with(|| SkippedSample {
                        sample,
                        place: dataset.split(split).sample_place(sample),
                        file: fault.file.clone(),
                        cause: fault.cause.clone(),
                    });
                }
            }
        }
        let listed = by_split
            .into_iter()
            .map(|(split, samples)| (split, samples.into_values().collect()));
        Self(listed.collect())
    }

    /// Whether no sample is left out.
    pub fn is_empty(&self) -> bool {
        self.0.values().all(Vec::is_empty)
    }

    /// What is left out of a split.
    pub fn of_split(&self, split: Split) -> &[SkippedSample] {
        self.0.get(split.name()).map_or(&[], Vec::as_slice)
    }

    /// The data set without these samples.
    #[must_use]
    pub fn leave_out(&self, dataset: &Dataset) -> Dataset {
        let without = |split| -> Arc<dyn Source> {
            let whole = dataset.split(split).clone();
            let left_out = self.of_split(split).iter().map(|skipped| skipped.sample);
            let left_out: Vec<_> = left_out.collect();
            if left_out.is_empty() {
                return whole;
            }
            Arc::new(Subset::without(whole, &left_out))
        };
        Dataset {
            train: without(Split::Train),
            validation: without(Split::Validation),
            test: without(Split::Test),
        }
    }

    /// A sentence for each split that lacks samples.
    pub fn warnings(&self) -> Vec<String> {
        let of_split = |split: Split| {
            let samples = self.of_split(split);
            let files: BTreeSet<_> = samples.iter().map(|skipped| &*skipped.file).collect();
            let mut named: Vec<_> = files
                .iter()
                .take(MOST_NAMED)
                .map(|file| format!("{file:?}"))
                .collect();
            if files.len() > named.len() {
                named.push(format!("{} more", files.len() - named.len()));
            }
            (!samples.is_empty()).then(|| {
                let verb = if samples.len() == 1 { "is" } else { "are" };
                format!(
                    "{} {verb} left out of the {} split, since these files cannot be used: {}; all of them are in {SKIPPED}",
                    count(samples.len(), "sample"),
                    split.name(),
                    named.join(", ")
                )
            })
        };
        SPLITS.into_iter().filter_map(of_split).collect()
    }

    /// # Errors
    ///
    /// When more samples of a split are left out than may be, or all of them.
    fn check(&self, dataset: &Dataset, limit: f64, faults: &[Fault]) -> Result<(), DataError> {
        for split in SPLITS {
            let (bad, samples) = (
                self.of_split(split).len(),
                dataset.split(split).samples().len(),
            );
            if bad > 0 && (bad == samples || bad as f64 > limit * samples as f64) {
                let of_split = faults.iter().filter(|fault| {
                    let mut splits = fault.used_by.iter().map(|used| SPLITS[used.split]);
                    splits.any(|used| used == split)
                });
                return Err(DataError::TooManyBad {
                    split: split.name(),
                    bad,
                    samples,
                    limit,
                    faults: Faults(of_split.cloned().collect()),
                });
            }
        }
        Ok(())
    }
}

/// Looks at the files that a run needs of some splits, before it needs them. `known` is what it left out when it began:
/// that and nothing else is then left out. `progress` hears how many files were looked at, of how many.
///
/// Where a run begins with `dataset.on_bad_sample = "skip"`, all files are read whole, and so are those of the test split
/// in any case: a run would come to them only at its end, unless its questions are those of validation. Of the others the beginning and the end are looked at.
///
/// # Errors
///
/// All files that cannot be used, unless the samples that need them may be left out and are not too many.
pub fn usable<M: Model>(
    settings: &Config,
    whole: &Dataset,
    splits: &[Split],
    known: Option<Skipped>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Usable, DataError> {
    let keys = &settings.dataset;
    let begins = known.is_none();
    let skip = begins && keys.on_bad_sample == OnBadSample::Skip;
    let skipped = known.unwrap_or_default();
    let dataset = skipped.leave_out(whole);
    let same_questions = dataset.test.questions() == dataset.validation.questions()
        && dataset.test.questions().0.is_some();
    let depth = |split| match split {
        _ if skip => Depth::Whole,
        // Where validation questions are reported as test, they are read after the first epoch and not only at the end.
        Split::Test if begins && !same_questions => Depth::Whole,
        _ => Depth::Glance,
    };
    let asked: Vec<_> = splits
        .iter()
        .map(|&split| (dataset.split(split).as_ref(), depth(split)))
        .collect();
    let checked = check(
        Check {
            splits: &asked,
            inputs: M::inputs(settings, dataset.train.inputs()),
            image_size: keys.image_size,
            threads: settings.memory_optimization.num_workers,
        },
        progress,
    )?;
    let numbered = |split: usize| SPLITS.iter().position(|one| *one == splits[split]);
    let mut faults = checked.faults;
    for used in faults.iter_mut().flat_map(|fault| &mut fault.used_by) {
        used.split = numbered(used.split).unwrap_or(used.split);
    }
    if faults.is_empty() {
        return Ok(Usable {
            dataset,
            skipped,
            odd: checked.odd,
            shared: checked.shared,
        });
    }
    if !skip {
        return Err(DataError::BadFiles {
            faults: Faults(faults),
            files: checked.files,
            begun: !begins,
        });
    }
    let skipped = Skipped::of(&faults, whole);
    skipped.check(whole, keys.max_bad_fraction, &faults)?;
    Ok(Usable {
        dataset: skipped.leave_out(whole),
        skipped,
        odd: checked.odd,
        shared: checked.shared,
    })
}

/// The figures of a data set as a run sees it. `shared` is of all three splits.
pub fn data_report<M: Model>(
    settings: &Config,
    encoder: &Encoder,
    dataset: &Dataset,
    shared: &[SharedImages],
) -> DataReport {
    let splits = SPLITS.map(|split| (split, dataset.split(split).as_ref()));
    let words = M::texts(settings).words;
    DataReport::of(encoder, &splits, words, shared)
}
