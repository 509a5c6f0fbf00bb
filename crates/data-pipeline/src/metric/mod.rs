//! What answers are worth, as the published metrics have it: overall and by kind of question, with intervals.
//!
//! [`Metric`] scores one answer. [`Tally`] takes the scores and gives [`Report`]: means with their numbers of samples and 95 %
//! intervals.
//!
//! ```
//! use data_pipeline::metric::{Metric, Tally};
//! use data_pipeline::{Answer, Sample};
//!
//! let mut tally = Tally::new(Metric::Vqa, &["answer_type".to_owned()]);
//! for (image, (kind, right, given)) in
//!     [("number", "2", "2"), ("number", "3", "2"), ("other", "red", "red")].into_iter().enumerate()
//! {
//!     let sample = Sample {
//!         image,
//!         answers: vec![Answer::only(right)],
//!         fields: [("answer_type".to_owned(), kind.into())].into_iter().collect(),
//!         ..Sample::default()
//!     };
//!     tally.add(&sample, sample.score(given));
//! }
//! let report = tally.report();
//! assert_eq!(report.overall.samples, 3);
//! assert_eq!(report.by["answer_type"]["number"].accuracy, 0.5);
//! ```

mod answerability;
mod field;
mod kind;
mod tally;

pub use answerability::{Answerability, UNANSWERABLE, Verdicts};
pub use field::has_field;
pub use kind::Metric;
pub use tally::{Mean, RESAMPLES, Report, Tally};

#[cfg(test)]
mod tests;
