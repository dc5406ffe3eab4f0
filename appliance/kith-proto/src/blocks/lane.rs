//! One peer as a source of a space's blocks: what it was asked for, in order, and its window.

use std::collections::VecDeque;

use bytes::Bytes;
use kith_core::cid::{Cid, Codec, MAX_BLOCK};
use kith_core::record::SpaceId;
use kith_core::time::Instant;
use kith_core::wire::frame::{Block, limits};

use super::{Blocks, Key, LONGEST_RETRY, RETRY, SLOW, State};
use crate::replica::{LinkId, StreamId, Ticket};

/// What a peer was asked for.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) stream: Option<StreamId>,
    asked: VecDeque<(Cid, u64)>,
    /// Bytes asked for, by guess, and bytes that lie with the store.
    bytes: u64,
    progress: Instant,
}

impl Lane {
    const fn new(now: Instant) -> Self {
        Self { stream: None, asked: VecDeque::new(), bytes: 0, progress: now }
    }

    pub(crate) fn is_busy(&self) -> bool {
        !self.asked.is_empty()
    }

    pub(super) const fn stored(&mut self, size: u64) {
        self.bytes = self.bytes.saturating_sub(size);
    }

    fn has_room(&self) -> bool {
        self.bytes < limits::WANT_WINDOW_BYTES as u64
            && self.asked.len() < limits::WANT_WINDOW_BLOCKS
    }
}

/// An answer on a stream of ours.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Bytes to be verified and kept.
    Store {
        ticket: Ticket,
        cid: Cid,
        bytes: Bytes,
        /// A stream to be given up, because what is still owed on it may be far more than was thought.
        cancelled: Option<StreamId>,
    },
    /// Nothing to do.
    Nothing,
    /// Not what was asked for.
    Unasked,
}

impl Blocks {
    /// A peer may be asked for a space's blocks from here on.
    pub(crate) fn open_lane(&mut self, now: Instant, link: LinkId, space: SpaceId) {
        self.lanes.entry((link, space)).or_insert_with(|| Lane::new(now));
        self.retry = None;
    }

    /// A peer may no longer be asked; what it owes is asked elsewhere.
    pub(crate) fn close_lane(&mut self, link: LinkId, space: SpaceId) {
        let Some(lane) = self.lanes.remove(&(link, space)) else { return };
        for (cid, _) in lane.asked {
            self.need_again((space, cid));
        }
        for wanted in self.wanted.values_mut() {
            wanted.lacking.remove(&link);
        }
    }

    pub(crate) fn lane(&mut self, link: LinkId, space: SpaceId) -> Option<&mut Lane> {
        self.lanes.get_mut(&(link, space))
    }

    /// Whether any block waits to be asked for.
    pub(crate) fn is_hungry(&self) -> bool {
        self.needed.values().any(|needed| !needed.is_empty())
    }

    /// The lanes there are.
    pub(crate) fn lanes(&self) -> Vec<(LinkId, SpaceId)> {
        self.lanes.keys().copied().collect()
    }

    /// What to ask a peer for next; nothing when its window is full or it has nothing we need.
    pub(crate) fn next_ask(&mut self, now: Instant, link: LinkId, space: SpaceId) -> Vec<Cid> {
        let mut cids = Vec::new();
        let lane = self.lanes.get_mut(&(link, space));
        let (Some(lane), Some(needed), None) = (lane, self.needed.get_mut(&space), &self.rest)
        else {
            return cids;
        };
        let idle = lane.asked.is_empty();
        let mut passed = Vec::new();
        while cids.len() < limits::WANT
            && lane.has_room()
            && passed.len() < limits::WANT_WINDOW_BLOCKS
            && let Some(cid) = needed.pop_front()
        {
            let Some(wanted) = self.wanted.get_mut(&(space, cid)) else { continue };
            if wanted.state != State::Needed {
                continue;
            }
            if wanted.lacking.contains(&link) {
                passed.push(cid);
                continue;
            }
            wanted.state = State::Asked;
            lane.asked.push_back((cid, wanted.guess));
            lane.bytes += wanted.guess;
            cids.push(cid);
        }
        needed.extend(passed);
        if idle && !cids.is_empty() {
            lane.progress = now;
        }
        cids
    }

