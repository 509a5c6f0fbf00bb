use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::prepare::{Chunk, Piece, Preparer};
use crate::error::DataError;

type Reply = Result<Chunk, DataError>;

struct Task {
    piece: Piece,
    reply: Sender<Reply>,
}

/// Threads that prepare chunks ahead of the consumer, who gets them in the order of submission.
///
/// Each task brings a channel for its own reply, so nothing has to be sorted and no worker ever waits to deliver. What
/// is in work or waits is what was submitted and not taken: the consumer alone decides how much that is.
pub(super) struct Workers {
    tasks: Option<Sender<Task>>,
    /// The other end of `tasks`, to call back what no worker has begun.
    backlog: Receiver<Task>,
    replies: VecDeque<Receiver<Reply>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// # Errors
    /// When a thread cannot be started.
    pub(super) fn start(preparer: &Arc<Preparer>, threads: usize) -> Result<Self, DataError> {
        let (tasks, backlog) = unbounded::<Task>();
        let mut workers = Self {
            tasks: Some(tasks),
            backlog,
            replies: VecDeque::new(),
            threads: Vec::with_capacity(threads),
        };
        for number in 0..threads {
            let (preparer, tasks) = (Arc::clone(preparer), workers.backlog.clone());
            let work = move || {
                for task in tasks {
                    // Nobody takes the reply of an epoch that was dropped.
                    let _ = task.reply.send(preparer.prepare(&task.piece));
                }
            };
            let thread = Builder::new()
                .name(format!("data-{number}"))
                .spawn(work)
                .map_err(|error| DataError::Threads {
                    threads,
                    problem: error.to_string(),
                })?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    /// Chunks submitted and not taken.
    pub(super) fn in_flight(&self) -> usize {
        self.replies.len()
    }

    pub(super) fn submit(&mut self, piece: Piece) {
        let (reply, receiver) = bounded(1);
        if let Some(tasks) = &self.tasks {
            // `backlog` keeps the channel open. Were it closed, the reply's sender would be dropped and `take` say so.
            let _ = tasks.send(Task { piece, reply });
        }
        self.replies.push_back(receiver);
    }

    /// The oldest chunk submitted; waits for it. Nothing when none is in flight or its worker is gone.
    pub(super) fn take(&mut self) -> Option<Reply> {
        self.replies.pop_front()?.recv().ok()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.tasks = None;
        while self.backlog.try_recv().is_ok() {}
        for thread in self.threads.drain(..) {
            // A thread that panicked has lost its chunk, which `take` has told.
            let _ = thread.join();
        }
    }
}
