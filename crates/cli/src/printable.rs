//! Text that comes from files, arguments and answers, as a terminal may show it.

use std::borrow::Cow;
use std::fmt::Write;

/// A text of several lines with every character escaped that a terminal would obey, or that would hide or turn around what
/// stands beside it. Line breaks and tabs stay.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |c| acts(c) && !matches!(c, '\n' | '\t'), rust)
}

/// As [`printable`] for a name, an answer or another text within a line: line breaks and tabs are escaped, too.
pub fn inline(text: &str) -> Cow<'_, str> {
    escaped(text, acts, rust)
}

/// A JSON text with the characters escaped that JSON allows and terminals obey. What it means stays.
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(text, acts, |c, out| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

fn rust(c: char, out: &mut String) {
    out.extend(c.escape_debug());
}

fn escaped(
    text: &str,
    harms: impl Fn(char) -> bool,
    escape: impl Fn(char, &mut String),
) -> Cow<'_, str> {
    if !text.contains(&harms) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if harms(c) {
            escape(c, &mut out);
        } else {
            out.push(c);
        }
    }
    out.into()
}

/// Whether a terminal shows no character for it: control characters, marks of the direction of writing, separators of lines,
/// invisible characters and tags. The joiners that scripts and emoji need are none of them.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, lines: &str, line: &str) {
        assert_eq!(printable(text), lines);
        assert_eq!(inline(text), line);
        let json_text = serde_json::to_string(text).unwrap();
        let shown = json(&json_text);
        assert!(!shown.contains(acts), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        for text in [
            "",
            "what color?",
            "什么颜色?",
            "ما لونه",
            "é\u{301}",
            "👩\u{200d}🔬",
            "\\u{1b}",
        ] {
            check(text, text, text);
        }
        check("\x1b[31mred", "\\u{1b}[31mred", "\\u{1b}[31mred");
        check(
            "a\r\0\x07\x7f",
            "a\\r\\0\\u{7}\\u{7f}",
            "a\\r\\0\\u{7}\\u{7f}",
        );
        check("\u{9b}2J", "\\u{9b}2J", "\\u{9b}2J");
        check("gpj.\u{202e}exe", "gpj.\\u{202e}exe", "gpj.\\u{202e}exe");
        check(
            "\u{2066}a\u{2069}\u{feff}",
            "\\u{2066}a\\u{2069}\\u{feff}",
            "\\u{2066}a\\u{2069}\\u{feff}",
        );
        check("\u{e0041}", "\\u{e0041}", "\\u{e0041}");
        check("a\n\tb", "a\n\tb", "a\\n\\tb");
    }
}
