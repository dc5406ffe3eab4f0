//! One connection: what each end proved, which spaces it shares, and what is under way on it.

pub(crate) mod budget;
pub(crate) mod hello;
pub(crate) mod outbox;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use kith_core::identity::{AuthorId, NodeId};
use kith_core::record::{Class, RecordId, SpaceId};
use kith_core::seal::{End, Exporter, Handle, Seal};
use kith_core::time::{Instant, UnixTime};
use kith_core::wire::frame::{Hello, Want};

use crate::replica::{LinkId, LinkUp, StreamId, Via};
use crate::sync::recon::Answering;
use budget::Budget;
use outbox::Outbox;

/// Streams a peer may have open at once.
pub(crate) const MAX_STREAMS: usize = 64;

/// Records a link is remembered to have, so that they are not sent back.
const MAX_RECENT: usize = 2_048;

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) peer: NodeId,
    pub(crate) address: SocketAddr,
    pub(crate) end: End,
    pub(crate) exporter: Exporter,
    pub(crate) via: Via,
    pub(crate) since: Instant,
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
    /// HELLOs and answers sent.
    pub(crate) hellos: u64,
    pub(crate) hello_due: Option<Instant>,
    pub(crate) hello_open: bool,
    pub(crate) hello_last: Option<Instant>,
    /// Whether the peer said HELLO, or answered ours.
    pub(crate) greeted: bool,
    /// Whether capabilities were dated by the peer's clock, ours being far behind.
    pub(crate) redated: bool,
    /// What the peer's clock showed, and when it said so.
    pub(crate) clock: Option<(Instant, UnixTime)>,
    pub(crate) spaces: BTreeMap<SpaceId, Shared>,
    pub(crate) outbox: Outbox,
    pub(crate) budget: Budget,
    /// Streams the peer has open.
    pub(crate) theirs: usize,
    /// Requests the peer left unanswered.
    pub(crate) strikes: u32,
    next_stream: u64,
    recent: BTreeSet<RecordId>,
    recent_order: VecDeque<RecordId>,
}

/// A space both ends are in.
#[derive(Debug)]
pub(crate) struct Shared {
    /// For whom the peer synchronises.
    pub(crate) author: AuthorId,
    /// Until when it may.
    pub(crate) expires: UnixTime,
    /// Taken on trust while a joiner has no governance records to check it by.
    pub(crate) provisional: bool,
    /// Whether governance was reconciled to completion.
    pub(crate) governed: bool,
    /// Classes being compared right now, by a stream this end opened.
    pub(crate) comparing: BTreeSet<Class>,
    /// Classes compared on this link, and when they were last found equal.
    pub(crate) compared: BTreeMap<Class, Option<Instant>>,
    /// When this end compares everything again, or what only it has.
    pub(crate) due: Option<Instant>,
}

impl Shared {
    pub(crate) const fn new(author: AuthorId, expires: UnixTime, provisional: bool) -> Self {
        Self {
            author,
            expires,
            provisional,
            governed: false,
            comparing: BTreeSet::new(),
            compared: BTreeMap::new(),
            due: None,
        }
    }
}

/// What a stream is for.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) task: Task,
    /// When the peer is given up on.
    pub(crate) deadline: Option<Instant>,
    /// Whether the peer has finished its side.
    pub(crate) ended: bool,
}

/// What is under way on a stream. Those named after a verb are streams this end opened.
#[derive(Debug)]
pub(crate) enum Task {
    /// We said HELLO. Join records in the answer are being stored before it counts.
    Greet { answer: Option<Box<Hello>>, waiting: usize },
    /// The peer did; its join records are being stored before it is answered.
    Greeted { hello: Option<Box<Hello>>, waiting: usize },
    /// We opened a comparison.
    Compare { space: SpaceId, class: Class, frames: u32 },
    /// The peer did.
    Compared(Box<Answering>),
    /// We push records.
    Push,
    /// The peer does.
    Pushed { unacknowledged: usize },
    /// We ask for records.
    Get(Box<Getting>),
    /// The peer does.
    Gotten { asked: bool },
    /// We ask for blocks.
    Want { space: SpaceId },
    /// The peer does. What came before governance was reconciled is held until it is.
    Wanted { asked: VecDeque<usize>, held: Vec<Want> },
}

/// A request for records.
#[derive(Debug)]
pub(crate) struct Getting {
    pub(crate) space: SpaceId,
    /// Those that have not come.
    pub(crate) missing: BTreeSet<RecordId>,
    pub(crate) count: usize,
    pub(crate) recon: StreamId,
    /// Frames whose records are not dealt with yet.
    pub(crate) batches: usize,
    /// Whether the last frame came.
    pub(crate) complete: bool,
}

impl Link {
    pub(crate) fn new(up: &LinkUp, via: Via, now: Instant) -> Self {
        Self {
            id: up.link,
            peer: up.peer,
            address: up.address,
            end: up.end,
            exporter: up.exporter,
            via,
            since: now,
            sent_bytes: 0,
            received_bytes: 0,
            hellos: 0,
            hello_due: None,
            hello_open: false,
            hello_last: None,
            greeted: false,
            redated: false,
            clock: None,
            spaces: BTreeMap::new(),
            outbox: Outbox::default(),
            budget: Budget::default(),
            theirs: 0,
            strikes: 0,
            next_stream: 0,
            recent: BTreeSet::new(),
            recent_order: VecDeque::new(),
        }
    }

    /// The id of the next stream of ours.
    pub(crate) const fn open_stream(&mut self) -> StreamId {
        let number = self.next_stream;
        self.next_stream += 1;
        StreamId { link: self.id, ours: true, number }
    }

    pub(crate) const fn peer_end(&self) -> End {
        match self.end {
            End::Dialler => End::Acceptor,
            End::Acceptor => End::Dialler,
        }
    }

    pub(crate) fn handle(&self, space: &SpaceId) -> Handle {
        Seal::new(&self.exporter, space).handle()
    }

    /// The shared space behind a handle.
    pub(crate) fn space_of(&self, handle: &Handle) -> Option<SpaceId> {
        self.spaces.keys().find(|space| self.handle(space) == *handle).copied()
    }

    /// Whether new records of the space go to this peer as they come.
    pub(crate) fn is_live(&self, space: &SpaceId) -> bool {
        self.spaces.get(space).is_some_and(|shared| shared.governed && !shared.provisional)
    }

    /// Remembers that the peer has a record; tells whether that is news.
    pub(crate) fn note_has(&mut self, id: RecordId) -> bool {
        if !self.recent.insert(id) {
            return false;
        }
        self.recent_order.push_back(id);
        if self.recent_order.len() > MAX_RECENT
            && let Some(oldest) = self.recent_order.pop_front()
        {
            self.recent.remove(&oldest);
        }
        true
    }

    /// The peer's clock now, as far as it told.
    pub(crate) fn peer_clock(&self, now: Instant) -> Option<UnixTime> {
        self.clock.map(|(at, time)| time + now.since(at))
    }
}
