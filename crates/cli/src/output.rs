//! The only place that prints: data on standard output, everything else on standard error.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::failure::Failure;

/// Whether some data could not be written.
static LOST: AtomicBool = AtomicBool::new(false);

/// Whether the reader of the data has gone away.
static UNREAD: AtomicBool = AtomicBool::new(false);

/// Prints a line of data. A reader that has gone away is no reason to fail.
pub fn line(text: impl AsRef<str>) {
    data(format!("{}\n", text.as_ref()));
}

/// Prints text of data as it is.
pub fn text(text: impl AsRef<str>) {
    data(text);
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

/// Prints what clap has to say: help and version are data, a wrong argument is not.
pub fn usage(message: &clap::Error) -> ExitCode {
    match message.print() {
        Err(error) if !message.use_stderr() && error.kind() != io::ErrorKind::BrokenPipe => {
            note(format!("cannot write to standard output: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::from(u8::try_from(message.exit_code()).unwrap_or(2)),
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
        Ok(text) => line(text),
        Err(error) => note(format!("warning: cannot write JSON: {error}")),
    }
}

/// Prints a line for a person.
pub fn note(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
}

/// Prints why the command failed and what to do about it.
pub fn failure(failure: &Failure) {
    note(failure.render());
}
