//! Ctrl-C, `TERM` and `HUP`.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;

/// Exit code of a program that was interrupted before its work was done, as a shell reports it.
pub const INTERRUPTED: u8 = 130;

/// Calls `first` at the first interruption; a second one ends the program at once, whatever it waits for.
pub fn on_interrupt(first: impl Fn() + Send + 'static) -> Result<(), Failure> {
    let interrupted = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if interrupted.swap(true, Ordering::Relaxed) {
            quit();
        }
        first();
    })?;
    Ok(())
}

#[expect(
    clippy::exit,
    reason = "a second interruption must not wait for what the first one waits for"
)]
fn quit() -> ! {
    std::process::exit(i32::from(INTERRUPTED))
}
