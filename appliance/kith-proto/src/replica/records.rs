//! Records in and out: pushed, asked for, checked, stored, and passed on.

use bytes::Bytes;
use kith_core::record::{Class, Record, RecordId, SpaceId};
use kith_core::time::Instant;
use kith_core::wire::cbor;
use kith_core::wire::frame::{GetRecords, Push, Pushed, Records, StreamKind, limits};
use serde_bytes::ByteBuf;

use super::streams::{ANSWER, DURABLE};
use super::{Close, LinkId, Output, Replica, StreamId, Ticket};
use crate::session::budget::PATIENCE;
use crate::session::outbox::{Lot, Parcel};
use crate::session::{Getting, Task};
use crate::sync::ingest::{Outcome, Source};

/// Frames of pushed records a peer may have unacknowledged; an honest one has twelve.
const MAX_UNACKNOWLEDGED: usize = 16;

/// Links that get a record which came from elsewhere. Its author's box pushes to all it knows; the
/// others only bridge gaps, and the next comparison closes what is left.
const BRIDGES: usize = 4;

/// Bytes of records in one answer frame.
const ANSWER_FRAME: usize = limits::PUSH - 64 * 1024;

/// Why records are being loaded.
#[derive(Debug)]
pub(super) enum Load {
    /// A comparison found a peer to lack them.
    Push { link: LinkId, lot: Lot },
    /// A peer asked.
    Answer { stream: StreamId },
}

impl Replica {
    /// Sends what a link's outbox allows.
    pub(super) fn empty_outbox(&mut self, now: Instant, link: LinkId) {
        while let Some(lot) = self.links.get_mut(&link).and_then(|l| l.outbox.next_load()) {
            let ticket = self.hands.ticket();
            let (space, ids) = (lot.space, lot.ids.clone());
            self.loads.insert(ticket, Load::Push { link, lot });
            self.hands.push(Output::LoadRecords { ticket, space, ids });
        }
        while let Some(lot) = self.links.get_mut(&link).and_then(|l| l.outbox.next_get()) {
            self.get(now, link, lot);
        }
        while let Some((space, records)) =
            self.links.get_mut(&link).and_then(|l| l.outbox.next_frame())
        {
            let Some(stream) = self.push_stream(link) else { return };
            let Some(state) = self.links.get(&link) else { return };
            let h = state.handle(&space);
            self.hands.counters.records_sent += records.len() as u64;
            let r = records.iter().map(|bytes| ByteBuf::from(bytes.to_vec())).collect();
            self.send(stream, &Push { h, r });
        }
        let Some(outbox) = self.links.get_mut(&link).map(|l| &mut l.outbox) else { return };
        let Some(stream) = outbox.stream else { return };
        if outbox.is_idle() {
            outbox.stream = None;
            self.complete(stream);
        } else {
            let deadline = outbox.awaits_answer().then(|| now + DURABLE);
            self.set_deadline(stream, deadline);
        }
    }

    fn push_stream(&mut self, link: LinkId) -> Option<StreamId> {
        if let Some(stream) = self.links.get(&link)?.outbox.stream {
            return Some(stream);
        }
        let stream = self.open(link, StreamKind::Push, Task::Push, None)?;
        self.links.get_mut(&link)?.outbox.stream = Some(stream);
        Some(stream)
    }

    pub(super) fn push_acknowledged(&mut self, now: Instant, stream: StreamId, frame: &Bytes) {
        let known = cbor::decode::<Pushed>(frame, limits::CONTROL).is_ok();
        let link = self.links.get_mut(&stream.link);
        let Some(receipt) = link.filter(|_| known).and_then(|l| l.outbox.acknowledged()) else {
            self.close(now, stream.link, Close::Violation);
            return;
        };
        self.dirty.insert(stream.link);
        self.forgive(stream.link);
        for (recon, records) in receipt {
            self.moved(now, recon, records);
        }
    }

    /// The peer ended our stream of pushes: it no longer wants what is on its way.
    pub(super) fn push_broken(&mut self, now: Instant, link: LinkId) {
        while let Some(state) = self.links.get_mut(&link) {
            state.outbox.stream = None;
            let Some(receipt) = state.outbox.acknowledged() else { break };
            for (recon, records) in receipt {
                self.moved(now, recon, records);
            }
        }
        self.dirty.insert(link);
    }

    /// A peer pushes records.
    pub(super) fn pushed(&mut self, now: Instant, stream: StreamId, frame: &Bytes) {
        let Ok(push) = cbor::decode::<Push>(frame, limits::PUSH) else {
            self.close(now, stream.link, Close::Violation);
            return;
        };
        let Some(space) = self.synced_space(stream.link, &push.h) else {
            if self.charge(now, stream.link, frame.len()) {
                self.reset(stream);
            }
            return;
        };
        let Some(state) = self.streams.get_mut(&stream) else { return };
        state.deadline = None;
        let Task::Pushed { unacknowledged } = &mut state.task else { return };
        *unacknowledged += 1;
        if *unacknowledged > MAX_UNACKNOWLEDGED || push.r.len() > limits::RECORDS {
            self.close(now, stream.link, Close::Flood);
            return;
        }
        self.take_records(now, stream, space, push.r);
    }

