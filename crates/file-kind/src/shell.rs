//! Names of files in commands that a message suggests.

use std::borrow::Cow;
use std::path::Path;

/// A path as one word of a POSIX shell. Bytes that are not UTF-8 are shown as `�`: no message can hold them.
///
/// ```
/// use std::path::Path;
///
/// assert_eq!(file_kind::quoted(Path::new("runs/one")), "runs/one");
/// assert_eq!(file_kind::quoted(Path::new("my run")), "'my run'");
/// ```
pub fn quoted(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    let text = path.to_string_lossy();
    // What begins with a dash would be read as an option.
    let text = if text.starts_with('-') {
        format!("./{text}").into()
    } else {
        text
    };
    // A zero byte cannot be quoted, and no file has one in its name.
    shlex::try_quote(&text).map_or_else(|_| text.to_string(), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_reads_a_quoted_path_as_one_word() {
        for path in [
            "a", "a b", "it's", "\"q\"", "$HOME", "a;b", "`ls`", "*", "~", "问", "a\nb", "a\\b",
            "#", "!x", "(",
        ] {
            let words = shlex::split(&format!("aoa {} end", quoted(path)));
            assert_eq!(words, Some(vec!["aoa".into(), path.into(), "end".into()]));
        }
        assert_eq!(quoted("-r"), "./-r");
    }
}
