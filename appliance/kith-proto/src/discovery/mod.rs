//! Whom to dial, where and when.
//!
//! Boxes come to be known by mDNS, a typed address, an invite, or from before. Each is tried at all its
//! addresses, a quarter of a second apart (RFC 8305), and then again after a pause drawn between one
//! second and a ceiling that doubles up to five minutes, so that boxes which lost one another do not
//! knock in step. Nothing heard is believed: the handshake proves the key or fails.

mod address;

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use kith_core::identity::{AuthorId, NodeId};
use kith_core::record::SpaceId;
use kith_core::time::{Instant, UnixTime};

use crate::replica::{DialId, LinkId, Via};
use crate::rng::Rng;
use address::{MAX_ADDRESSES, in_order, is_dialable};

/// Tries under way at once.
const MAX_DIALS: usize = 8;

/// Connections with boxes of a shared space from which on no more are dialled that were merely heard or
/// remembered.
const ENOUGH_SHARED: usize = 12;

/// Connections from which on no more boxes are dialled that were merely heard: most of them may be
/// strangers.
const ENOUGH_LINKS: usize = 32;

/// Boxes remembered at most: anybody on the network can make up names.
const MAX_PEERS: usize = 512;

/// Pause between two addresses of one box.
const STAGGER: Duration = Duration::from_millis(250);

/// The shortest pause between two rounds.
const SHORTEST: Duration = Duration::from_secs(1);

/// The longest pause between two rounds.
const LONGEST: Duration = Duration::from_secs(300);

/// A stranger that is neither connected nor heard is forgotten after this.
const FORGOTTEN: Duration = Duration::from_secs(120);

/// A try that the hand never answered is given up after this.
const DIAL_LIFE: Duration = Duration::from_secs(20);

/// A box that may be dialled: one with a known key, or an address somebody typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Node(NodeId),
    Address(SocketAddr),
}

/// What is known of a target.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) via: Via,
    pub(crate) heard: bool,
    pub(crate) seen: Option<UnixTime>,
    pub(crate) error: Option<String>,
    pub(crate) tried: Option<SocketAddr>,
    pub(crate) links: Vec<LinkId>,
    /// Which node answered at a typed address.
    pub(crate) node: Option<NodeId>,
    /// The spaces shared on its last connection, and for whom it synchronised.
    pub(crate) proved: Vec<(SpaceId, AuthorId)>,
    /// Whether it ever shared a space.
    met: bool,
    /// Since when it has been a stranger out of reach.
    gone: Option<Instant>,
    rounds: u32,
    /// Addresses of this round not tried yet, and when the next is due.
    queue: VecDeque<SocketAddr>,
    due: Option<Instant>,
    dials: usize,
}

impl Candidate {
    fn new(via: Via) -> Self {
        Self {
            addresses: Vec::new(),
            via,
            heard: false,
            seen: None,
            error: None,
            tried: None,
            links: Vec::new(),
            node: None,
            proved: Vec::new(),
            met: false,
            gone: None,
            rounds: 0,
            queue: VecDeque::new(),
            due: None,
            dials: 0,
        }
    }

    pub(crate) const fn is_dialling(&self) -> bool {
        self.dials > 0
    }

    fn restart(&mut self, now: Instant) {
        self.rounds = 0;
        if self.links.is_empty() {
            self.due = Some(now);
            self.queue.clear();
        }
    }
}

/// A try to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) dial: DialId,
    pub(crate) address: SocketAddr,
    pub(crate) expect: Option<NodeId>,
}

/// The room.
#[derive(Debug)]
pub(crate) struct Discovery {
    me: NodeId,
    targets: BTreeMap<Target, Candidate>,
    dials: BTreeMap<DialId, (Target, Instant)>,
    next_dial: u64,
    links: usize,
    shared: usize,
}

impl Discovery {
    pub(crate) const fn new(me: NodeId) -> Self {
        Self {
            me,
            targets: BTreeMap::new(),
            dials: BTreeMap::new(),
            next_dial: 0,
            links: 0,
            shared: 0,
        }
    }

    /// mDNS heard a box.
    pub(crate) fn heard(
        &mut self,
        now: Instant,
        node: NodeId,
        addresses: &[SocketAddr],
        loopback: bool,
    ) {
        let known = self.targets.get(&Target::Node(node)).is_some_and(|c| c.heard);
        if let Some(candidate) = self.learn(now, node, addresses, (Via::Lan, loopback)) {
            candidate.heard = true;
            if !known {
                candidate.restart(now);
            }
        }
    }

    /// mDNS says a box is gone.
    pub(crate) fn heard_gone(&mut self, node: NodeId) {
        if let Some(candidate) = self.targets.get_mut(&Target::Node(node)) {
            candidate.heard = false;
        }
    }

