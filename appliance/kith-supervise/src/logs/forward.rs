//! The way to our own standard error, by a thread: a terminal that was stopped must not stop the
//! supervisor.

use std::io::Write as _;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that may wait to be written; more are lost here, and still in the ring.
const WAITING: usize = 1_024;

enum Message {
    Line(String),
    /// Answer when everything before has been written.
    Flush(SyncSender<()>),
}

/// Writes lines, one after the other. Cheap to clone.
#[derive(Clone)]
pub(super) struct Forwarder {
    lines: Option<SyncSender<Message>>,
}

impl std::fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forwarder").finish_non_exhaustive()
    }
}

impl Forwarder {
    pub(super) fn start() -> Self {
        let (sender, receiver) = sync_channel(WAITING);
        let started = thread::Builder::new().name("log".into()).spawn(move || write_all(&receiver));
        // Without a thread the ring still has everything.
        Self { lines: started.is_ok().then_some(sender) }
    }

    pub(super) fn forward(&self, line: String) {
        if let Some(lines) = &self.lines {
            lines.try_send(Message::Line(line)).ok();
        }
    }

    pub(super) fn flush(&self, patience: Duration) {
        let (done, wait) = sync_channel(1);
        if let Some(lines) = &self.lines
            && lines.try_send(Message::Flush(done)).is_ok()
        {
            wait.recv_timeout(patience).ok();
        }
    }
}

fn write_all(messages: &Receiver<Message>) {
    for message in messages {
        match message {
            // Nobody is left to tell when the standard error is closed.
            Message::Line(line) => drop(std::io::stderr().write_all(line.as_bytes())),
            Message::Flush(done) => drop(done.send(())),
        }
    }
}