    fn synced_space(&self, link: LinkId, handle: &kith_core::seal::Handle) -> Option<SpaceId> {
        self.links.get(&link)?.space_of(handle)
    }

    fn take_records(
        &mut self,
        now: Instant,
        stream: StreamId,
        space: SpaceId,
        records: Vec<ByteBuf>,
    ) {
        let records: Vec<Bytes> = records.into_iter().map(|r| Bytes::from(r.into_vec())).collect();
        let (Some(link), Some(space)) = (self.links.get_mut(&stream.link), self.spaces.get(&space))
        else {
            return;
        };
        let source = Source { link: stream.link, peer: link.peer, stream };
        match self.ingest.offer(source, space, &records) {
            Ok((ids, outcome)) => {
                for id in ids {
                    link.note_has(id);
                }
                self.act_on(now, outcome);
            }
            Err(_) => self.close(now, stream.link, Close::Violation),
        }
    }

    /// Tells peers what became of what they sent, and drops those that cheat.
    fn act_on(&mut self, now: Instant, outcome: Outcome) {
        for link in outcome.offenders {
            self.close(now, link, Close::Violation);
        }
        for batch in outcome.done {
            let stream = batch.source.stream;
            let Some(state) = self.streams.get_mut(&stream) else { continue };
            let ended = state.ended;
            match &mut state.task {
                Task::Pushed { unacknowledged } => {
                    *unacknowledged = unacknowledged.saturating_sub(1);
                    let last = *unacknowledged == 0;
                    state.deadline = last.then(|| now + PATIENCE * 10);
                    self.send(stream, &Pushed { n: batch.kept });
                    if last && ended {
                        self.complete(stream);
                    }
                }
                Task::Get(getting) => {
                    getting.batches = getting.batches.saturating_sub(1);
                    self.get_progress(now, stream);
                }
                Task::Greet { .. } | Task::Greeted { .. } => self.join_stored(now, stream),
                Task::Compare { .. }
                | Task::Compared(_)
                | Task::Push
                | Task::Gotten { .. }
                | Task::Want { .. }
                | Task::Wanted { .. } => {}
            }
        }
    }

    /// Asks a peer for records a comparison found missing here.
    fn get(&mut self, now: Instant, link: LinkId, lot: Lot) {
        let getting = Getting {
            space: lot.space,
            missing: lot.ids.iter().copied().collect(),
            count: lot.ids.len(),
            recon: lot.recon,
            batches: 0,
            complete: false,
        };
        let task = Task::Get(Box::new(getting));
        let Some(h) = self.links.get(&link).map(|l| l.handle(&lot.space)) else { return };
        if let Some(stream) = self.open(link, StreamKind::GetRecords, task, Some(now + ANSWER)) {
            let i = lot.ids.iter().map(|id| id.0.into()).collect();
            self.send(stream, &GetRecords { h, i });
            self.finish(stream);
        }
    }

    /// Records we asked for.
    pub(super) fn get_answered(&mut self, now: Instant, stream: StreamId, frame: &Bytes) {
        let Ok(records) = cbor::decode::<Records>(frame, limits::PUSH) else {
            self.close(now, stream.link, Close::Violation);
            return;
        };
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let Task::Get(getting) = &mut state.task else { return };
        let digest = |bytes: &ByteBuf| {
            RecordId(*kith_core::cid::Cid::of(kith_core::cid::Codec::DagCbor, bytes).digest())
        };
        let asked = records.r.iter().all(|bytes| getting.missing.remove(&digest(bytes)));
        if !asked || getting.complete || (records.r.is_empty() && !records.z) {
            self.close(now, stream.link, Close::Violation);
            return;
        }
        getting.complete = records.z;
        getting.batches += 1;
        let space = getting.space;
        state.deadline = (!records.z).then(|| now + ANSWER);
        self.take_records(now, stream, space, records.r);
    }