    /// A box is known by an invite or from before.
    pub(crate) fn known(&mut self, now: Instant, node: NodeId, addresses: &[SocketAddr], via: Via) {
        if let Some(candidate) = self.learn(now, node, addresses, (via, false)) {
            candidate.met = true;
            if via == Via::Invite {
                candidate.via = via;
                candidate.restart(now);
            }
        }
    }

    /// Somebody typed an address.
    pub(crate) fn typed(&mut self, now: Instant, address: SocketAddr) {
        if is_dialable(&address, Via::Typed, false) {
            let fresh = || Candidate::new(Via::Typed);
            let candidate = self.targets.entry(Target::Address(address)).or_insert_with(fresh);
            candidate.addresses = vec![address];
            candidate.restart(now);
        }
    }

    pub(crate) fn forget(&mut self, target: Target) {
        let Some(gone) = self.targets.remove(&target) else { return };
        // Whoever answered there stayed for the sake of the address alone.
        if let Some(node) = gone.node.and_then(|node| self.targets.get_mut(&Target::Node(node)))
            && node.via == Via::Known
        {
            node.via = Via::Incoming;
        }
    }

    pub(crate) fn network_changed(&mut self, now: Instant) {
        for candidate in self.targets.values_mut() {
            candidate.restart(now);
        }
    }

    /// A connection is up; answers how its box came to be known.
    pub(crate) fn link_up(
        &mut self,
        link: LinkId,
        (peer, address): (NodeId, SocketAddr),
        dial: Option<DialId>,
        wall: UnixTime,
    ) -> Via {
        self.links += 1;
        let dialled = dial.and_then(|dial| self.end_dial(dial));
        if let Some(target @ Target::Address(_)) = dialled
            && let Some(candidate) = self.targets.get_mut(&target)
        {
            candidate.node = Some(peer);
            candidate.connected(link, address, wall);
        }
        let via = if dialled.is_some() { Via::Known } else { Via::Incoming };
        if !self.make_room() {
            return via;
        }
        let candidate =
            self.targets.entry(Target::Node(peer)).or_insert_with(|| Candidate::new(via));
        candidate.connected(link, address, wall);
        if dialled.is_some() && !candidate.addresses.contains(&address) {
            candidate.addresses.insert(0, address);
            candidate.addresses.truncate(MAX_ADDRESSES);
        }
        if matches!(dialled, Some(Target::Address(_))) { Via::Typed } else { candidate.via }
    }

    /// A connection is gone: its box is tried again, soon at first. What it proved is remembered.
    pub(crate) fn link_down(
        &mut self,
        now: Instant,
        (link, wall): (LinkId, UnixTime),
        proved: &[(SpaceId, AuthorId)],
        rng: &mut Rng,
    ) {
        self.links = self.links.saturating_sub(1);
        for candidate in self.targets.values_mut() {
            let before = candidate.links.len();
            candidate.links.retain(|l| *l != link);
            if before > candidate.links.len() {
                candidate.seen = Some(wall);
                candidate.proved = proved.to_vec();
                candidate.met |= !proved.is_empty();
            }
            if before > 0 && candidate.links.is_empty() {
                candidate.rounds = 0;
                candidate.due = Some(now + rng.between(Duration::ZERO, SHORTEST));
            }
        }
    }

    pub(crate) fn dial_failed(&mut self, dial: DialId, error: String) {
        if let Some(target) = self.end_dial(dial)
            && let Some(candidate) = self.targets.get_mut(&target)
        {
            candidate.error = Some(error);
        }
    }

    /// How many connections are with boxes of a shared space.
    pub(crate) const fn set_shared(&mut self, shared: usize) {
        self.shared = shared;
    }

    /// The next try that is due, if any.
    pub(crate) fn poll(&mut self, now: Instant, rng: &mut Rng) -> Option<Attempt> {
        self.give_up_dials(now);
        self.forget_strangers(now);
        while self.dials.len() < MAX_DIALS {
            let room = (self.links, self.shared);
            let due = |candidate: &Candidate| candidate.wants(room) && candidate.due <= Some(now);
            let (target, candidate) = self.targets.iter_mut().find(|(_, c)| due(c))?;
            let Some(address) = candidate.next_address(now, rng) else { continue };
            let (target, dial) = (*target, DialId(self.next_dial));
            candidate.dials += 1;
            candidate.tried = Some(address);
            self.next_dial += 1;
            self.dials.insert(dial, (target, now + DIAL_LIFE));
            let expect = match target {
                Target::Node(node) => Some(node),
                Target::Address(_) => None,
            };
            return Some(Attempt { dial, address, expect });
        }
        None
    }

