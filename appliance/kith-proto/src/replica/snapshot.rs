//! What the replica shows of itself: peers, transfers and counters.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use kith_core::cid::Cid;
use kith_core::identity::{AuthorId, NodeId};
use kith_core::record::SpaceId;
use kith_core::time::UnixTime;

use super::Replica;
use super::input::{LinkId, Via};
use crate::discovery::{Candidate, Target};
use crate::session::{self, Shared};

/// Downloads shown at once.
const MAX_TRANSFERS: usize = 100;

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
    /// The spaces shared with it, or last shared while it is away.
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

impl Replica {
    /// Every box known, connected ones first.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerSnapshot> {
        let linked = self.links.values().map(|link| self.linked(link));
        let apart = self.discovery.candidates().filter(|(_, c)| c.links.is_empty());
        let unanswered = |(target, candidate): &(&Target, &Candidate)| match target {
            Target::Node(_) => true,
            // Once it is known who answers there, the box is listed by its key.
            Target::Address(_) => candidate.node.is_none(),
        };
        linked.chain(apart.filter(unanswered).map(|(t, c)| self.apart(*t, c))).collect()
    }

    fn linked(&self, link: &session::Link) -> PeerSnapshot {
        let shared = || link.spaces.iter().filter(|(_, shared)| !shared.provisional);
        let heard = self.discovery.candidate(link.peer).is_some_and(|c| c.heard);
        let found = |shared: &Shared| shared.compared.values().copied().min().flatten();
        // The oldest of the last times each shared class was found equal.
        let oldest: Option<Option<_>> = shared().map(|(_, s)| found(s)).min();
        let in_sync = oldest.flatten().map(|at| self.wall.now(at));
        PeerSnapshot {
            node: Some(link.peer),
            link: Some(link.id),
            state: if link.spaces.is_empty() { PeerState::Stranger } else { PeerState::Connected },
            via: link.via,
            heard,
            address: Some(link.address),
            seen: self.discovery.candidate(link.peer).and_then(|c| c.seen),
            spaces: shared().map(|(space, _)| *space).collect(),
            authors: shared().map(|(_, s)| s.author).collect::<BTreeSet<_>>().into_iter().collect(),
            in_sync,
            sent_bytes: link.sent_bytes,
            received_bytes: link.received_bytes,
            error: None,
        }
    }

    fn apart(&self, target: Target, candidate: &Candidate) -> PeerSnapshot {
        // Who has left a space since, or whose space is not kept any more, is no longer named for it.
        let holds = |(space, author): &&(SpaceId, AuthorId)| {
            self.governance(space).is_some_and(|g| g.role(author).is_some())
        };
        let proved = || candidate.proved.iter().filter(holds);
        let node = match target {
            Target::Node(node) => Some(node),
            Target::Address(_) => None,
        };
        let state = if candidate.is_dialling() { PeerState::Connecting } else { PeerState::Away };
        PeerSnapshot {
            node,
            link: None,
            state,
            via: candidate.via,
            heard: candidate.heard,
            address: candidate.tried.or_else(|| candidate.addresses.first().copied()),
            seen: candidate.seen,
            spaces: proved().map(|(space, _)| *space).collect(),
            authors: proved().map(|(_, a)| *a).collect::<BTreeSet<_>>().into_iter().collect(),
            in_sync: None,
            sent_bytes: 0,
            received_bytes: 0,
            error: candidate.error.clone(),
        }
    }

    /// Downloads under way, the first hundred of them.
    #[must_use]
    pub fn transfers(&self) -> Vec<TransferSnapshot> {
        let moving = self.blocks.moving();
        let transfer = |((space, root), state): (&(SpaceId, Cid), &crate::blocks::Root)| {
            let stalled = self.blocks.stalled(&(*space, *root), &moving);
            let peers = self.blocks.peers(space) as u64;
            let (space, root) = (*space, *root);
            TransferSnapshot { space, root, here: state.here, size: state.size, peers, stalled }
        };
        self.blocks.roots().take(MAX_TRANSFERS).map(transfer).collect()
    }

    /// Counters since the start.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            records_refused: self.ingest.refused,
            records_waiting: self.ingest.waiting() as u64,
            ..self.hands.counters
        }
    }
}
