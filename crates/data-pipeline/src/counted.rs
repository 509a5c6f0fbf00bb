//! Numbers in sentences.

/// A number with its noun and verb.
pub(crate) fn counted(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}
