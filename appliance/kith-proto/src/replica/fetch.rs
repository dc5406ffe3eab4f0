//! Blocks in and out: asked for along the lanes of [`crate::blocks`], served from the store.

use core::time::Duration;

use bytes::Bytes;
use kith_core::record::SpaceId;
use kith_core::time::Instant;
use kith_core::wire::cbor;
use kith_core::wire::frame::{Block, StreamKind, Want, is_block, limits};

use super::{Change, Close, Link, LinkId, Output, Replica, StreamId, Ticket};
use crate::blocks::Arrival;
use crate::session::budget::PATIENCE;
use crate::session::{Stream, Task};

/// Between two notices that transfers went on.
const TELLING: Duration = Duration::from_millis(500);

impl Replica {
    /// Asks the store and the peers for what is wanted.
    pub(super) fn fetch(&mut self, now: Instant) {
        self.blocks.tick(now);
        loop {
            let ticket = Ticket(self.hands.tickets + 1);
            let Some((space, cids)) = self.blocks.next_check(ticket) else { break };
            self.hands.tickets += 1;
            self.hands.push(Output::CheckBlocks { ticket, space, cids });
        }
        if self.blocks.is_hungry() {
            for (link, space) in self.blocks.lanes() {
                self.ask(now, link, space);
            }
        }
        for (space, root) in self.blocks.take_done() {
            self.hands.push(Output::FetchDone { space, root });
            self.changed(Change::Transfers);
        }
    }

    fn ask(&mut self, now: Instant, link: LinkId, space: SpaceId) {
        loop {
            let cids = self.blocks.next_ask(now, link, space);
            if cids.is_empty() {
                return;
            }
            let Some(stream) = self.want_stream(link, space) else { return };
            let Some(h) = self.links.get(&link).map(|l| l.handle(&space)) else { return };
            self.send(stream, &Want { h, c: cids });
        }
    }

    fn want_stream(&mut self, link: LinkId, space: SpaceId) -> Option<StreamId> {
        if let Some(stream) = self.blocks.lane(link, space)?.stream {
            return Some(stream);
        }
        let stream = self.open(link, StreamKind::Want, Task::Want { space }, None)?;
        self.blocks.lane(link, space)?.stream = Some(stream);
        Some(stream)
    }

    /// A block we asked for.
    pub(super) fn block_arrived(&mut self, now: Instant, stream: StreamId, frame: &Bytes) {
        let Some(Task::Want { space }) = self.streams.get(&stream).map(|s| &s.task) else { return };
        let (space, ticket) = (*space, self.hands.ticket());
        let Ok(block) = Block::decode(frame) else {
            self.close(now, stream.link, Close::Violation);
            return;
        };
        match self.blocks.arrived(now, (stream.link, space), block, ticket) {
            Arrival::Store { ticket, cid, bytes, cancelled } => {
                if let Some(stream) = cancelled {
                    self.reset(stream);
                }
                self.hands.push(Output::StoreBlock { ticket, space, cid, bytes });
            }
            Arrival::Nothing => {}
            Arrival::Unasked => self.close(now, stream.link, Close::Violation),
        }
    }

    pub(super) fn block_stored(&mut self, now: Instant, ticket: Ticket, links: &[Link]) {
        let Some((link, size)) = self.blocks.stored(ticket, links) else { return };
        self.forgive(link);
        self.hands.counters.blocks_received += 1;
        self.hands.counters.block_bytes_received += size;
        if self.transfers_told.is_none_or(|told| told + TELLING <= now) {
            self.transfers_told = Some(now);
            self.changed(Change::Transfers);
        }
    }

    pub(super) fn block_refused(&mut self, now: Instant, ticket: Ticket) {
        if let Some(link) = self.blocks.refused(ticket) {
            self.hands.counters.blocks_refused += 1;
            self.close(now, link, Close::Violation);
        }
    }

    /// The peer ended our stream. What it owed is asked elsewhere, and of it only after a pause.
    pub(super) fn want_broken(&mut self, now: Instant, link: LinkId, space: SpaceId) {
        if self.blocks.broken(link, space) {
            self.strike(now, link);
        }
    }

    pub(super) fn fetch_due(&mut self, now: Instant) {
        for (link, _, stream) in self.blocks.take_slow(now) {
            if let Some(stream) = stream {
                self.reset(stream);
            }
            self.strike(now, link);
        }
    }

