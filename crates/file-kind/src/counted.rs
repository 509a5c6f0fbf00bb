//! Numbers in messages.

/// A number with its noun, in the singular for 1 and in the plural otherwise. The noun may take a verb with it.
///
/// ```
/// use file_kind::counted;
///
/// assert_eq!(counted(1, "image is", "images are"), "1 image is");
/// assert_eq!(counted(2, "image is", "images are"), "2 images are");
/// ```
pub fn counted(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}