    /// A frame came on the stream of a lane.
    pub(crate) fn arrived(
        &mut self,
        now: Instant,
        (link, space): (LinkId, SpaceId),
        block: Block,
        ticket: Ticket,
    ) -> Arrival {
        let Some(lane) = self.lanes.get_mut(&(link, space)) else { return Arrival::Nothing };
        let (Block::Have(cid, _) | Block::Missing(cid)) = &block;
        let Some((_, guess)) = lane.asked.front().filter(|(asked, _)| asked == cid).copied() else {
            return Arrival::Unasked;
        };
        lane.asked.pop_front();
        lane.progress = now;
        lane.stored(guess);
        let key = (space, *cid);
        match block {
            Block::Missing(_) => self.lacks(key, link),
            Block::Have(cid, bytes) => {
                let wanted = self.wanted.get_mut(&key);
                if let Some(wanted) = wanted.filter(|w| w.state != State::Storing) {
                    wanted.state = State::Storing;
                    let size = bytes.len() as u64;
                    lane.bytes += size;
                    self.storing.insert(ticket, (key, link, size));
                    let lied = cid.codec() == Codec::Raw && size > guess;
                    let cancelled = if lied { self.doubt(key, link) } else { None };
                    return Arrival::Store { ticket, cid, bytes, cancelled };
                }
            }
        }
        Arrival::Nothing
    }

    /// A block is longer than the links to it say, which is a lie by whoever made them and not by the
    /// peer: from here on every block below these roots counts as long as one may be, and what was
    /// asked by the old guesses is asked again by the new ones.
    fn doubt(&mut self, key: Key, link: LinkId) -> Option<StreamId> {
        let roots = self.wanted.get(&key).map(|wanted| wanted.roots.clone()).unwrap_or_default();
        for root in &roots {
            if let Some(root) = self.roots.get_mut(&(key.0, *root)) {
                root.doubted = true;
            }
        }
        for ((space, _), wanted) in &mut self.wanted {
            if *space == key.0 && wanted.roots.iter().any(|root| roots.contains(root)) {
                wanted.guess = MAX_BLOCK as u64;
            }
        }
        let (owed, stream) = self.give_up(link, key.0);
        owed.into_iter().rev().for_each(|cid| self.need_again((key.0, cid)));
        stream
    }

    /// A peer ended the stream of a lane; tells whether it still owed anything.
    pub(crate) fn broken(&mut self, link: LinkId, space: SpaceId) -> bool {
        let (owed, _) = self.give_up(link, space);
        let owing = !owed.is_empty();
        owed.into_iter().rev().for_each(|cid| self.lacks((space, cid), link));
        owing
    }

    /// Takes what a peer owes, and the stream on which it does.
    fn give_up(&mut self, link: LinkId, space: SpaceId) -> (Vec<Cid>, Option<StreamId>) {
        let Some(lane) = self.lanes.get_mut(&(link, space)) else { return (Vec::new(), None) };
        let owed = core::mem::take(&mut lane.asked);
        lane.bytes = lane.bytes.saturating_sub(owed.iter().map(|(_, guess)| guess).sum());
        (owed.into_iter().map(|(cid, _)| cid).collect(), lane.stream.take())
    }

    /// Peers that owe blocks for too long; what they owe is asked elsewhere from here on.
    pub(crate) fn take_slow(&mut self, now: Instant) -> Vec<(LinkId, SpaceId, Option<StreamId>)> {
        let late = |lane: &Lane| lane.is_busy() && lane.progress + SLOW <= now;
        let slow: Vec<(LinkId, SpaceId)> =
            self.lanes.iter().filter(|(_, lane)| late(lane)).map(|(key, _)| *key).collect();
        let mut taken = Vec::new();
        for (link, space) in slow {
            let (owed, stream) = self.give_up(link, space);
            taken.push((link, space, stream));
            for cid in owed {
                self.lacks((space, cid), link);
            }
        }
        taken
    }

    /// Time passes: rests end, and what nobody had is asked for again.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.rest.as_ref().is_some_and(|(until, _)| *until <= now) {
            self.rest = None;
        }
        let parked = self.is_hungry() && !self.lanes.is_empty();
        match self.retry {
            None if parked => self.retry = Some((now + RETRY, RETRY)),
            Some((at, pause)) if at <= now => {
                for wanted in self.wanted.values_mut() {
                    wanted.lacking.clear();
                }
                let pause = (pause * 2).min(LONGEST_RETRY);
                self.retry = parked.then_some((now + pause, pause));
            }
            Some(_) | None => {}
        }
    }

    /// When [`Blocks::tick`] or [`Blocks::take_slow`] is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let busy = self.lanes.values().filter(|lane| lane.is_busy());
        let slow = busy.map(|lane| lane.progress + SLOW).min();
        let rest = self.rest.as_ref().map(|(until, _)| *until);
        slow.into_iter().chain(rest).chain(self.retry.map(|(at, _)| at)).min()
    }
}
