//! Which blocks are missing below the wanted roots, and whom to ask for them.
//!
//! A root is walked from the top: what the store has is followed, what it lacks is asked for, several
//! peers at once, each within a window. A block is taken only on the stream where it was asked for. One
//! that a peer lacks, sends wrong, or keeps us waiting for is asked elsewhere. Nothing about a walk is
//! kept on disk: after a restart the store answers for what is there.

mod lane;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kith_core::cid::{Cid, Codec, MAX_BLOCK};
use kith_core::record::SpaceId;
use kith_core::time::Instant;
use kith_core::wire::frame::limits;

use crate::replica::{HaveBlock, Link, LinkId, Ticket};
pub(crate) use lane::{Arrival, Lane};

/// A peer that owes blocks for this long is slow: what it owes is asked elsewhere.
const SLOW: Duration = Duration::from_secs(15);

/// What everybody in reach lacks is asked for again after this, and then at doubled pauses.
const RETRY: Duration = Duration::from_secs(30);

/// The longest such pause.
const LONGEST_RETRY: Duration = Duration::from_secs(600);

/// After a failing store, fetching rests for this long.
const REST: Duration = Duration::from_secs(30);

/// Questions to the store at once.
const MAX_CHECKS: usize = 4;

/// A directory node counts this much, since its links only tell what is below it. It may be four times
/// as long, so a window full of nodes is 16 MiB at worst. Leaves count what the links to them say, until
/// one turns out longer.
const NODE: u64 = 256 * 1024;

/// Bytes below a root beyond what its record says, for nodes, before it is given up as a lie.
const ALLOWANCE: u64 = 16 << 20;

type Key = (SpaceId, Cid);

/// A wanted root.
#[derive(Debug)]
pub(crate) struct Root {
    pub(crate) size: u64,
    pub(crate) here: u64,
    /// Blocks below it not here yet, as far as is known.
    open: usize,
    /// Directory nodes met, so that a graph that repeats itself is walked once.
    met: BTreeSet<Cid>,
    /// Whether more lies below it than its record says.
    lies: bool,
    /// Whether a block below it was longer than the link to it says.
    doubted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The store is being asked.
    Checking,
    /// Nobody has been asked.
    Needed,
    /// Asked for, at one peer.
    Asked,
    /// Lies with the store, to be verified.
    Storing,
}

/// A block on its way.
#[derive(Debug)]
struct Wanted {
    roots: Vec<Cid>,
    guess: u64,
    state: State,
    lacking: BTreeSet<LinkId>,
}

/// The room.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    roots: BTreeMap<Key, Root>,
    wanted: BTreeMap<Key, Wanted>,
    to_check: VecDeque<Key>,
    checks: BTreeMap<Ticket, (SpaceId, Vec<Cid>)>,
    needed: BTreeMap<SpaceId, VecDeque<Cid>>,
    storing: BTreeMap<Ticket, (Key, LinkId, u64)>,
    lanes: BTreeMap<(LinkId, SpaceId), Lane>,
    done: Vec<Key>,
    /// Until when nothing is asked because the store failed, and its words.
    rest: Option<(Instant, String)>,
    retry: Option<(Instant, Duration)>,
}

impl Blocks {
    pub(crate) fn want(&mut self, space: SpaceId, root: Cid, size: u64) {
        if self.roots.contains_key(&(space, root)) {
            return;
        }
        let fresh =
            Root { size, here: 0, open: 0, met: BTreeSet::new(), lies: false, doubted: false };
        self.roots.insert((space, root), fresh);
        self.meet((space, root), Link { cid: root, size });
    }

    pub(crate) fn stop(&mut self, space: SpaceId, root: Cid) {
        self.roots.remove(&(space, root));
        self.wanted.retain(|(s, _), wanted| {
            if *s == space {
                wanted.roots.retain(|r| *r != root);
            }
            !wanted.roots.is_empty()
        });
    }

    pub(crate) fn drop_space(&mut self, space: &SpaceId) {
        self.roots.retain(|(s, _), _| s != space);
        self.wanted.retain(|(s, _), _| s != space);
        self.needed.remove(space);
    }

    /// Roots that are complete since the last call.
    pub(crate) fn take_done(&mut self) -> Vec<Key> {
        core::mem::take(&mut self.done)
    }

    pub(crate) fn roots(&self) -> impl Iterator<Item = (&Key, &Root)> {
        self.roots.iter()
    }

    /// Roots below which a block is being asked for or looked at.
    pub(crate) fn moving(&self) -> BTreeSet<Key> {
        let moving = self.wanted.iter().filter(|(_, wanted)| wanted.state != State::Needed);
        moving.flat_map(|(key, w)| w.roots.iter().map(|root| (key.0, *root))).collect()
    }

    /// Why a root that is or is not among those [`Blocks::moving`] does not go on, if it does not.
    pub(crate) fn stalled(&self, key: &Key, moving: &BTreeSet<Key>) -> Option<String> {
        if self.roots.get(key).is_some_and(|root| root.lies) {
            return Some("there is more in it than was announced".to_owned());
        }
        if let Some((_, why)) = &self.rest {
            return Some(why.clone());
        }
        (!moving.contains(key)).then(|| "nobody in reach has it".to_owned())
    }

