//! Answers as they are written, so that a reader of the line gets the samples that were there.

use std::borrow::Cow;
use std::iter;

use super::line::MAX_ANSWERS;
use crate::answers::{AnswerReading, ReadAnswers, ReadingFacts, best_score};
use crate::sample::{Answer, Sample};

/// How far a number of votes may lie from a whole one by rounding of its weight.
const ROUNDING: f32 = 1e-3;

/// Lists of votes that are tried: longer ones of equal weights differ in nothing that counts.
const MOST_TRIED: usize = 4;

/// What is read again as the answers of a sample, compared in the same way: one right answer, answers with their scores, or
/// votes. Where nothing is, as for weights that no votes have, the scores are kept.
pub(super) fn written(sample: &Sample) -> ReadAnswers<'_> {
    let plain = || match sample.answers.as_slice() {
        // Blank: a question without a right answer has answers all the same.
        [] => list([""]),
        [only] if (only.score - 1.0).abs() < f32::EPSILON => list([&*only.text]),
        several => {
            let scored = several.iter();
            let scored = scored.map(|answer| (Cow::Borrowed(&*answer.text), answer.score));
            ReadAnswers::Scored(scored.collect())
        }
    };
    let reading = AnswerReading::default();
    let reads = |candidate: &ReadAnswers| reading.read(candidate, &mut ReadingFacts::default());
    let votes = votes(sample).take(MOST_TRIED);
    let candidates: Vec<_> = iter::once_with(plain).chain(votes).collect();
    let read: Vec<_> = candidates.iter().map(reads).collect();
    let exact = |(answers, comparison): &(Vec<Answer>, _)| {
        *answers == sample.answers && *comparison == sample.comparison
    };
    let place = read.iter().position(exact).or_else(|| {
        // `dataset.answer_normalisation` decides about the comparison.
        read.iter()
            .position(|(answers, _)| *answers == sample.answers)
    });
    let chosen = candidates.into_iter().nth(place.unwrap_or(0));
    chosen.unwrap_or_else(plain)
}

fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> ReadAnswers<'a> {
    ReadAnswers::Given(texts.into_iter().map(Cow::Borrowed).collect())
}

/// Lists of votes from which scores and weights like those of the sample follow, the shortest first.
fn votes(sample: &Sample) -> impl Iterator<Item = ReadAnswers<'_>> {
    let answers = sample.answers.as_slice();
    let counts = |votes: usize| {
        let count = |answer: &Answer| {
            let count = answer.weight * votes as f32;
            let whole = count.round();
            ((count - whole).abs() <= ROUNDING && whole > 0.0).then_some(whole as usize)
        };
        let counts: Vec<usize> = answers.iter().map(count).collect::<Option<_>>()?;
        (counts.iter().sum::<usize>() == votes).then_some(counts)
    };
    let sizes = if answers.is_empty() {
        0..1
    } else {
        1..MAX_ANSWERS + 1
    };
    let same = |score: f64, expected: f32| (score as f32 - expected).abs() <= f32::EPSILON;
    sizes
        .filter_map(move |votes| Some((votes, counts(votes)?)))
        .flat_map(move |(votes, counts)| {
            // A blank vote is worth something as soon as there is another vote.
            let blanks = if sample.comparison.blank > 0.0 {
                1..MAX_ANSWERS + 1 - votes
            } else {
                0..1
            };
            let fits = move |blank: &usize| {
                let all = votes + blank;
                let first = counts.first().zip(answers.first());
                same(best_score(*blank, all), sample.comparison.blank)
                    && first.is_none_or(|(count, one)| same(best_score(*count, all), one.score))
            };
            blanks.filter(fits).map(move |blank| (votes, blank))
        })
        .filter_map(move |(votes, blank)| {
            let counts = counts(votes)?;
            let given = answers.iter().zip(counts);
            let given = given.flat_map(|(answer, count)| iter::repeat_n(&*answer.text, count));
            Some(list(given.chain(iter::repeat_n("", blank))))
        })
}
