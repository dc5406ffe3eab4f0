//! Blocks in and out: asked for along the lanes of [`crate::blocks`], served from the store.

use core::time::Duration;

use bytes::Bytes;
use kith_core::cid::Cid;
use kith_core::record::SpaceId;
use kith_core::time::Instant;
use kith_core::wire::cbor;
use kith_core::wire::frame::{Block, StreamKind, Want, is_block, limits};

use super::{Change, Close, Link, LinkId, Output, Replica, StreamId, Ticket};
use crate::blocks::Arrival;
use crate::session::Task;

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
            Arrival::Store { ticket, cid, bytes } => {
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

    /// The peer ended our stream: it is asked anew on another one, or others are.
    pub(super) fn want_broken(&mut self, now: Instant, link: LinkId, space: SpaceId) {
        self.blocks.close_lane(link, space);
        if self.links.get(&link).is_some_and(|l| l.is_live(&space)) {
            self.blocks.open_lane(now, link, space);
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
        let link = self.links.get(&stream.link);
        let live = |space: &SpaceId| link.is_some_and(|l| l.is_live(space));
        let space = link.and_then(|l| l.space_of(&want.h)).filter(live);
        let Some(state) = self.streams.get_mut(&stream) else { return };
        state.deadline = None;
        let Some(space) = space else {
            if self.charge(now, stream.link, frame.len()) {
                self.send_missing(stream, &want.c);
            }
            return;
        };
        let Task::Wanted { asked } = &mut state.task else { return };
        asked.push_back(want.c.len());
        if asked.iter().sum::<usize>() > limits::WANT_WINDOW_BLOCKS || asked.len() > limits::WANT {
            self.close(now, stream.link, Close::Flood);
            return;
        }
        self.hands.push(Output::ServeBlocks { stream, space, cids: want.c });
    }

    fn send_missing(&mut self, stream: StreamId, cids: &[Cid]) {
        for cid in cids {
            self.send_bytes(stream, Block::missing(cid));
        }
    }

    /// The hand has answered a WANT.
    pub(super) fn served(&mut self, stream: StreamId, bytes: u64) {
        if let Some(link) = self.links.get_mut(&stream.link) {
            link.sent_bytes += bytes;
        }
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let Task::Wanted { asked } = &mut state.task else { return };
        asked.pop_front();
        let done = asked.is_empty() && state.ended;
        state.deadline = None;
        if done {
            self.complete(stream);
        }
    }
}
