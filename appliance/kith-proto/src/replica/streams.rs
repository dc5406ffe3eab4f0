//! Streams: opening, sending, ending, and whoever keeps us waiting on one.

use bytes::Bytes;
use core::time::Duration;
use std::collections::VecDeque;

use kith_core::time::Instant;
use kith_core::wire::cbor;
use kith_core::wire::frame::StreamKind;
use serde::Serialize;

use super::{Close, LinkId, Output, Replica, StreamId};
use crate::session::budget::PATIENCE;
use crate::session::{MAX_STREAMS, Stream, Task};

/// Requests a peer may leave unanswered before it is dropped.
const MAX_STRIKES: u32 = 2;

impl Replica {
    /// Opens a stream of ours.
    pub(super) fn open(
        &mut self,
        link: LinkId,
        kind: StreamKind,
        task: Task,
        deadline: Option<Instant>,
    ) -> Option<StreamId> {
        let stream = self.links.get_mut(&link)?.open_stream();
        self.streams.insert(stream, Stream { task, deadline, ended: false });
        self.hands.push(Output::OpenStream { stream, kind });
        Some(stream)
    }

    /// Sends a frame.
    pub(super) fn send<T: Serialize + ?Sized>(&mut self, stream: StreamId, frame: &T) -> usize {
        self.send_bytes(stream, cbor::encode(frame))
    }

    /// Sends a frame that is encoded already; answers its bytes on the wire.
    pub(super) fn send_bytes(&mut self, stream: StreamId, frame: Vec<u8>) -> usize {
        let size = frame.len() + 4;
        if let Some(link) = self.links.get_mut(&stream.link) {
            link.sent_bytes += size as u64;
        }
        self.hands.push(Output::Send { stream, frame: Bytes::from(frame) });
        size
    }

    /// Ends our side of a stream; if the peer owes nothing more, forgets it.
    pub(super) fn finish(&mut self, stream: StreamId) {
        self.hands.push(Output::Finish { stream });
    }

    /// Ends our side and forgets the stream.
    pub(super) fn complete(&mut self, stream: StreamId) {
        self.finish(stream);
        self.forget(stream);
    }

    /// Gives a stream up.
    pub(super) fn reset(&mut self, stream: StreamId) {
        self.hands.push(Output::Reset { stream });
        self.forget(stream);
    }

    pub(super) fn forget(&mut self, stream: StreamId) {
        if self.streams.remove(&stream).is_some()
            && !stream.ours
            && let Some(link) = self.links.get_mut(&stream.link)
        {
            link.theirs = link.theirs.saturating_sub(1);
        }
    }

