use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};
use serde::Serialize;

use super::text::TextReport;
use crate::answers::normalise_answer;
use crate::check::{SharedImages, Use, printable};
use crate::encoder::Encoder;
use crate::sample::Split;
use crate::source::Source;
use crate::text::AnswerList;
use file_kind::counted;

/// Answers that a warning names.
const MOST_NAMED: usize = 3;

/// Limits of the figures of a [`DataReport`](crate::DataReport): beyond them a figure is a warning. Parts are `0.0..=1.0`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Least part of a split's score that the answer list can reach.
    pub reachable: f64,
    /// Largest part of a split's questions that are cut.
    pub cut: f64,
    /// Largest part of a split's words that are unknown.
    pub unknown: f64,
    /// Largest part of the answer list that occurs in one training sample only.
    pub once: f64,
    /// Most images that a split shares with one before it.
    pub shared_images: usize,
    /// Most questions of a split that have no word.
    pub wordless: usize,
}

impl Thresholds {
    /// What the program warns of.
    pub const DEFAULT: Self = Self {
        reachable: 0.9,
        cut: 0.001,
        unknown: 0.05,
        once: 0.5,
        shared_images: 0,
        wordless: 0,
    };
}

/// Figures of a data set as a run sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DataReport {
    /// Answers of the answer list.
    pub answers: usize,
    /// Those that are right in one training sample only.
    pub answers_once: usize,
    /// Answers of a given list that are never right, because the list also has their normalised form: each with that form.
    pub answers_twice: Vec<[String; 2]>,
    /// Each split, in the order given.
    pub splits: Vec<SplitReport>,
}

/// Figures of a split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SplitReport {
    /// `train`, `validation` or `test`.
    pub split: &'static str,
    /// Questions.
    pub samples: usize,
    /// Images that they are about.
    pub images: usize,
    /// Questions that have an answer with a score above 0.
    pub answered: usize,
    /// Of these, those to which the answer list has a right answer.
    pub reachable: usize,
    /// The highest accuracy that the answer list allows, `0.0..=1.0`: 0 for a question without a right answer. Nothing if the
    /// split has no answers.
    pub highest_accuracy: Option<f64>,
    /// The part of the score of the best answers that the answer list can reach, `0.0..=1.0`; nothing if no question is
    /// answered.
    pub reachable_score: Option<f64>,
    /// The questions in each form that the model reads.
    pub questions: Vec<TextReport>,
    /// Images that are also in a split before it, by the name of that split.
    pub shared_images: Vec<(&'static str, SharedImages)>,
    /// Questions without a letter or a digit, such as `???`, which say nothing; none where all have one.
    pub wordless: Option<Use>,
}

impl DataReport {
    /// The figures of splits, the training split first. `words` says whether the model reads words, beside the word pieces
    /// that the encoder may have; `shared` is what [`check`](crate::check()) found of the splits in this order.
    pub fn of(
        encoder: &Encoder,
        splits: &[(Split, &dyn Source)],
        words: bool,
        shared: &[SharedImages],
    ) -> Self {
        let counts = || {
            let mut counts = vec![0_usize; encoder.answers.len()];
            if let Some((_, train)) = splits.first() {
                for sample in train.samples() {
                    let targets = encoder.answers.targets(sample).into_iter();
                    for (answer, _) in targets.filter(|(_, score)| *score > 0.0) {
                        counts[answer] += 1;
                    }
                }
            }
            counts
        };
        let split = |(number, &(split, source)): (usize, &(Split, &dyn Source))| {
            let with_earlier = shared.iter().filter(|shared| shared.splits[1] == number);
            SplitReport {
                shared_images: with_earlier
                    .map(|shared| (splits[shared.splits[0]].0.name(), shared.clone()))
                    .collect(),
                ..SplitReport::of(encoder, split, source, words)
            }
        };
        let of_splits = || splits.par_iter().enumerate().map(split).collect();
        let (counts, splits) = rayon::join(counts, of_splits);
        Self {
            answers: encoder.answers.len(),
            answers_once: counts.iter().filter(|&&count| count == 1).count(),
            answers_twice: twice(&encoder.answers, &counts),
            splits,
        }
    }

    /// The figures in words, without what is a warning.
    pub fn lines(&self) -> Vec<String> {
        let once = match self.answers_once {
            0 => String::new(),
            once => format!(", {once} of them in one training sample only"),
        };
        let answers = counted(self.answers, "answer", "answers");
        let mut lines = vec![format!("answer list: {answers}{once}")];
        lines.extend(self.splits.iter().map(SplitReport::line));
        lines
    }

    /// The figures beyond their limits, a sentence each.
    pub fn warnings(&self, limits: &Thresholds) -> Vec<String> {
        let mut warnings = Vec::new();
        let once = part(self.answers_once, self.answers);
        if once > limits.once {
            warnings.push(format!(
                "{} {} in one training sample only ({}): a model cannot learn an answer from one sample",
                of(self.answers_once, self.answers, "answer"),
                if self.answers_once == 1 { "occurs" } else { "occur" },
                percent(once)
            ));
        }
        if !self.answers_twice.is_empty() {
            let named = self.answers_twice.iter().take(MOST_NAMED);
            let mut named: Vec<_> = named
                .map(|[answer, form]| format!("`{}` is `{}`", printable(answer), printable(form)))
                .collect();
            if self.answers_twice.len() > named.len() {
                named.push(format!("{} more", self.answers_twice.len() - named.len()));
            }
            warnings.push(format!(
                "{} in the list a second time in normalised form and right to no training question: {}; remove one of each \
                 from `answers.file`",
                counted(self.answers_twice.len(), "answer is", "answers are"),
                named.join(", ")
            ));
        }
        let of_splits = self.splits.iter().flat_map(|split| split.warnings(limits));
        warnings.extend(of_splits);
        warnings
    }
}

