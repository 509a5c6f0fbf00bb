use crate::sample::Sample;
use crate::text::AnswerList;

/// Index of the answer with the highest total score over the samples; of equals the first of the list.
pub fn majority_answer(samples: &[Sample], answers: &AnswerList) -> usize {
    let mut totals = vec![0.0_f64; answers.len()];
    for sample in samples {
        for (answer, score) in answers.targets(sample) {
            totals[answer] += f64::from(score);
        }
    }
    let best = totals.iter().copied().fold(0.0, f64::max);
    totals.iter().position(|&total| total >= best).unwrap_or(0)
}

/// Accuracy, `0.0..=1.0`, of giving the same answer (by index) to every sample: the mean score the samples give it.
/// 0 for no samples.
pub fn accuracy_of_constant(samples: &[Sample], answers: &AnswerList, answer: usize) -> f64 {
    let score = |sample| -> f64 {
        let targets = answers.targets(sample).into_iter();
        targets
            .filter(|(index, _)| *index == answer)
            .map(|(_, score)| f64::from(score))
            .fold(0.0, |sum, score| sum + score)
    };
    // An empty sum is -0.0, which would be printed with its sign.
    let total = samples
        .iter()
        .map(score)
        .fold(0.0, |sum, score| sum + score);
    total / samples.len().max(1) as f64
}
