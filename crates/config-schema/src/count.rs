//! Numbers with a noun.

/// `1 step`, `2 steps`, `0 steps`: a number with its noun, which is given in the singular.
///
/// ```
/// use config_schema::count;
///
/// assert_eq!(count(1, "step"), "1 step");
/// assert_eq!(count(2, "micro-batch"), "2 micro-batches");
/// ```
pub fn count(number: usize, noun: &str) -> String {
    let ending = match number {
        1 => "",
        _ if noun.ends_with("ch") || noun.ends_with('s') => "es",
        _ => "s",
    };
    format!("{number} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        for (number, noun, expected) in [
            (0, "image", "0 images"),
            (1, "image", "1 image"),
            (21, "image", "21 images"),
            (1, "batch", "1 batch"),
            (0, "batch", "0 batches"),
            (3, "class", "3 classes"),
        ] {
            assert_eq!(count(number, noun), expected);
        }
    }
}