    /// A peer asks for blocks.
    pub(super) fn wanted(&mut self, now: Instant, stream: StreamId, frame: &Bytes) {
        let want = cbor::decode::<Want>(frame, limits::CONTROL).ok();
        let blocks_only = |w: &Want| w.c.iter().all(|cid| is_block(cid.codec()));
        let Some(want) = want.filter(|w| w.c.len() <= limits::WANT && blocks_only(w)) else {
            self.close(now, stream.link, Close::Violation);
            return;
        };
        let size = want.c.len();
        let (space, live) = self.wanted_space(stream.link, &want);
        let waits = space.is_some() && !live && self.may_hold(stream);
        if !live && !waits && !self.charge(now, stream.link, frame.len()) {
            return;
        }
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let Task::Wanted { asked, held } = &mut state.task else { return };
        asked.push_back(size);
        if asked.iter().sum::<usize>() > limits::WANT_WINDOW_BLOCKS || asked.len() > limits::WANT {
            self.close(now, stream.link, Close::Flood);
            return;
        }
        if waits {
            held.push(want);
            state.deadline = state.deadline.or(Some(now + PATIENCE));
            return;
        }
        state.deadline = None;
        self.answer_want(stream, want);
    }

    /// The space a WANT is about, if the peer shares it, and whether its blocks may be given yet.
    fn wanted_space(&self, link: LinkId, want: &Want) -> (Option<SpaceId>, bool) {
        let link = self.links.get(&link);
        let space = link.and_then(|l| l.space_of(&want.h));
        let live = link.zip(space).is_some_and(|(link, space)| link.is_live(&space));
        (space, live)
    }

    /// Whether a WANT on this stream may be held: one stream of a link at a time, so that it stays
    /// bounded.
    fn may_hold(&self, stream: StreamId) -> bool {
        let holds = |(id, s): (&StreamId, &Stream)| {
            let held = matches!(&s.task, Task::Wanted { held, .. } if !held.is_empty());
            held && id.link == stream.link && *id != stream
        };
        !self.streams.iter().any(holds)
    }

    fn answer_want(&mut self, stream: StreamId, want: Want) {
        let output = match self.wanted_space(stream.link, &want) {
            (Some(space), true) => Output::ServeBlocks { stream, space, cids: want.c },
            (Some(_) | None, _) => Output::DenyBlocks { stream, cids: want.c },
        };
        self.hands.push(output);
    }

    /// Governance was reconciled on a link: what was asked too early is answered.
    pub(super) fn answer_held(&mut self, link: LinkId, space: SpaceId) {
        let streams: Vec<StreamId> =
            self.streams.keys().filter(|id| id.link == link && !id.ours).copied().collect();
        for stream in streams {
            let Some(state) = self.streams.get_mut(&stream) else { continue };
            let Task::Wanted { held, .. } = &mut state.task else { continue };
            let early = core::mem::take(held);
            let about = |want: &Want| self.wanted_space(link, want).0 == Some(space);
            if early.first().is_some_and(about) {
                self.set_deadline(stream, None);
                early.into_iter().for_each(|want| self.answer_want(stream, want));
            } else if let Some(state) = self.streams.get_mut(&stream)
                && let Task::Wanted { held, .. } = &mut state.task
            {
                *held = early;
            }
        }
    }

    /// Governance took too long: what was asked too early is denied; tells whether anything was.
    pub(super) fn deny_held(&mut self, stream: StreamId) -> bool {
        let Some(state) = self.streams.get_mut(&stream) else { return false };
        let Task::Wanted { held, .. } = &mut state.task else { return false };
        let early = core::mem::take(held);
        if early.is_empty() {
            return false;
        }
        state.deadline = None;
        early.into_iter().for_each(|want| self.answer_want(stream, want));
        true
    }

    /// The hand has answered a WANT.
    pub(super) fn served(&mut self, stream: StreamId, bytes: u64) {
        if let Some(link) = self.links.get_mut(&stream.link) {
            link.sent_bytes += bytes;
        }
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let Task::Wanted { asked, held } = &mut state.task else { return };
        asked.pop_front();
        let done = asked.is_empty() && state.ended;
        if held.is_empty() {
            state.deadline = None;
        }
        if done {
            self.complete(stream);
        }
    }
}
