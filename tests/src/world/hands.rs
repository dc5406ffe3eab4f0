//! The hands of every box: what machines want done, done in memory and in time.

use std::collections::BTreeSet;

use bytes::Bytes;
use kith_core::cid::Cid;
use kith_core::record::{Record, RecordId};
use kith_core::wire::frame::{Block, StreamKind};
use kith_proto::replica::{Input, LinkId, Output, StreamId, Ticket};

use super::disk::links;
use super::hostile;
use super::net::{self, Place};
use super::play::{Event, World};
use super::scenario::Trick;

/// A disk takes this long, in microseconds, least and most.
const DISK: (u64, u64) = (500, 30_000);

/// A dial to nobody takes this long to fail.
const UNREACHED: u64 = 3_000_000;

impl World {
    /// Does what a machine wants.
    pub fn perform(&mut self, place: Place, output: Output) {
        match output {
            Output::Dial { dial, address, expect } => {
                let life = self.nodes[place].life;
                let to = net::place(&address).unwrap_or(usize::MAX);
                let there = self.nodes.get(to).is_some_and(|n| n.replica.is_some());
                let quick = there && self.joined(place, to);
                let after = if quick { self.chance.between(2_000, 60_000) } else { UNREACHED };
                self.schedule(self.now + after, Event::Reach(place, life, dial, to, expect));
            }
            Output::CloseLink { link, .. } => self.close_link(place, link),
            Output::OpenStream { stream, kind } => {
                let by_dialler = self.by_dialler(place, stream);
                self.kinds.insert((stream.link.0, by_dialler, stream.number), kind);
                let theirs = Self::mirrored(stream);
                self.carry(place, stream, 1, Input::StreamOpened { stream: theirs, kind });
            }
            Output::Send { stream, frame } => self.send(place, stream, frame),
            Output::Finish { stream } => {
                let stream_there = Self::mirrored(stream);
                let input = Input::StreamEnded { stream: stream_there, clean: true };
                self.carry(place, stream, 1, input);
            }
            Output::Reset { stream } => {
                let stream_there = Self::mirrored(stream);
                let input = Input::StreamEnded { stream: stream_there, clean: false };
                self.carry(place, stream, 1, input);
            }
            Output::LoadSet { space, class } => {
                let records = self.nodes[place].disk.records.values();
                let of = records.filter(|r| *r.class() == class && r.space() == space);
                let items = of.map(|r| (r.time(), r.id())).collect();
                self.answer(place, Input::SetLoaded { space, class, items });
            }
            Output::LoadRecords { ticket, ids, .. } => {
                let disk = &self.nodes[place].disk.records;
                let read = |id: &RecordId| disk.get(id).map(|r| r.bytes().clone());
                let records = ids.iter().filter_map(read).collect();
                self.answer(place, Input::RecordsLoaded { ticket, records });
            }
            Output::StoreRecords { ticket, records, .. } => self.store(place, ticket, records),
            Output::CheckBlocks { ticket, cids, .. } => {
                let disk = &self.nodes[place].disk;
                let have = cids.iter().filter_map(|cid| disk.have(cid)).collect();
                self.answer(place, Input::BlocksChecked { ticket, have });
            }
            Output::StoreBlock { ticket, cid, bytes, .. } => {
                self.store_block(place, ticket, (cid, bytes));
            }
            Output::ServeBlocks { stream, cids, .. } => self.serve(place, stream, &cids),
            Output::DenyBlocks { stream, cids } => self.deny(place, stream, &cids),
            Output::FetchDone { .. } | Output::PeerMet { .. } | Output::Changed(_) => {}
            Output::Joined { .. } => self.nodes[place].joining = None,
            Output::JoinFailed { .. } => {
                self.nodes[place].joining = None;
                self.nodes[place].join_failed = true;
            }
            Output::TimeConfirmed { now } => self.trust_time(place, now),
        }
    }

    fn trust_time(&mut self, place: Place, now: kith_core::time::UnixTime) {
        let node = &mut self.nodes[place];
        let right = i128::from(now.as_millis()) - i128::from(super::node::DAWN + self.now / 1_000);
        // Most clocks being wrong, members may agree on a wrong time; then it is theirs.
        node.wrong_ms = i64::try_from(right).unwrap_or(0);
    }

    /// The disk answers, after a while.
    fn answer(&mut self, place: Place, input: Input) {
        let after = self.chance.between(DISK.0, DISK.1);
        let life = self.nodes[place].life;
        self.schedule(self.now + after, Event::Tell(place, life, Box::new(input)));
    }

    /// A block lies with the store at once; only its verdict takes time.
    fn store_block(&mut self, place: Place, ticket: Ticket, (cid, bytes): (Cid, Bytes)) {
        if cid.verifies(&bytes) {
            let links = links(&cid, &bytes);
            self.nodes[place].disk.blocks.insert(cid, bytes);
            self.answer(place, Input::BlockStored { ticket, links });
        } else {
            self.answer(place, Input::BlockRefused { ticket });
        }
    }

