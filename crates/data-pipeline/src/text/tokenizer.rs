/// The words of a text: lower-cased, split at everything but letters, digits and apostrophes.
///
/// ```
/// let words: Vec<String> = data_pipeline::tokenize("What's LEFT of the red-ish circle?").collect();
/// assert_eq!(words, ["what's", "left", "of", "the", "red", "ish", "circle"]);
/// ```
pub fn tokenize(text: &str) -> impl Iterator<Item = String> + use<> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|word| word.contains(char::is_alphanumeric))
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}
