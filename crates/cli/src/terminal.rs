//! What the terminal can show.

use std::io::IsTerminal;

use crate::environment::variable;

/// Whether a stream shows colours: it is a terminal that has them, and the environment does not ask for none
/// (<https://no-color.org>).
pub fn has_colours(stream: &impl IsTerminal) -> bool {
    let unwanted = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    is_animated(stream) && !unwanted
}

/// Whether a stream is a terminal that can draw a line again.
pub fn is_animated(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && !console::is_dumb()
}

/// Whether the terminal shows letters beyond ASCII, as the locale says. Without one it is that of C, which has none.
pub fn unicode() -> bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let mut values = names.into_iter().filter_map(variable);
    let locale = values.find(|value| !value.is_empty());
    locale.is_some_and(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}
