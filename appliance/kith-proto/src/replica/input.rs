//! What the replica is told: facts in the past tense.
//!
//! Everything that came from a network is still as hostile here as it was on the wire; the hands only
//! bound its length.

use std::net::SocketAddr;

use bytes::Bytes;
use kith_core::cid::Cid;
use kith_core::identity::{AuthorId, NodeId, SecretKey};
use kith_core::invite::Invite;
use kith_core::record::{Class, Record, RecordId, SpaceId};
use kith_core::seal::{End, Exporter};
use kith_core::time::{Hlc, UnixTime};
use kith_core::wire::frame::StreamKind;

/// A connection; the hand numbers them and never gives a number twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// A try to connect; the replica numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DialId(pub u64);

/// A question to the store; the replica numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A bidirectional stream of a link. Who opened it numbers it: the replica its own, the hand those the
/// peer opened, each from any number upwards and never twice on one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId {
    /// The connection.
    pub link: LinkId,
    /// Whether this box opened it.
    pub ours: bool,
    /// Which of those on this link.
    pub number: u64,
}

/// How a box came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Via {
    /// Heard on the local network (mDNS).
    Lan,
    /// Its address was typed in.
    Typed,
    /// Its address came with an invite.
    Invite,
    /// It dialled us.
    Incoming,
    /// Remembered from before.
    Known,
}

/// A connection whose TLS handshake is complete.
#[derive(Clone, Debug)]
pub struct LinkUp {
    /// The connection.
    pub link: LinkId,
    /// Which try led to it; nothing when the peer dialled.
    pub dial: Option<DialId>,
    /// The key the peer proved.
    pub peer: NodeId,
    /// The peer's address.
    pub address: SocketAddr,
    /// Which end we are.
    pub end: End,
    /// The TLS exporter of the connection.
    pub exporter: Exporter,
}

/// A block the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaveBlock {
    /// Its cid.
    pub cid: Cid,
    /// Its length in bytes.
    pub size: u64,
    /// What it links to, in order; empty for leaves.
    pub links: Vec<Link>,
}

/// A link of a DAG-PB node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where it leads.
    pub cid: Cid,
    /// Bytes of all blocks below it as the node states them (`Tsize`); a hint, never trusted.
    pub size: u64,
}

