//! The only place that prints: data on standard output, everything else on standard error. What comes from files and
//! arguments is escaped where a terminal would obey it.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use file_kind::bounded;
use serde::Serialize;

use crate::failure::Failure;
use crate::printable::{self, printable};

/// Whether some data could not be written.
static LOST: AtomicBool = AtomicBool::new(false);

/// Whether the reader of the data has gone away.
static UNREAD: AtomicBool = AtomicBool::new(false);

/// Prints a line of data. A reader that has gone away is no reason to fail.
pub fn line(text: impl AsRef<str>) {
    data(format!("{}\n", printable(text.as_ref())));
}

/// Prints the text of a file: as it is, but for a terminal.
pub fn text(text: impl AsRef<str>) {
    if io::stdout().is_terminal() {
        data(&*printable(text.as_ref()));
    } else {
        data(text);
    }
}

/// Prints a message on standard output that [`crate::failure`] has rendered, with what is foreign escaped.
pub fn rendered(text: impl AsRef<str>) {
    data(format!("{}\n", text.as_ref()));
}

fn data(text: impl AsRef<str>) {
    let mut output = io::stdout().lock();
    let written = output
        .write_all(text.as_ref().as_bytes())
        .and_then(|()| output.flush());
    let Err(error) = written else { return };
    if error.kind() == io::ErrorKind::BrokenPipe {
        UNREAD.store(true, Ordering::Relaxed);
    } else if !LOST.swap(true, Ordering::Relaxed) {
        note(format!("cannot write to standard output: {error}"));
    }
}

/// Whether some data was lost on the way out, for another reason than a reader that has gone away.
pub fn lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Whether more data would go nowhere.
pub fn closed() -> bool {
    lost() || UNREAD.load(Ordering::Relaxed)
}

/// Prints a value as one line of JSON.
pub fn json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => data(format!("{}\n", printable::json(&text))),
        Err(error) => note(format!("warning: cannot write JSON: {error}")),
    }
}

/// Prints a line for a person.
pub fn note(text: impl AsRef<str>) {
    let text = bounded(text.as_ref());
    let _ = writeln!(io::stderr().lock(), "{}", printable(&text));
}

/// Prints why the command failed and what to do about it.
pub fn failure(failure: &Failure) {
    let _ = writeln!(io::stderr().lock(), "{}", failure.render());
}

/// Prints an error of the arguments, or the help or version that they ask for. Returns the exit code.
pub fn usage(error: &clap::Error) -> ExitCode {
    let strange = |argument: std::ffi::OsString| {
        let argument = argument.to_string_lossy();
        printable(&argument) != argument
    };
    if error.use_stderr() && env::args_os().any(strange) {
        // Without style, since nothing tells the style of the message from what an argument contains.
        note(error.render().to_string().trim_end());
    } else if let Err(lost) = error.print()
        && !error.use_stderr()
        && lost.kind() != io::ErrorKind::BrokenPipe
    {
        note(format!("cannot write to standard output: {lost}"));
        return ExitCode::FAILURE;
    }
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}
