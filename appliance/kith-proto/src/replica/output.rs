//! What the replica wants done: imperatives for the hands, and notices for the node.

use std::net::SocketAddr;

use bytes::Bytes;
use kith_core::cid::Cid;
use kith_core::identity::NodeId;
use kith_core::record::{Class, Record, RecordId, SpaceId};
use kith_core::time::UnixTime;
use kith_core::wire::frame::StreamKind;

use super::input::{DialId, LinkId, StreamId, Ticket};

/// Why the replica closes a connection; the number travels as QUIC's application error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Close {
    /// Another connection to the same box stays.
    Duplicate = 1,
    /// The peer broke the protocol: a frame or record that no honest box sends.
    Violation = 2,
    /// The peer sent more than it may.
    Flood = 3,
    /// The peer promised and did not deliver.
    Silence = 4,
    /// Somebody wants this peer forgotten, or it is this very box.
    Unwanted = 5,
}

/// Why joining failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JoinFailure {
    /// The invite's terms do not hold: used up, expired, or issued by somebody who may not.
    InviteRefused,
    /// What the other box sent is not the space the invite names.
    WrongSpace,
}

/// What a page may have to show anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Peers: connected, heard, failed.
    Peers,
    /// Transfers under way.
    Transfers,
}

/// What the replica wants done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Connect. Answered by `LinkUp` with this number or `DialFailed`, within 10 s.
    Dial {
        /// The number of the try.
        dial: DialId,
        /// Where to.
        address: SocketAddr,
        /// Which key must answer; any when nothing.
        expect: Option<NodeId>,
    },
    /// Close a connection. `LinkDown` is told for it like for any other.
    CloseLink {
        /// Which.
        link: LinkId,
        /// Why.
        why: Close,
    },
    /// Open a stream and send the byte of its kind.
    OpenStream {
        /// The replica's number for it.
        stream: StreamId,
        /// The operation.
        kind: StreamKind,
    },
    /// Send one frame: its length, then `frame`.
    Send {
        /// On which stream.
        stream: StreamId,
        /// The frame without its length.
        frame: Bytes,
    },
    /// Nothing more will be sent on a stream.
    Finish {
        /// Which.
        stream: StreamId,
    },
    /// Give a stream up in both directions. No input about it is heard any more.
    Reset {
        /// Which.
        stream: StreamId,
    },

    /// Answer with `SetLoaded`.
    LoadSet {
        /// The space.
        space: SpaceId,
        /// The class.
        class: Class,
    },
    /// Answer with `RecordsLoaded`. At most 256 ids.
    LoadRecords {
        /// The number of the question.
        ticket: Ticket,
        /// The space they are in.
        space: SpaceId,
        /// Which.
        ids: Vec<RecordId>,
    },
    /// Make these records durable and fold them; answer with `RecordsStored` or `StoreFailed`. Some may
    /// be there already. Their times are to be shown to the clock (`HlcClock::observe`).
    StoreRecords {
        /// The number of the question.
        ticket: Ticket,
        /// The space they are in.
        space: SpaceId,
        /// Which. At most 256.
        records: Vec<Record>,
    },
    /// Say which of these blocks the store has; answer with `BlocksChecked`. At most 1,024.
    CheckBlocks {
        /// The number of the question.
        ticket: Ticket,
        /// The space they would belong to.
        space: SpaceId,
        /// Which.
        cids: Vec<Cid>,
    },
    /// Verify a block and keep it; answer with `BlockStored`, `BlockRefused` or `StoreFailed`.
    StoreBlock {
        /// The number of the question.
        ticket: Ticket,
        /// The space it belongs to.
        space: SpaceId,
        /// What it should be.
        cid: Cid,
        /// What came.
        bytes: Bytes,
    },
    /// Write an answer for each cid to the stream, in order: the block if the store has it for this
    /// space, else [`kith_core::wire::frame::Block::missing`]. Then tell `Served`.
    ServeBlocks {
        /// The stream.
        stream: StreamId,
        /// The space.
        space: SpaceId,
        /// What was asked. At most 1,024.
        cids: Vec<Cid>,
    },
    /// Write [`kith_core::wire::frame::Block::missing`] for each cid to the stream, in order. Then tell
    /// `Served`, as for [`Output::ServeBlocks`].
    DenyBlocks {
        /// The stream.
        stream: StreamId,
        /// What was asked. At most 1,024.
        cids: Vec<Cid>,
    },

    /// Everything below a wanted root is here.
    FetchDone {
        /// The space.
        space: SpaceId,
        /// The root.
        root: Cid,
    },
    /// The first reconciliation with a member is complete: the join holds.
    Joined {
        /// The space.
        space: SpaceId,
    },
    /// Joining failed for good.
    JoinFailed {
        /// The space.
        space: SpaceId,
        /// Why.
        why: JoinFailure,
    },
    /// Three members' clocks agree: the present is about `now`.
    TimeConfirmed {
        /// The agreed time.
        now: UnixTime,
    },
    /// A box of a shared space was reached; to be remembered for `PeerKnown` after a restart.
    PeerMet {
        /// Its key.
        node: NodeId,
        /// Where it was reached; nothing when it dialled us, since its port is then not one it
        /// listens on.
        address: Option<SocketAddr>,
    },
    /// A page may have to show something anew.
    Changed(Change),
}
