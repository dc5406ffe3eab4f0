//! One passphrase at a time: a thread of its own behind a short queue.
//!
//! Each hash takes [`Cost::memory`](crate::account::passphrase::Cost) and up to a second on a slow
//! board. One at a time bounds the memory, and a full queue is answered with "too many" at once.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Passphrases that may wait.
const QUEUE: usize = 8;

/// Work for the hasher; it sends its result wherever it wants.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// The way to the hasher's thread.
#[derive(Clone, Debug)]
pub(crate) struct Hasher {
    jobs: SyncSender<Job>,
}

/// The queue is full.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Busy;

impl Hasher {
    /// Starts the thread; it ends with the last [`Hasher`].
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start() -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        thread::Builder::new().name("hasher".into()).spawn(move || work(&queue))?;
        Ok(Self { jobs })
    }

    /// Queues a job.
    ///
    /// # Errors
    /// [`Busy`] when too many wait already.
    pub(crate) fn submit(&self, job: Job) -> Result<(), Busy> {
        self.jobs.try_send(job).map_err(|_| Busy)
    }
}

fn work(queue: &Receiver<Job>) {
    while let Ok(job) = queue.recv() {
        job();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_flood_of_guesses_is_turned_away_and_not_kept() {
        let hasher = Hasher::start().unwrap();
        let (release, held) = channel::<()>();
        let (started, has_started) = channel();
        let block: Job = Box::new(move || {
            started.send(()).unwrap();
            let _ = held.recv();
        });
        hasher.submit(block).unwrap();
        has_started.recv().unwrap();
        let accepted = (0..10_000).filter(|_| hasher.submit(Box::new(|| ())).is_ok()).count();
        assert_eq!(accepted, QUEUE);
        drop(release);
    }
}
