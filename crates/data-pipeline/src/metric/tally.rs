use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use serde::Serialize;

use super::field::text;
use super::kind::Metric;
use crate::sample::Sample;

/// Times that images are drawn anew for an interval.
pub const RESAMPLES: usize = 1000;

/// Key of what is drawn, so that equal scores have equal intervals.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Part of the means that lies below an interval, and above it.
const TAIL: f64 = 0.025;

/// What a question is in whose field has no text.
const NOTHING: &str = "(none)";

/// A mean over samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mean {
    /// Mean score, 0 to 1.
    pub accuracy: f64,
    /// Samples.
    pub samples: usize,
    /// Ends of the 95 % interval, from a bootstrap over images (Efron, 1979): the mean over as many images drawn with
    /// replacement, [`RESAMPLES`] times, from its 2.5th to its 97.5th percentile. Questions about one image stay together. Equal
    /// scores have equal intervals. None with fewer than two images.
    pub interval: Option<[f64; 2]>,
}

/// What a metric comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Over all samples that count.
    pub overall: Mean,
    /// Of portions that the metric names: `binary` and `open` of GQA.
    pub portions: BTreeMap<&'static str, Mean>,
    /// By field, and by its value.
    pub by: BTreeMap<String, BTreeMap<String, Mean>>,
}

/// A group of samples: all, a portion, or those with a value in a field.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Group {
    All,
    Portion(&'static str),
    Value(usize, String),
}

/// Scores of a group that belong to one image.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    score: f64,
    samples: usize,
}

/// The scores of samples, by group and image.
#[derive(Debug, Clone)]
pub struct Tally {
    metric: Metric,
    fields: Vec<String>,
    /// Fields that some sample has.
    found: BTreeSet<usize>,
    groups: HashMap<Group, usize>,
    /// By image, then by group.
    cells: BTreeMap<usize, BTreeMap<usize, Cell>>,
}

impl Tally {
    /// No scores yet, to be given by these fields, too. A field may be a path, such as `types.semantic`.
    pub fn new(metric: Metric, fields: &[String]) -> Self {
        Self {
            metric,
            fields: fields.to_vec(),
            found: BTreeSet::new(),
            groups: HashMap::new(),
            cells: BTreeMap::new(),
        }
    }

    /// Adds what a sample's answer earned, if the sample counts.
    pub fn add(&mut self, sample: &Sample, score: f64) {
        if !self.metric.counts(sample) {
            return;
        }
        let mut groups = vec![Group::All];
        groups.extend(self.metric.portion(sample).map(Group::Portion));
        for (number, field) in self.fields.iter().enumerate() {
            let value = text(sample, field);
            if value.is_some() {
                self.found.insert(number);
            }
            let value = value.unwrap_or(Cow::Borrowed(NOTHING)).into_owned();
            groups.push(Group::Value(number, value));
        }
        let of_image = self.cells.entry(sample.image).or_default();
        for group in groups {
            let next = self.groups.len();
            let group = *self.groups.entry(group).or_insert(next);
            let cell = of_image.entry(group).or_default();
            cell.score += score;
            cell.samples += 1;
        }
    }

    /// Means and intervals of all groups. A field that no sample has is left out.
    pub fn report(&self) -> Report {
        let intervals = self.intervals();
        let mut totals = vec![Cell::default(); self.groups.len()];
        for (&group, cell) in self.cells.values().flatten() {
            totals[group].score += cell.score;
            totals[group].samples += cell.samples;
        }
        let mut report = Report {
            overall: Mean {
                accuracy: 0.0,
                samples: 0,
                interval: None,
            },
            portions: BTreeMap::new(),
            by: BTreeMap::new(),
        };
        for (group, &number) in &self.groups {
            let total = totals[number];
            let mean = Mean {
                accuracy: total.score / total.samples as f64,
                samples: total.samples,
                interval: intervals[number],
            };
            match group {
                Group::All => report.overall = mean,
                Group::Portion(name) => {
                    report.portions.insert(name, mean);
                }
                Group::Value(field, value) if self.found.contains(field) => {
                    let by = report.by.entry(self.fields[*field].clone()).or_default();
                    by.insert(value.clone(), mean);
                }
                Group::Value(..) => {}
            }
        }
        report
    }

    /// The interval of each group.
    fn intervals(&self) -> Vec<Option<[f64; 2]>> {
        let images: Vec<Vec<(usize, Cell)>> = self
            .cells
            .values()
            .map(|groups| groups.iter().map(|(group, cell)| (*group, *cell)).collect())
            .collect();
        if images.len() < 2 {
            return vec![None; self.groups.len()];
        }
        let drawn: Vec<Vec<f64>> = (0..RESAMPLES as u64)
            .into_par_iter()
            .map(|resample| {
                let mut random = ChaCha8Rng::seed_from_u64(SEED);
                random.set_stream(resample);
                let mut totals = vec![Cell::default(); self.groups.len()];
                for _ in 0..images.len() {
                    for (group, cell) in &images[random.random_range(0..images.len())] {
                        totals[*group].score += cell.score;
                        totals[*group].samples += cell.samples;
                    }
                }
                // Nothing where no image of the group was drawn: not a number.
                let means = totals.iter();
                means
                    .map(|total| total.score / total.samples as f64)
                    .collect()
            })
            .collect();
        let interval = |group: usize| {
            let of_group = drawn.iter().map(|means| means[group]);
            let mut means: Vec<f64> = of_group.filter(|mean| !mean.is_nan()).collect();
            means.sort_unstable_by(f64::total_cmp);
            let several = images
                .iter()
                .filter(|cells| cells.iter().any(|(of, _)| *of == group));
            let varies = several.take(2).count() == 2 && !means.is_empty();
            varies.then(|| [TAIL, 1.0 - TAIL].map(|part| quantile(&means, part)))
        };
        (0..self.groups.len()).map(interval).collect()
    }
}

/// The value below which a part of sorted numbers lies, between two of them in proportion.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() - 1) as f64;
    let below = sorted[place.floor() as usize];
    let above = sorted[place.ceil() as usize];
    below + (above - below) * place.fract()
}