impl SplitReport {
    fn of(encoder: &Encoder, split: Split, source: &dyn Source, words: bool) -> Self {
        let samples = source.samples();
        let (mut answered, mut reachable) = (0, 0);
        let (mut best, mut listed) = (0.0, 0.0);
        for sample in samples {
            let scores = sample.answers.iter().map(|answer| answer.score);
            let most = scores.fold(0.0, f32::max);
            if most <= 0.0 {
                continue;
            }
            let targets = encoder.answers.targets(sample).into_iter();
            let most_listed = targets.map(|(_, score)| score).fold(0.0, f32::max);
            answered += 1;
            reachable += usize::from(most_listed > 0.0);
            best += f64::from(most);
            listed += f64::from(most_listed);
        }
        let pieces = encoder.pieces.as_ref();
        let questions = [
            words.then(|| TextReport::words(encoder, samples)),
            pieces.map(|pieces| TextReport::pieces(pieces, samples)),
        ];
        Self {
            split: split.name(),
            samples: samples.len(),
            images: source.image_count(),
            answered,
            reachable,
            highest_accuracy: source
                .has_answers()
                .then(|| listed / samples.len().max(1) as f64),
            reachable_score: (answered > 0).then(|| listed / best),
            questions: questions.into_iter().flatten().collect(),
            shared_images: Vec::new(),
            wordless: wordless(source),
        }
    }

    fn line(&self) -> String {
        let accuracy = match self.highest_accuracy {
            Some(highest) => format!("accuracy can be at most {}", percent(highest)),
            None => "no answers, so it cannot be scored".to_owned(),
        };
        let questions = self.questions.iter().map(|text| {
            format!(
                "; {}: longest question {}, limit {}, {} cut, {} unknown",
                text.form,
                text.longest,
                text.limit,
                text.cut,
                percent(part(text.unknown, text.tokens))
            )
        });
        format!(
            "{}: {} about {}; {accuracy}{}",
            self.split,
            counted(self.samples, "question", "questions"),
            counted(self.images, "image", "images"),
            questions.collect::<String>()
        )
    }

    fn warnings(&self, limits: &Thresholds) -> Vec<String> {
        let split = self.split;
        let mut warnings = Vec::new();
        if let (Some(highest), Some(reachable)) = (self.highest_accuracy, self.reachable_score)
            && reachable < limits.reachable
        {
            warnings.push(format!(
                "{split}: the answer list has a right answer to {}, so accuracy can be at most {}",
                of(self.reachable, self.answered, "question"),
                percent(highest)
            ));
        }
        if let Some(wordless) = &self.wordless
            && wordless.numbers.len() > limits.wordless
        {
            warnings.push(format!(
                "{split}: {} no word, only marks or pictograms, so only the image tells the answer: {wordless}; write these \
                 questions out, or remove them",
                counted(wordless.numbers.len(), "question has", "questions have")
            ));
        }
        for text in &self.questions {
            let cut = part(text.cut, self.samples);
            if cut > limits.cut {
                warnings.push(format!(
                    "{split}: {} ({}) {} cut to {}; the longest has {}: raise \
                     `dataset.max_question_tokens`",
                    of(text.cut, self.samples, "question"),
                    percent(cut),
                    if text.cut == 1 { "is" } else { "are" },
                    counted(
                        text.limit,
                        text.form.strip_suffix('s').unwrap_or(text.form),
                        text.form
                    ),
                    text.longest
                ));
            }
            let unknown = part(text.unknown, text.tokens);
            if unknown > limits.unknown {
                warnings.push(format!(
                    "{split}: {} of the {} in questions are unknown to the model",
                    percent(unknown),
                    text.form
                ));
            }
        }
        for (other, shared) in &self.shared_images {
            if shared.images > limits.shared_images {
                let images = counted(shared.images, "image is", "images are");
                warnings.push(format!(
                    "{split}: {images} in the {other} split, too, for example `{}`",
                    printable(&shared.example)
                ));
            }
        }
        warnings
    }
}

/// The questions of a split that have no letter and no digit, in whatever language.
fn wordless(source: &dyn Source) -> Option<Use> {
    let samples = source.samples().par_iter().enumerate();
    let without = samples.filter(|(_, sample)| !sample.question.contains(char::is_alphanumeric));
    let numbers: Vec<_> = without.map(|(number, _)| number).collect();
    (!numbers.is_empty()).then(|| Use::of(source, 0, numbers))
}

/// Answers that are right to no training sample although their normalised form is in the list.
fn twice(answers: &AnswerList, counts: &[usize]) -> Vec<[String; 2]> {
    let never = answers.answers().iter().zip(counts);
    let never = never.filter(|(_, count)| **count == 0);
    never
        .filter_map(|(answer, _)| {
            let form = normalise_answer(answer);
            let other = form != *answer && !form.is_empty() && answers.index(&form).is_some();
            other.then(|| [answer.clone(), form])
        })
        .collect()
}

/// Some of all things of a kind: `1 of 3 answers`.
fn of(some: usize, all: usize, noun: &str) -> String {
    let plural = if all == 1 { "" } else { "s" };
    format!("{some} of {all} {noun}{plural}")
}

fn part(some: usize, all: usize) -> f64 {
    some as f64 / all.max(1) as f64
}

fn percent(part: f64) -> String {
    format!("{:.2} %", 100.0 * part)
}