    fn get_progress(&mut self, now: Instant, stream: StreamId) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        if let Task::Get(getting) = &state.task
            && getting.complete
            && getting.batches == 0
            && let Some(state) = self.streams.remove(&stream)
            && let Task::Get(getting) = state.task
        {
            self.get_over(now, stream.link, &getting);
        }
    }

    pub(super) fn get_over(&mut self, now: Instant, link: LinkId, getting: &Getting) {
        if let Some(state) = self.links.get_mut(&link) {
            state.outbox.gotten();
        }
        self.dirty.insert(link);
        self.moved(now, getting.recon, getting.count);
    }

    /// A peer asks for records.
    pub(super) fn gotten(&mut self, now: Instant, stream: StreamId, frame: &Bytes) {
        let request = cbor::decode::<GetRecords>(frame, limits::CONTROL).ok();
        let Some(request) = request.filter(|r| r.i.len() <= limits::RECORDS) else {
            self.close(now, stream.link, Close::Violation);
            return;
        };
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let Task::Gotten { asked } = &mut state.task else { return };
        if core::mem::replace(asked, true) {
            self.close(now, stream.link, Close::Violation);
            return;
        }
        state.deadline = None;
        let link = self.links.get(&stream.link);
        let provisional = |space: &SpaceId| {
            link.and_then(|l| l.spaces.get(space)).is_none_or(|shared| shared.provisional)
        };
        let space = link.and_then(|l| l.space_of(&request.h));
        let Some(space) = space.filter(|space| !provisional(space)) else {
            if self.charge(now, stream.link, frame.len()) {
                self.send(stream, &Records { r: Vec::new(), z: true });
                self.complete(stream);
            }
            return;
        };
        let ticket = self.hands.ticket();
        let ids = request.ids().collect();
        self.loads.insert(ticket, Load::Answer { stream });
        self.hands.push(Output::LoadRecords { ticket, space, ids });
    }

    /// The store read records, or failed to.
    pub(super) fn records_loaded(&mut self, now: Instant, ticket: Ticket, records: Vec<Bytes>) {
        match self.loads.remove(&ticket) {
            Some(Load::Push { link, lot }) => {
                let absent = lot.ids.len().saturating_sub(records.len());
                let Some(state) = self.links.get_mut(&link) else { return };
                state.outbox.loaded();
                for bytes in records {
                    let recon = Some(lot.recon);
                    state.outbox.push(Parcel { space: lot.space, bytes, recon });
                }
                self.dirty.insert(link);
                self.moved(now, lot.recon, absent);
            }
            Some(Load::Answer { stream }) if self.streams.contains_key(&stream) => {
                self.hands.counters.records_sent += records.len() as u64;
                let (mut frame, mut size) = (Vec::new(), 0);
                for bytes in records {
                    if size + bytes.len() > ANSWER_FRAME {
                        self.send(stream, &Records { r: core::mem::take(&mut frame), z: false });
                        size = 0;
                    }
                    size += bytes.len();
                    frame.push(ByteBuf::from(bytes.to_vec()));
                }
                self.send(stream, &Records { r: frame, z: true });
                self.complete(stream);
            }
            Some(Load::Answer { .. }) | None => {}
        }
    }

    pub(super) fn verify_slice(&mut self, now: Instant) {
        if self.ingest.is_busy() {
            let outcome = self.ingest.verify(&self.spaces);
            self.act_on(now, outcome);
        }
    }

    /// Hands verified records to the store.
    pub(super) fn store_verified(&mut self) {
        loop {
            let ticket = Ticket(self.hands.tickets + 1);
            let Some((space, records)) = self.ingest.next_store(ticket) else { return };
            self.hands.tickets += 1;
            self.hands.push(Output::StoreRecords { ticket, space, records });
        }
    }

    /// The store has made records durable, or could not.
    pub(super) fn records_stored(&mut self, now: Instant, ticket: Ticket, durable: bool) -> bool {
        let Some((space, records, outcome)) = self.ingest.stored(ticket, durable) else {
            return false;
        };
        if durable {
            self.add_records(now, space, &records, false);
        }
        self.act_on(now, outcome);
        true
    }

    /// Takes durable records in and passes the new ones on.
    pub(super) fn add_records(
        &mut self,
        now: Instant,
        space: SpaceId,
        records: &[Record],
        ours: bool,
    ) {
        let Some(state) = self.spaces.get_mut(&space) else { return };
        let new: Vec<Record> = state.add(records).into_iter().cloned().collect();
        if !ours {
            self.hands.counters.records_received += new.len() as u64;
        }
        if new.iter().any(|record| *record.class() == Class::Gov) {
            self.governed(now, space);
        }
        for record in &new {
            self.pass_on(now, space, record, ours);
        }
    }

    fn pass_on(&mut self, now: Instant, space: SpaceId, record: &Record, ours: bool) {
        let lacks = |l: &&mut crate::session::Link| l.is_live(&space);
        let mut to: Vec<LinkId> = self.links.values_mut().filter(lacks).map(|l| l.id).collect();
        if !ours {
            while to.len() > BRIDGES {
                let out = self.rng.below(to.len() as u64);
                to.swap_remove(usize::try_from(out).unwrap_or(0));
            }
        }
        for id in to {
            let Some(link) = self.links.get_mut(&id) else { continue };
            let parcel = Parcel { space, bytes: record.bytes().clone(), recon: None };
            if link.note_has(record.id())
                && !link.outbox.push(parcel)
                && let Some(shared) = link.spaces.get_mut(&space)
            {
                shared.due = Some(now);
            }
            self.dirty.insert(id);
        }
    }
}