    /// Records become durable first and are acknowledged later; a crash may come between.
    fn store(&mut self, place: Place, ticket: Ticket, records: Vec<Record>) {
        let (life, now) = (self.nodes[place].life, self.nodes[place].wall(self.now));
        for record in &records {
            self.nodes[place].clock.observe(now, record.time());
        }
        let at = self.now + self.chance.between(DISK.0, DISK.1);
        self.schedule(at, Event::Commit(place, life, records));
        let stored = Box::new(Input::RecordsStored { ticket });
        self.schedule(at + 200, Event::Tell(place, life, stored));
    }

    fn by_dialler(&self, place: Place, stream: StreamId) -> bool {
        let dialled = self.wires.get(&stream.link.0).is_some_and(|w| w.ends[0] == place);
        dialled == stream.ours
    }

    /// Sends something to the other end of a stream.
    fn carry(&mut self, place: Place, stream: StreamId, size: usize, input: Input) {
        let by_dialler = self.by_dialler(place, stream);
        let links = self.scenario.links;
        let Some(wire) = self.wires.get_mut(&stream.link.0) else { return };
        if !wire.alive {
            return;
        }
        let end = wire.end_of(place);
        let to = wire.ends[1 - end];
        let which = (end, by_dialler, stream.number);
        let at = wire.arrival(self.now, which, size, (&links, &mut self.chance));
        self.schedule(at, Event::Arrive(stream.link.0, to, Box::new(input)));
    }

    fn send(&mut self, place: Place, stream: StreamId, frame: Bytes) {
        let by_dialler = self.by_dialler(place, stream);
        let kind = self.kinds.get(&(stream.link.0, by_dialler, stream.number)).copied();
        let trick = self.nodes[place].trick;
        let frame = match (trick, kind) {
            (Some(trick), Some(kind)) => {
                hostile::tamper(trick, kind, stream.ours, frame, &mut self.chance)
            }
            (None, _) | (_, None) => Some(frame),
        };
        let Some(frame) = frame else { return };
        self.frames += 1;
        self.bytes += frame.len() as u64 + 4;
        let (theirs, size) = (Self::mirrored(stream), frame.len());
        self.carry(place, stream, size, Input::Frame { stream: theirs, frame: frame.clone() });
        match trick {
            Some(Trick::Flood) => self.flood(place, stream),
            Some(Trick::Replay) => {
                self.carry(place, stream, size, Input::Frame { stream: theirs, frame });
            }
            Some(_) | None => {}
        }
        if self.chance.below(100_000) < self.scenario.links.dies_per_100k {
            self.cut(stream.link.0);
        }
    }

    /// Opens streams and fills them with frames that nobody asked for.
    fn flood(&mut self, place: Place, like: StreamId) {
        for n in 0..200_u64 {
            let stream =
                StreamId { number: 1_000_000 + 1_000 * self.frames + n, ours: true, ..like };
            let theirs = Self::mirrored(stream);
            let kind = if n % 2 == 0 { StreamKind::Push } else { StreamKind::Want };
            self.carry(place, stream, 1, Input::StreamOpened { stream: theirs, kind });
            let frame = Bytes::from(vec![0x80; 1_000]);
            self.carry(place, stream, 1_000, Input::Frame { stream: theirs, frame });
        }
    }

    fn serve(&mut self, place: Place, stream: StreamId, cids: &[Cid]) {
        let blocks = &self.nodes[place].disk.blocks;
        let frame = |cid: &Cid| match blocks.get(cid) {
            Some(block) => Bytes::from([&Block::head(cid, block.len())[..], &block[..]].concat()),
            None => Bytes::from(Block::missing(cid)),
        };
        let frames = cids.iter().map(frame).collect();
        self.answer_want(place, stream, frames);
    }

    fn deny(&mut self, place: Place, stream: StreamId, cids: &[Cid]) {
        let frames = cids.iter().map(|cid| Bytes::from(Block::missing(cid))).collect();
        self.answer_want(place, stream, frames);
    }

    fn answer_want(&mut self, place: Place, stream: StreamId, frames: Vec<Bytes>) {
        let bytes = frames.iter().map(|frame| frame.len() as u64 + 4).sum();
        for frame in frames {
            self.send(place, stream, frame);
        }
        let life = self.nodes[place].life;
        let served = Box::new(Input::Served { stream, bytes });
        self.schedule(self.now + 1_000, Event::Tell(place, life, served));
    }

    fn close_link(&mut self, place: Place, link: LinkId) {
        let Some(wire) = self.wires.remove(&link.0) else { return };
        self.kinds.retain(|(l, _, _), _| *l != link.0);
        let there = wire.ends[1 - wire.end_of(place)];
        let reason = "closed".to_owned();
        for (to, after) in [(place, 1), (there, wire.latency())] {
            let life = self.nodes[to].life;
            if life == wire.lives[wire.end_of(to)] {
                let down = Box::new(Input::LinkDown { link, reason: reason.clone() });
                self.schedule(self.now + after, Event::Tell(to, life, down));
            }
        }
    }

    /// All streams that are open, for bounds.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.kinds.keys().collect::<BTreeSet<_>>().len()
    }
}