    /// Peers that a space's blocks are asked from right now.
    pub(crate) fn peers(&self, space: &SpaceId) -> usize {
        self.lanes.iter().filter(|((_, s), lane)| s == space && lane.is_busy()).count()
    }

    /// What to ask the store next.
    pub(crate) fn next_check(&mut self, ticket: Ticket) -> Option<(SpaceId, Vec<Cid>)> {
        if self.checks.len() >= MAX_CHECKS {
            return None;
        }
        let space = self.to_check.front()?.0;
        let mut cids = Vec::new();
        while cids.len() < limits::WANT
            && let Some(key) = self.to_check.front()
            && key.0 == space
            && let Some((_, cid)) = self.to_check.pop_front()
        {
            cids.push(cid);
        }
        self.checks.insert(ticket, (space, cids.clone()));
        Some((space, cids))
    }

    /// The store answered.
    pub(crate) fn checked(&mut self, ticket: Ticket, have: Vec<HaveBlock>) {
        let Some((space, cids)) = self.checks.remove(&ticket) else { return };
        for block in have {
            self.resolve((space, block.cid), block.size, &block.links);
        }
        for cid in cids {
            if let Some(wanted) = self.wanted.get_mut(&(space, cid))
                && wanted.state == State::Checking
            {
                wanted.state = State::Needed;
                self.needed.entry(space).or_default().push_back(cid);
            }
        }
    }

    /// The store verified a block and keeps it; answers who sent it and how long it is.
    pub(crate) fn stored(&mut self, ticket: Ticket, links: &[Link]) -> Option<(LinkId, u64)> {
        let (key, link, size) = self.storing.remove(&ticket)?;
        if let Some(lane) = self.lanes.get_mut(&(link, key.0)) {
            lane.stored(size);
        }
        self.resolve(key, size, links);
        Some((link, size))
    }

    /// The store found a block to be something else; answers who sent it.
    pub(crate) fn refused(&mut self, ticket: Ticket) -> Option<LinkId> {
        let (key, link, size) = self.storing.remove(&ticket)?;
        if let Some(lane) = self.lanes.get_mut(&(link, key.0)) {
            lane.stored(size);
        }
        self.lacks(key, link);
        Some(link)
    }

    /// The store failed; fetching rests. Tells whether the question was of this room.
    pub(crate) fn store_failed(&mut self, now: Instant, ticket: Ticket, why: &str) -> bool {
        if let Some((key, link, size)) = self.storing.remove(&ticket) {
            if let Some(lane) = self.lanes.get_mut(&(link, key.0)) {
                lane.stored(size);
            }
            self.need_again(key);
        } else if let Some((space, cids)) = self.checks.remove(&ticket) {
            self.to_check.extend(cids.into_iter().map(|cid| (space, cid)));
        } else {
            return false;
        }
        self.rest = Some((now + REST, why.to_owned()));
        true
    }

    /// A root, or a link below one, leads to a block.
    fn meet(&mut self, (space, root): Key, link: Link) {
        let Some(state) = self.roots.get_mut(&(space, root)) else { return };
        if link.cid.codec() == Codec::DagCbor || state.lies {
            return;
        }
        if link.cid.codec() == Codec::DagPb && !state.met.insert(link.cid) {
            return;
        }
        let guess = match link.cid.codec() {
            // A link that does not say counts as much as it may be.
            Codec::Raw if state.doubted || link.size == 0 => MAX_BLOCK as u64,
            Codec::Raw => link.size.min(MAX_BLOCK as u64),
            Codec::DagPb | Codec::DagCbor => NODE,
        };
        let mut fresh = false;
        let wanted = self.wanted.entry((space, link.cid)).or_insert_with(|| {
            fresh = true;
            Wanted { roots: Vec::new(), guess, state: State::Checking, lacking: BTreeSet::new() }
        });
        wanted.guess = wanted.guess.max(guess);
        if !wanted.roots.contains(&root) {
            wanted.roots.push(root);
            state.open += 1;
        }
        if fresh {
            self.to_check.push_back((space, link.cid));
        }
    }

    /// A block is here.
    fn resolve(&mut self, key: Key, size: u64, links: &[Link]) {
        let Some(wanted) = self.wanted.remove(&key) else { return };
        for root in wanted.roots {
            let root = (key.0, root);
            if let Some(state) = self.roots.get_mut(&root) {
                state.here += size;
                state.open -= 1;
                state.lies |= state.here > state.size.saturating_add(state.size / 4 + ALLOWANCE);
            }
            for link in links {
                self.meet(root, *link);
            }
            if self.roots.get(&root).is_some_and(|state| state.open == 0 && !state.lies) {
                self.roots.remove(&root);
                self.done.push(root);
            }
        }
    }

    fn need_again(&mut self, key: Key) {
        if let Some(wanted) = self.wanted.get_mut(&key)
            && wanted.state != State::Needed
        {
            wanted.state = State::Needed;
            self.needed.entry(key.0).or_default().push_front(key.1);
        }
    }

    fn lacks(&mut self, key: Key, link: LinkId) {
        if let Some(wanted) = self.wanted.get_mut(&key) {
            wanted.lacking.insert(link);
        }
        self.need_again(key);
    }
}