    pub(super) fn set_deadline(&mut self, stream: StreamId, deadline: Option<Instant>) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.deadline = deadline;
        }
    }

    pub(super) fn stream_opened(&mut self, now: Instant, stream: StreamId, kind: StreamKind) {
        let Some(link) = self.links.get_mut(&stream.link) else { return };
        link.theirs += 1;
        if link.theirs > MAX_STREAMS || stream.ours {
            self.close(now, stream.link, Close::Flood);
            return;
        }
        let task = match kind {
            StreamKind::Hello => Task::Greeted { hello: None, waiting: 0 },
            StreamKind::Recon => Task::Compared(Box::default()),
            StreamKind::Push => Task::Pushed { unacknowledged: 0 },
            StreamKind::GetRecords => Task::Gotten { asked: false },
            StreamKind::Want => Task::Wanted { asked: VecDeque::new(), held: Vec::new() },
        };
        let deadline = Some(now + PATIENCE);
        self.streams.insert(stream, Stream { task, deadline, ended: false });
    }

    pub(super) fn frame(&mut self, now: Instant, stream: StreamId, frame: &Bytes) {
        let Some(link) = self.links.get_mut(&stream.link) else { return };
        link.received_bytes += frame.len() as u64 + 4;
        let Some(state) = self.streams.get(&stream) else { return };
        match &state.task {
            Task::Greet { .. } => self.greet_answered(now, stream, frame),
            Task::Greeted { .. } => self.greeted(now, stream, frame),
            Task::Compare { .. } => self.compare_frame(now, stream, frame),
            Task::Compared(_) => self.compared_frame(now, stream, frame),
            Task::Push => self.push_acknowledged(now, stream, frame),
            Task::Pushed { .. } => self.pushed(now, stream, frame),
            Task::Get(_) => self.get_answered(now, stream, frame),
            Task::Gotten { .. } => self.gotten(now, stream, frame),
            Task::Want { .. } => self.block_arrived(now, stream, frame),
            Task::Wanted { .. } => self.wanted(now, stream, frame),
        }
    }

    /// Charges a peer for what it may not ask; tells whether it may go on.
    pub(super) fn charge(&mut self, now: Instant, link: LinkId, bytes: usize) -> bool {
        let good = self.links.get_mut(&link).is_none_or(|l| l.budget.charge(now, bytes));
        if !good {
            self.close(now, link, Close::Flood);
        }
        good
    }

    pub(super) fn stream_ended(&mut self, now: Instant, stream: StreamId, clean: bool) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        state.ended = true;
        let done = match &mut state.task {
            // The answer came before its end and is being acted on.
            Task::Greet { answer: Some(_), .. } => return,
            // So are the records that came; the comparison goes on when they are stored.
            Task::Get(getting) if getting.batches > 0 => {
                getting.complete = true;
                return;
            }
            Task::Greet { .. }
            | Task::Compare { .. }
            | Task::Push
            | Task::Get(_)
            | Task::Want { .. } => {
                self.request_ended(now, stream);
                return;
            }
            Task::Greeted { hello, .. } => hello.is_none(),
            Task::Compared(_) => true,
            Task::Pushed { unacknowledged } => *unacknowledged == 0,
            Task::Gotten { asked } => !*asked,
            Task::Wanted { asked, .. } => asked.is_empty(),
        };
        if !clean {
            self.reset(stream);
        } else if done {
            self.complete(stream);
        }
    }

    /// The peer ended a stream of ours, whether it answered or not.
    fn request_ended(&mut self, now: Instant, stream: StreamId) {
        let Some(state) = self.streams.remove(&stream) else { return };
        // Nothing more is said on it, so the hand is to let go of our side too.
        self.hands.push(Output::Reset { stream });
        let link = stream.link;
        match state.task {
            Task::Greet { .. } => {
                if let Some(link) = self.links.get_mut(&link) {
                    link.hello_open = false;
                }
            }
            Task::Compare { space, class, .. } => self.compare_failed(now, link, space, &class),
            Task::Push => self.push_broken(now, link),
            Task::Get(getting) => self.get_over(now, link, &getting),
            Task::Want { space } => self.want_broken(now, link, space),
            Task::Greeted { .. }
            | Task::Compared(_)
            | Task::Pushed { .. }
            | Task::Gotten { .. }
            | Task::Wanted { .. } => {}
        }
    }

    /// Ends what peers left unanswered.
    pub(super) fn expire_streams(&mut self, now: Instant) {
        let late = |s: &Stream| s.deadline.is_some_and(|deadline| deadline <= now);
        let expired: Vec<StreamId> =
            self.streams.iter().filter(|(_, s)| late(s)).map(|(id, _)| *id).collect();
        for stream in expired {
            if self.deny_held(stream) {
                continue;
            }
            self.strike(now, stream.link);
            if !self.streams.contains_key(&stream) {
                continue;
            }
            if stream.ours {
                self.request_ended(now, stream);
            } else {
                self.reset(stream);
            }
        }
    }

    /// The peer delivered what it owed.
    pub(super) fn forgive(&mut self, link: LinkId) {
        if let Some(state) = self.links.get_mut(&link) {
            state.strikes = 0;
        }
    }

    /// The peer kept us waiting for what it owed.
    pub(super) fn strike(&mut self, now: Instant, link: LinkId) {
        let Some(state) = self.links.get_mut(&link) else { return };
        state.strikes += 1;
        if state.strikes >= MAX_STRIKES {
            self.close(now, link, Close::Silence);
        }
    }
}

/// How long a peer may take to answer a request.
pub(super) const ANSWER: Duration = Duration::from_secs(30);

/// How long a peer may take to make records durable that were pushed to it.
pub(super) const DURABLE: Duration = Duration::from_secs(60);
