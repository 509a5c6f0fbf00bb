//! Values of foreign files in messages.

use std::borrow::Cow;

/// Most characters of a value that a message repeats.
const LONGEST: usize = 80;
/// Most characters between quotation marks of a message.
const LONGEST_SPAN: usize = 300;
/// Most bytes of the path of a file.
const LONGEST_PATH: usize = 4096;
/// Most characters of a line of a message.
const LONGEST_LINE: usize = 4000;

/// A value as a message repeats it: the beginning of one that has more than 80 characters, and how many these are.
///
/// ```
/// assert_eq!(file_kind::shortened("blue"), "blue");
/// assert!(file_kind::shortened(&"x".repeat(100_000)).ends_with("xxx… (100000 characters)"));
/// ```
pub fn shortened(value: &str) -> Cow<'_, str> {
    match value.char_indices().nth(LONGEST) {
        None => value.into(),
        Some((end, _)) => {
            let characters = value.chars().count();
            format!("{}… ({characters} characters)", &value[..end]).into()
        }
    }
}

/// A message whose values are bounded, wherever they come from: what stands between backticks or quotation marks and has more
/// than 300 characters is [`shortened`], and so is a line of more than 4,000. The path of a file stays.
///
/// ```
/// let name = "x".repeat(100_000);
/// let message = file_kind::bounded(&format!("unknown field `{name}`, expected one of `a`, `b`")).into_owned();
/// assert!(message.starts_with("unknown field `xxx"));
/// assert!(message.ends_with("xxx… (100000 characters)`, expected one of `a`, `b`"));
/// ```
pub fn bounded(message: &str) -> Cow<'_, str> {
    if message.len() <= LONGEST_SPAN {
        return message.into();
    }
    let lines = message.split_inclusive('\n').map(|line| {
        let (content, end) = match line.strip_suffix('\n') {
            Some(content) => (content, "\n"),
            None => (line, ""),
        };
        let mut content = spans_bounded(content);
        if let Some((at, _)) = content.char_indices().nth(LONGEST_LINE) {
            let characters = content.chars().count();
            content = format!("{}… ({characters} characters)", &content[..at]);
        }
        content + end
    });
    lines.collect::<String>().into()
}

fn spans_bounded(line: &str) -> String {
    let mut bounded = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(['`', '"']) {
        let quote = &rest[start..=start];
        let inside = &rest[start + 1..];
        let Some(length) = inside.find(quote) else {
            break;
        };
        let value = &inside[..length];
        let is_path = value.starts_with(['/', '.']) && value.len() <= LONGEST_PATH;
        bounded.push_str(&rest[..=start]);
        if value.chars().count() > LONGEST_SPAN && !is_path {
            bounded.push_str(&shortened(value));
        } else {
            bounded.push_str(value);
        }
        bounded.push_str(quote);
        rest = &inside[length + 1..];
    }
    bounded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_long_value_of_a_message_is_bounded() {
        let long = "y".repeat(5000);
        let path = format!("/{}", "deep/".repeat(100));
        for (message, at_most) in [
            (format!("`{long}` and \"{long}\""), 250),
            (format!("a\n\"{long}\", found `{long}`\nb"), 280),
            (format!("no end `{long}"), 4100),
            (long.clone(), 4100),
        ] {
            let bounded = bounded(&message);
            assert!(bounded.chars().count() <= at_most, "{bounded}");
            assert!(bounded.contains("characters)"), "{bounded}");
            assert_eq!(bounded.lines().count(), message.lines().count());
        }
        for same in [format!("`{path}`: it is missing"), "short".repeat(50)] {
            assert_eq!(bounded(&same), same);
        }
        let chinese = "问".repeat(400);
        let text = bounded(&format!("`{chinese}`")).into_owned();
        assert!(text.ends_with("问… (400 characters)`"), "{text}");
    }
}
