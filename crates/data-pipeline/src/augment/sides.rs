use crate::sample::Sample;

/// What a text contains that speaks of a side: a mirrored image may have another answer. As in X-VLM, any word counts that
/// contains one of them. `bright` does so for nothing, which costs a flip and no answer.
const SIDES: [&str; 4] = ["left", "right", "左", "右"];

/// Whether the question or a right answer speaks of left or right.
pub(super) fn says_left_or_right(sample: &Sample) -> bool {
    let answers = sample.answers.iter().map(|answer| &answer.text);
    let mut texts = std::iter::once(&sample.question).chain(answers);
    texts.any(|text| {
        let text = text.to_lowercase();
        SIDES.iter().any(|side| text.contains(side))
    })
}
