//! Other boxes at the desk.

use std::net::SocketAddr;
use std::sync::Arc;

use kith_core::identity::NodeId;
use kith_model::command::Command;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::Reply;
use kith_model::status;
use kith_proto::governance::Governance;
use kith_proto::replica::{Input, PeerSnapshot, PeerState, Via};

use super::{Desk, accounts};
use crate::account::Who;
use crate::{ledger, words};

/// Addresses somebody typed that are kept.
const MAX_TYPED: usize = 64;

/// Boxes remembered over restarts; the one unseen longest goes first.
const MAX_KNOWN: usize = 512;

/// Addresses remembered of one box.
const MAX_ADDRESSES: usize = 4;

impl Desk {
    #[expect(clippy::wildcard_enum_match_arm, reason = "access::room_of names every command")]
    pub(super) fn peer_command(&self, who: &Who, command: Command) -> Result<Reply, Refusal> {
        match command {
            Command::Peers => {
                Ok(Reply::Peers(self.peers.iter().map(|p| self.shown_peer(who, p)).collect()))
            }
            Command::PeerAdd { address } => self.add_peer(&address),
            Command::PeerForget { peer } => self.forget_peer(&peer),
            other => Err(accounts::misrouted(&other)),
        }
    }

    fn add_peer(&self, text: &str) -> Result<Reply, Refusal> {
        if ledger::tree::<()>(&self.store, ledger::TYPED).len() >= MAX_TYPED {
            return Err(Refusal::new(
                RefusalKind::TooMany,
                "64 addresses are kept already; forget one first",
            ));
        }
        let address = parse_address(text)?;
        let change = ledger::set(ledger::key(ledger::TYPED, &address.to_string()), &());
        ledger::write(&self.store, &[change]).map_err(|error| words::of_store(&error))?;
        self.hub.tell(Input::AddressTyped { address });
        Ok(Reply::Done)
    }

    fn forget_peer(&self, text: &str) -> Result<Reply, Refusal> {
        let (key, input) = if let Ok(node) = text.parse::<NodeId>() {
            (ledger::peer_key(&node), Input::PeerForgotten { node })
        } else if let Ok(address) = text.parse::<SocketAddr>() {
            (ledger::key(ledger::TYPED, text), Input::AddressForgotten { address })
        } else {
            return Err(Refusal::new(
                RefusalKind::Invalid,
                "name the box by its did:key or its address",
            ));
        };
        ledger::write(&self.store, &[ledger::unset(key)])
            .map_err(|error| words::of_store(&error))?;
        self.hub.tell(input);
        Ok(Reply::Done)
    }

    fn shown_peer(&self, who: &Who, peer: &PeerSnapshot) -> status::Peer {
        // Whoever is not in a space learns neither its name nor who is.
        let me = who.account.as_ref().map(|(_, author)| *author);
        let mine = |gov: &Arc<Governance>| me.is_some_and(|me| gov.role(&me).is_some());
        let spaces = peer.spaces.iter().map(|space| self.governance(space)).filter(mine);
        let spaces: Vec<_> = spaces.collect();
        let name = peer.authors.iter().find_map(|author| {
            let member = spaces.iter().find_map(|gov| gov.members.get(author))?;
            Some(member.name.clone()).filter(|name| !name.is_empty())
        });
        let link = peer.link.and_then(|link| self.hub.link_figures(link));
        status::Peer {
            node: peer.node.map(|node| node.to_string()),
            words: peer.node.map(|node| node.words()),
            name,
            state: match peer.state {
                PeerState::Connected => status::PeerState::Connected,
                PeerState::Stranger => status::PeerState::Stranger,
                PeerState::Connecting => status::PeerState::Connecting,
                PeerState::Away => status::PeerState::Away,
            },
            via: match peer.via {
                Via::Lan => status::PeerVia::Lan,
                Via::Typed => status::PeerVia::Typed,
                Via::Invite => status::PeerVia::Invite,
                Via::Incoming => status::PeerVia::Incoming,
                Via::Known => status::PeerVia::Known,
            },
            address: peer.address.map(|address| address.to_string()),
            rtt_us: link.map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)),
            seen: peer.seen.map(|seen| seen.as_millis()),
            spaces: spaces.iter().map(|gov| gov.name.clone()).collect(),
            in_sync: peer.in_sync.map(|at| at.as_millis()),
            sent_bytes: peer.sent_bytes,
            received_bytes: peer.received_bytes,
            error: peer.error.clone(),
        }
    }

    /// Remembers a box that was reached, for the next start; one entry an hour at most, since each is a
    /// write to flash.
    pub(super) fn remember_peer(&mut self, node: NodeId, address: Option<SocketAddr>) {
        const FRESH: std::time::Duration = std::time::Duration::from_secs(3_600);
        let now = self.clock.wall();
        let key = ledger::peer_key(&node);
        let known: Option<ledger::PeerEntry> = ledger::get(&self.store, &key);
        let had = known.as_ref().map(|entry| entry.addresses.clone()).unwrap_or_default();
        let mut addresses = had.clone();
        if let Some(address) = address {
            addresses.retain(|known| *known != address);
            addresses.insert(0, address);
            addresses.truncate(MAX_ADDRESSES);
        }
        if known.is_some_and(|entry| now.since(entry.seen) < FRESH) && addresses == had {
            return;
        }
        let mut changes = self.surplus_peers();
        changes.push(ledger::set(key, &ledger::PeerEntry { addresses, seen: now }));
        if let Err(error) = ledger::write(&self.store, &changes) {
            self.disk_refused(words::of_store(&error));
        }
    }

    fn surplus_peers(&self) -> Vec<ledger::Change> {
        let mut known = ledger::tree::<ledger::PeerEntry>(&self.store, ledger::PEERS);
        known.sort_by_key(|(_, entry)| core::cmp::Reverse(entry.seen));
        let surplus = known.into_iter().skip(MAX_KNOWN);
        surplus.map(|(id, _)| ledger::unset(ledger::key(ledger::PEERS, &id))).collect()
    }
}

/// An address and port. Host names were looked up at the door.
fn parse_address(text: &str) -> Result<SocketAddr, Refusal> {
    let parsed: Option<SocketAddr> = text.parse().ok();
    let good = |address: &SocketAddr| {
        address.port() != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast()
    };
    parsed.filter(good).ok_or_else(|| {
        Refusal::new(
            RefusalKind::Invalid,
            "an address is an IP address or a host name that can be looked up, and a port, as in 192.168.77.1:7000 or box.local:7000",
        )
    })
}
