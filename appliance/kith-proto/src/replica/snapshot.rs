//! What the replica shows of itself: peers, transfers and counters.

use std::net::SocketAddr;

use kith_core::cid::Cid;
use kith_core::identity::{AuthorId, NodeId};
use kith_core::record::SpaceId;
use kith_core::time::UnixTime;

use super::input::{LinkId, Via};

/// How things stand with another box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerState {
    /// Connected, and shares a space with us.
    Connected,
    /// Connected or heard, but shares no space with us.
    Stranger,
    /// Being dialled.
    Connecting,
    /// Known, out of reach.
    Away,
}

/// Another box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSnapshot {
    /// Its key; nothing for an address nobody answered at yet.
    pub node: Option<NodeId>,
    /// The connection, while there is one.
    pub link: Option<LinkId>,
    /// How things stand.
    pub state: PeerState,
    /// How it came to be known.
    pub via: Via,
    /// Whether mDNS hears it right now.
    pub heard: bool,
    /// The address in use, or the one tried last.
    pub address: Option<SocketAddr>,
    /// When it was last connected or heard.
    pub seen: Option<UnixTime>,
    /// The spaces shared with it.
    pub spaces: Vec<SpaceId>,
    /// The members it synchronises for, as it proved.
    pub authors: Vec<AuthorId>,
    /// When everything shared was last found equal.
    pub in_sync: Option<UnixTime>,
    /// Bytes of frames sent since the connection was made.
    pub sent_bytes: u64,
    /// Bytes of frames received since the connection was made.
    pub received_bytes: u64,
    /// Why the last try failed, in English.
    pub error: Option<String>,
}

/// A download under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferSnapshot {
    /// The space.
    pub space: SpaceId,
    /// The root.
    pub root: Cid,
    /// Bytes of blocks here.
    pub here: u64,
    /// Bytes of content in all, as the record says.
    pub size: u64,
    /// Boxes it is being asked from.
    pub peers: u64,
    /// Why it does not go on, if it does not, in English.
    pub stalled: Option<String>,
}

/// Counters since the start, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Comparisons of record sets this box opened.
    pub recon_opened: u64,
    /// Comparisons that ended with their first answer, because nothing was new.
    pub recon_equal: u64,
    /// Frames of comparisons sent and received.
    pub recon_frames: u64,
    /// Bytes of those frames.
    pub recon_bytes: u64,
    /// Records received and made durable.
    pub records_received: u64,
    /// Records sent.
    pub records_sent: u64,
    /// Records refused: malformed, forged, or of another space.
    pub records_refused: u64,
    /// Records waiting for their author to become known.
    pub records_waiting: u64,
    /// Blocks received and kept.
    pub blocks_received: u64,
    /// Bytes of those blocks.
    pub block_bytes_received: u64,
    /// Blocks that were not what their cid names.
    pub blocks_refused: u64,
    /// Connections closed because the peer misbehaved.
    pub peers_dropped: u64,
}
