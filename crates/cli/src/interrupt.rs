//! Signals: Ctrl-C, `TERM` and `HUP`, which stop, and `USR1` and `USR2`, with which schedulers announce the end of a job.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;

/// Exit code of a program that was interrupted before its work was done, as a shell reports it.
pub const INTERRUPTED: u8 = 130;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// To stop soon: Ctrl-C, `TERM` or `HUP`. A second one ends the program at once.
    Stop,
    /// To save a checkpoint and go on: `USR1`.
    Save,
    /// To save a checkpoint and stop, however often it is asked for: `USR2`.
    SaveAndStop,
}

/// Calls `first` at the first interruption; a second one ends the program at once, whatever it waits for. Comes before
/// anything that starts a thread.
pub fn on_interrupt(first: impl Fn() + Send + 'static) -> Result<(), Failure> {
    watch(&[Request::Stop], move |_| first())
}

/// Calls `asked` at every request, but at the first one only that stops. Comes before anything that starts a thread.
pub fn on_request(asked: impl Fn(Request) + Send + 'static) -> Result<(), Failure> {
    watch(&[Request::Stop, Request::Save, Request::SaveAndStop], asked)
}

fn watch(requests: &[Request], asked: impl Fn(Request) + Send + 'static) -> Result<(), Failure> {
    let stopped = AtomicBool::new(false);
    let handle = move |request| {
        if request == Request::Stop && stopped.swap(true, Ordering::Relaxed) {
            quit();
        }
        asked(request);
    };
    system::watch(requests, handle).map_err(Failure::Signals)
}

#[expect(
    clippy::exit,
    reason = "an interruption that has nothing to save, and a second one, must not wait"
)]
/// Ends the program at once.
pub fn quit() -> ! {
    std::process::exit(i32::from(INTERRUPTED))
}

/// Makes a write beyond the limit of file sizes an error, which is reported, instead of the end of the program.
pub fn report_file_size_limit() {
    system::report_file_size_limit();
}

#[cfg(unix)]
mod system {
    use std::fs;
    use std::io;
    use std::thread;

    use nix::sys::signal::{SigSet, Signal};

    use super::Request;

    /// Signals are blocked in this thread and those that it starts, and one thread waits for them. A signal that is ignored
    /// stays so: `nohup` and shells that start a job in the background mean it.
    pub fn watch(
        requests: &[Request],
        handle: impl Fn(Request) + Send + 'static,
    ) -> io::Result<()> {
        let ignored = ignored_signals();
        let watched = Signal::iterator().filter(|signal| {
            let ignored = ignored >> (*signal as i32 - 1) & 1 == 1;
            !ignored && request_of(*signal).is_some_and(|request| requests.contains(&request))
        });
        let watched: SigSet = watched.collect();
        watched.thread_block()?;
        let wait = move || {
            loop {
                if let Some(request) = watched.wait().ok().and_then(request_of) {
                    handle(request);
                }
            }
        };
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(wait)?;
        Ok(())
    }

    fn request_of(signal: Signal) -> Option<Request> {
        match signal {
            Signal::SIGINT | Signal::SIGTERM | Signal::SIGHUP => Some(Request::Stop),
            Signal::SIGUSR1 => Some(Request::Save),
            Signal::SIGUSR2 => Some(Request::SaveAndStop),
            _ => None,
        }
    }

    /// A bit for each signal, the lowest for the first. Only Linux says.
    fn ignored_signals() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
            .unwrap_or_default()
    }

    pub fn report_file_size_limit() {
        let set: SigSet = [Signal::SIGXFSZ].into_iter().collect();
        // Where it cannot be blocked, it ends the program as before.
        let _ = set.thread_block();
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;

    use super::Request;

    pub fn watch(
        _requests: &[Request],
        handle: impl Fn(Request) + Send + 'static,
    ) -> io::Result<()> {
        ctrlc::set_handler(move || handle(Request::Stop)).map_err(io::Error::other)
    }

    pub fn report_file_size_limit() {}
}
