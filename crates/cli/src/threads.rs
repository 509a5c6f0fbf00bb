//! Threads that the system does not start.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};

use crate::failure::Failure;

/// How the standard library and rayon say in a panic that a thread could not be started.
const NOT_STARTED: [&str; 3] = [
    "failed to spawn thread",
    "ThreadPoolBuildError",
    "The global thread pool has not been initialized",
];

/// What is said where the system gave no reason.
const NO_REASON: &str = "the system gives no reason";

/// Does work whose panics about threads that cannot be started become errors. Libraries start threads deep inside, and a
/// limit of address space or of processes is no fault of theirs. Any other panic goes on.
///
/// # Errors
///
/// As the work, and [`Failure::Threads`].
pub fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let others = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if not_started(panic.payload()).is_none() {
            others(panic);
        }
    }));
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        match not_started(panic.as_ref()) {
            Some(problem) => Err(Failure::Threads { problem }),
            None => panic::resume_unwind(panic),
        }
    })
}

/// What a panic says, where it is about a thread that could not be started.
fn not_started(panic: &(dyn Any + Send)) -> Option<String> {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))?;
    let ours = NOT_STARTED.iter().any(|start| text.contains(start));
    ours.then(|| reason(text).unwrap_or(NO_REASON).to_owned())
}

/// What the system said, out of an error that was printed for programmers: `Os { code: 11, message: "..." }`.
fn reason(text: &str) -> Option<&str> {
    let (_, message) = text.split_once("message: \"")?;
    message.split_once('"').map(|(message, _)| message)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// What the system says of an error that a thread was refused with.
    fn refused_in_words() -> String {
        let text = io::Error::from_raw_os_error(11).to_string();
        let end = text.find(" (os error").unwrap_or(text.len());
        text[..end].to_owned()
    }

    #[test]
    fn a_thread_that_cannot_be_started_is_an_error() {
        let refused = io::Error::from_raw_os_error(11);
        for (panic, expected) in [
            (
                format!("failed to spawn thread: {refused:?}"),
                &*refused_in_words(),
            ),
            (
                format!("ThreadPoolBuildError {{ kind: IOError({refused:?}) }}"),
                &*refused_in_words(),
            ),
            (
                "The global thread pool has not been initialized".to_owned(),
                NO_REASON,
            ),
        ] {
            let outcome = guarded::<()>(|| panic!("{panic}"));
            let Err(Failure::Threads { problem }) = &outcome else {
                panic!("{outcome:?}");
            };
            assert_eq!(problem, expected);
        }
        let other = panic::catch_unwind(|| guarded::<()>(|| panic::panic_any(3_u8)));
        assert_eq!(other.unwrap_err().downcast_ref(), Some(&3_u8));
    }
}
