/// A question as X-VLM cleans it before it is tokenized (Zeng et al., "Multi-Grained Vision Language Pre-Training",
/// 2022): lower-cased, without `,.'!?"()*#:;~`, a space for every `-` and `/`, at most `max_words` words.
///
/// A word ends at every single space, so two spaces have an empty word between them.
///
/// ```
/// let cleaned = data_pipeline::pre_question("What's the man's T-shirt colour, red or blue?", 6);
/// assert_eq!(cleaned, "whats the mans t shirt colour");
/// ```
pub fn pre_question(question: &str, max_words: usize) -> String {
    let cleaned: String = question
        .to_lowercase()
        .chars()
        .filter(|c| !",.'!?\"()*#:;~".contains(*c))
        .map(|c| if matches!(c, '-' | '/') { ' ' } else { c })
        .collect();
    let words = cleaned.trim_end_matches(' ').split(' ');
    words.take(max_words).collect::<Vec<_>>().join(" ")
}