/// What the replica is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// The wall clock was read. Tell it at the start, when it was set, and when trust in it changed.
    WallClock {
        /// What it showed.
        now: UnixTime,
        /// Whether it has been confirmed (NTP or an operator's browser; the replica says by itself when
        /// three members agree).
        trusted: bool,
    },
    /// Addresses or routes of this box changed: whoever is out of reach may be within it now.
    NetworkChanged,

    /// mDNS heard a box.
    Heard {
        /// Its key, as it says; nothing is believed before the handshake.
        node: NodeId,
        /// Where it says it is.
        addresses: Vec<SocketAddr>,
        /// Whether it was heard on the loopback interface.
        loopback: bool,
    },
    /// mDNS says a box is gone.
    HeardGone {
        /// Which.
        node: NodeId,
    },
    /// Somebody typed an address, now or before the last restart.
    AddressTyped {
        /// Which.
        address: SocketAddr,
    },
    /// Somebody removed a typed address.
    AddressForgotten {
        /// Which.
        address: SocketAddr,
    },
    /// A box is remembered from before ([`super::Output::PeerMet`]).
    PeerKnown {
        /// Its key.
        node: NodeId,
        /// Where it was last reached.
        addresses: Vec<SocketAddr>,
    },
    /// Somebody wants a box forgotten.
    PeerForgotten {
        /// Which.
        node: NodeId,
    },

    /// A connection is up.
    LinkUp(LinkUp),
    /// A connection is gone, with all its streams. No `StreamEnded` follows.
    LinkDown {
        /// Which.
        link: LinkId,
        /// Why, in English.
        reason: String,
    },
    /// A try to connect came to nothing.
    DialFailed {
        /// Which.
        dial: DialId,
        /// Why, in English.
        error: String,
    },
    /// The peer opened a stream and said what for.
    StreamOpened {
        /// Which; `ours` is false.
        stream: StreamId,
        /// The operation.
        kind: StreamKind,
    },
    /// A frame arrived whole, without its length.
    Frame {
        /// On which stream.
        stream: StreamId,
        /// What it says.
        frame: Bytes,
    },
    /// The peer's side of a stream is over.
    StreamEnded {
        /// Which.
        stream: StreamId,
        /// Whether it was finished between two frames, rather than reset or cut.
        clean: bool,
    },

    /// A person lives on this box. The key is used for `host` capabilities and nothing else.
    AuthorAdded {
        /// The person's key.
        key: SecretKey,
    },
    /// A person no longer lives on this box.
    AuthorRemoved {
        /// Who.
        author: AuthorId,
    },
    /// This box keeps a space: at the start for each it is in, and when one was created. All records
    /// given are durable.
    SpaceOpened {
        /// Which.
        space: SpaceId,
        /// Every governance record the store has.
        gov: Vec<Record>,
        /// The classes the store has records of.
        classes: Vec<Class>,
    },
    /// A person of this box uses an invite. The space counts as opened from here on; after a restart
    /// tell it again instead of [`Input::SpaceOpened`] until [`super::Output::Joined`] came.
    JoinStarted {
        /// The invite.
        invite: Box<Invite>,
        /// The join record, durable.
        join: Box<Record>,
        /// Every governance record the store has, the join record among them.
        gov: Vec<Record>,
    },
    /// This box no longer keeps a space.
    SpaceClosed {
        /// Which.
        space: SpaceId,
    },
    /// A person of this box wrote a record; it is durable.
    Authored {
        /// What they wrote.
        record: Box<Record>,
    },

    /// Answers [`super::Output::LoadSet`].
    SetLoaded {
        /// The space.
        space: SpaceId,
        /// The class.
        class: Class,
        /// Timestamp and id of every record the store has, in any order.
        items: Vec<(Hlc, RecordId)>,
    },
    /// Answers [`super::Output::LoadRecords`].
    RecordsLoaded {
        /// Which question.
        ticket: Ticket,
        /// The canonical bytes of those the store has.
        records: Vec<Bytes>,
    },
    /// Answers [`super::Output::StoreRecords`]: all of them are durable and folded.
    RecordsStored {
        /// Which question.
        ticket: Ticket,
    },
    /// The store could not do what was asked: the disk is full or failing.
    StoreFailed {
        /// Which question.
        ticket: Ticket,
        /// Why, in English.
        error: String,
    },

    /// Content is to be held: fetch what is missing below this root. Harmless when told again.
    WantRoot {
        /// The space it belongs to.
        space: SpaceId,
        /// The root.
        root: Cid,
        /// Bytes of content as its record says; for the progress display only.
        size: u64,
    },
    /// Content is no longer to be held.
    StopRoot {
        /// The space it belonged to.
        space: SpaceId,
        /// The root.
        root: Cid,
    },
    /// Answers [`super::Output::CheckBlocks`].
    BlocksChecked {
        /// Which question.
        ticket: Ticket,
        /// Those the store has; the others are missing.
        have: Vec<HaveBlock>,
    },
    /// Answers [`super::Output::StoreBlock`]: the bytes are what the cid names and lie with the store. They
    /// may become durable later; the node sees to that before it acts on
    /// [`super::Output::FetchDone`].
    BlockStored {
        /// Which question.
        ticket: Ticket,
        /// What it links to, in order.
        links: Vec<Link>,
    },
    /// Answers [`super::Output::StoreBlock`]: the bytes are not what the cid names, or no good node.
    BlockRefused {
        /// Which question.
        ticket: Ticket,
    },
    /// Answers [`super::Output::ServeBlocks`] and [`super::Output::DenyBlocks`]: every answer is written to the stream.
    Served {
        /// Which stream.
        stream: StreamId,
        /// Bytes of frames written.
        bytes: u64,
    },
}