    /// When [`Discovery::poll`] has something to do next.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let room = (self.links, self.shared);
        let wanting = self.targets.values().filter(|c| c.wants(room)).filter_map(|c| c.due).min();
        let wanting = wanting.filter(|_| self.dials.len() < MAX_DIALS);
        let strangers = self.targets.values().filter_map(|c| c.gone).map(|gone| gone + FORGOTTEN);
        self.dials.values().map(|(_, life)| *life).chain(wanting).chain(strangers).min()
    }

    pub(crate) fn candidates(&self) -> impl Iterator<Item = (&Target, &Candidate)> {
        self.targets.iter()
    }

    pub(crate) fn candidate(&self, node: NodeId) -> Option<&Candidate> {
        self.targets.get(&Target::Node(node))
    }

    fn learn(
        &mut self,
        now: Instant,
        node: NodeId,
        addresses: &[SocketAddr],
        (via, loopback): (Via, bool),
    ) -> Option<&mut Candidate> {
        if node == self.me || !self.make_room() {
            return None;
        }
        let candidate =
            self.targets.entry(Target::Node(node)).or_insert_with(|| Candidate::new(via));
        let good = addresses.iter().filter(|a| is_dialable(a, via, loopback));
        for address in good.take(MAX_ADDRESSES) {
            if !candidate.addresses.contains(address) {
                candidate.addresses.insert(0, *address);
            }
        }
        candidate.addresses.truncate(MAX_ADDRESSES);
        if candidate.due.is_none() && candidate.links.is_empty() {
            candidate.due = Some(now);
        }
        Some(candidate)
    }

    /// Forgets whoever was only heard and is not there, when the list is full.
    fn make_room(&mut self) -> bool {
        if self.targets.len() < MAX_PEERS {
            return true;
        }
        let idle = |c: &Candidate| c.is_stranger() && c.links.is_empty() && c.dials == 0;
        let Some(target) = self.targets.iter().find(|(_, c)| idle(c)).map(|(t, _)| *t) else {
            return false;
        };
        self.targets.remove(&target);
        true
    }

    fn forget_strangers(&mut self, now: Instant) {
        self.targets.retain(|_, candidate| {
            if !candidate.is_stranger() || candidate.heard || !candidate.links.is_empty() {
                candidate.gone = None;
                return true;
            }
            *candidate.gone.get_or_insert(now) + FORGOTTEN > now
        });
    }

    fn end_dial(&mut self, dial: DialId) -> Option<Target> {
        let (target, _) = self.dials.remove(&dial)?;
        if let Some(candidate) = self.targets.get_mut(&target) {
            candidate.dials = candidate.dials.saturating_sub(1);
        }
        Some(target)
    }

    fn give_up_dials(&mut self, now: Instant) {
        let late: Vec<DialId> =
            self.dials.iter().filter(|(_, (_, life))| *life <= now).map(|(d, _)| *d).collect();
        for dial in late {
            self.dial_failed(dial, "no answer".to_owned());
        }
    }
}

impl Candidate {
    /// Whether nothing but its own words speaks for remembering it.
    const fn is_stranger(&self) -> bool {
        !self.met && matches!(self.via, Via::Lan | Via::Incoming)
    }

    fn connected(&mut self, link: LinkId, address: SocketAddr, wall: UnixTime) {
        self.links.push(link);
        self.tried = Some(address);
        self.seen = Some(wall);
        self.error = None;
        self.rounds = 0;
        self.due = None;
        self.queue.clear();
    }

    fn wants(&self, (links, shared): (usize, usize)) -> bool {
        let room = match self.via {
            Via::Typed | Via::Invite => true,
            Via::Known => shared < ENOUGH_SHARED,
            Via::Lan | Via::Incoming => shared < ENOUGH_SHARED && links < ENOUGH_LINKS,
        };
        room && self.due.is_some() && self.links.is_empty()
    }

    /// Takes the next address of the round; plans the next round behind the last one.
    fn next_address(&mut self, now: Instant, rng: &mut Rng) -> Option<SocketAddr> {
        if self.queue.is_empty() {
            let mut addresses = self.addresses.clone();
            in_order(&mut addresses);
            self.queue = addresses.into();
        }
        let address = self.queue.pop_front();
        self.due = if self.queue.is_empty() {
            let ceiling = SHORTEST.saturating_mul(2_u32.saturating_pow(self.rounds.min(16)));
            self.rounds += 1;
            address.map(|_| now + rng.between(SHORTEST, ceiling.clamp(2 * SHORTEST, LONGEST)))
        } else {
            Some(now + STAGGER)
        };
        address
    }
}

#[cfg(test)]
mod tests;
