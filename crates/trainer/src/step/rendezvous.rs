//! Where micro-batches that are computed at the same time wait for one another.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Threads that are to be at the same place at the same time.
pub(crate) struct Rendezvous {
    guests: Mutex<Guests>,
    changed: Condvar,
}

struct Guests {
    expected: usize,
    arrived: usize,
}

/// A thread on its way. When it fails before it arrives, the others do not wait for it.
pub(crate) struct Guest<'a>(&'a Rendezvous);

impl Rendezvous {
    pub(crate) fn of(expected: usize) -> Self {
        Self {
            guests: Mutex::new(Guests {
                expected,
                arrived: 0,
            }),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn expect(&self) -> Guest<'_> {
        Guest(self)
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        // Nothing is half-done in there when a thread panics.
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guest<'_> {
    /// Arrives, and waits until all have arrived or failed.
    pub(crate) fn arrive(&self) {
        let mut guests = self.0.guests();
        guests.arrived += 1;
        self.0.changed.notify_all();
        let missing = |guests: &mut Guests| guests.arrived < guests.expected;
        drop(self.0.changed.wait_while(guests, missing));
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        // One that has arrived is not missed any more either.
        let mut guests = self.0.guests();
        guests.expected = guests.expected.saturating_sub(1);
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn all_who_do_not_fail_are_there_at_once() {
        for failing in 0..3 {
            let (rendezvous, there) = (Rendezvous::of(4), AtomicUsize::new(0));
            thread::scope(|scope| {
                for thread in 0..4 {
                    let (rendezvous, there) = (&rendezvous, &there);
                    scope.spawn(move || {
                        let guest = rendezvous.expect();
                        if thread < failing {
                            return;
                        }
                        there.fetch_add(1, Ordering::SeqCst);
                        guest.arrive();
                        assert_eq!(there.load(Ordering::SeqCst), 4 - failing);
                    });
                }
            });
        }
    }
}
