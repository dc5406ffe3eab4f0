//! HELLO as both ends run it: said by the dialler, and by either end again whenever a space may have
//! become common to both.

use core::time::Duration;

use bytes::Bytes;
use kith_core::identity::AuthorId;
use kith_core::record::{Class, Record, SpaceId};
use kith_core::seal::End;
use kith_core::time::{Instant, UnixTime};
use kith_core::wire::cbor;
use kith_core::wire::frame::{Admission, Hello, HelloSpace, StreamKind, VERSION, limits};
use serde_bytes::ByteBuf;

use super::links::GREETING;
use super::{Change, Close, LinkId, Output, Replica, StreamId};
use crate::membership::agreed;
use crate::session::hello::{self, Handles, Voice};
use crate::session::{Shared, Task};
use crate::sync::ingest::Source;

/// The shortest pause between two HELLOs of ours on a connection.
const PAUSE: Duration = Duration::from_millis(500);

/// Capabilities live for thirty days; a connection that lasts shows fresh ones in time.
const RENEWAL: Duration = Duration::from_secs(5 * 24 * 3600);

/// A clock that is further behind than this dates capabilities by the peer's.
const FAR_BEHIND: Duration = Duration::from_secs(24 * 3600);

impl Replica {
    /// Says HELLO on a connection.
    pub(super) fn greet(&mut self, now: Instant, link: LinkId) {
        let spaces: Vec<SpaceId> = self.spaces.keys().copied().collect();
        let admissions = self.admissions(now, link, spaces);
        let deadline = Some(now + GREETING);
        let task = Task::Greet { answer: None, waiting: 0 };
        let Some(stream) = self.open(link, StreamKind::Hello, task, deadline) else {
            return;
        };
        let Some(state) = self.links.get_mut(&link) else { return };
        state.hello_open = true;
        state.hello_last = Some(now);
        state.hello_due = Some(now + RENEWAL);
        let hello = self.compose(now, link, admissions, true);
        self.send(stream, &hello);
        self.finish(stream);
    }

    /// Says HELLO again on this connection soon.
    pub(super) fn greet_again(&mut self, now: Instant, link: LinkId) {
        if let Some(link) = self.links.get_mut(&link) {
            let earliest = link.hello_last.map_or(now, |last| last + PAUSE).max(now);
            link.hello_due = Some(link.hello_due.map_or(earliest, |due| due.min(earliest)));
        }
    }

    /// Says HELLO again everywhere where this space is not shared yet.
    pub(super) fn greet_about(&mut self, now: Instant, space: &SpaceId) {
        let strangers = |l: &&crate::session::Link| !l.spaces.contains_key(space) && l.greeted;
        let links: Vec<LinkId> = self.links.values().filter(strangers).map(|l| l.id).collect();
        for link in links {
            self.greet_again(now, link);
        }
    }

    pub(super) fn greet_due(&mut self, now: Instant) {
        let due = |l: &&crate::session::Link| !l.hello_open && l.hello_due <= Some(now);
        let links: Vec<LinkId> = self
            .links
            .values()
            .filter(|l| l.hello_due.is_some())
            .filter(due)
            .map(|l| l.id)
            .collect();
        for link in links {
            self.greet(now, link);
        }
        let mute = |l: &&crate::session::Link| !l.greeted && l.since + GREETING <= now;
        let mute: Vec<LinkId> = self.links.values().filter(mute).map(|l| l.id).collect();
        for link in mute {
            self.close(now, link, Close::Silence);
        }
    }

    fn admissions(
        &mut self,
        now: Instant,
        link: LinkId,
        spaces: Vec<SpaceId>,
    ) -> Vec<(SpaceId, Admission)> {
        let time = self.dating(now, link);
        let mut admissions = Vec::new();
        for id in spaces {
            let nonce = self.rng.bytes16();
            let Some(space) = self.spaces.get_mut(&id) else { continue };
            if let Some((host, join)) = space.credentials(self.me, &self.authors, time, nonce) {
                let join = join.map(|bytes| ByteBuf::from(bytes.to_vec()));
                admissions.push((id, Admission { host, join }));
            }
        }
        admissions
    }

    /// The present by which capabilities are dated: ours, or the peer's when ours is not confirmed and
    /// behind. They name this box alone, so a peer that lies gains nothing by it.
    fn dating(&self, now: Instant, link: LinkId) -> UnixTime {
        let ours = self.wall.now(now);
        let theirs = self.links.get(&link).and_then(|l| l.peer_clock(now));
        if self.wall.is_trusted() { ours } else { theirs.map_or(ours, |theirs| theirs.max(ours)) }
    }

    fn compose(
        &mut self,
        now: Instant,
        link: LinkId,
        admissions: Vec<(SpaceId, Admission)>,
        padded: bool,
    ) -> Hello {
        let time = self.wall.now(now);
        let Some(link) = self.links.get_mut(&link) else {
            return Hello { v: vec![VERSION], i: 0, t: time, s: Vec::new() };
        };
        let count = link.hellos;
        link.hellos += 1;
        let voice = Voice { exporter: &link.exporter, end: link.end, count, time };
        hello::compose(voice, admissions, padded.then_some(&mut self.rng))
    }

    /// A peer said HELLO.
    pub(super) fn greeted(&mut self, now: Instant, stream: StreamId, frame: &Bytes) {
        self.hear_hello(now, stream, frame);
    }

    /// The peer answered our HELLO.
    pub(super) fn greet_answered(&mut self, now: Instant, stream: StreamId, frame: &Bytes) {
        self.hear_hello(now, stream, frame);
    }

    /// Takes a HELLO or its answer, once the join records in it are stored.
    fn hear_hello(&mut self, now: Instant, stream: StreamId, frame: &Bytes) {
        let Some(said) = self.read_hello(now, stream, frame) else { return };
        self.set_deadline(stream, None);
        let mut expected = 0;
        for (space, entry) in self.known_entries(stream.link, &said) {
            let join = self.new_join(now, stream.link, space, (said.i, &entry));
            expected += usize::from(join.is_some_and(|j| self.offer_join(now, stream, space, &j)));
        }
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let (Task::Greet { answer: hello, waiting } | Task::Greeted { hello, waiting }) =
            &mut state.task
        else {
            return;
        };
        if hello.replace(Box::new(said)).is_some() {
            self.close(now, stream.link, Close::Violation);
            return;
        }
        *waiting = expected;
        if expected == 0 {
            self.act_on_hello(now, stream);
        }
    }

    /// A peer's join record is dealt with; with the last one, its HELLO is.
    pub(super) fn join_stored(&mut self, now: Instant, stream: StreamId) {
        if let Some(state) = self.streams.get_mut(&stream)
            && let Task::Greet { waiting, .. } | Task::Greeted { waiting, .. } = &mut state.task
        {
            *waiting = waiting.saturating_sub(1);
            if *waiting == 0 {
                self.act_on_hello(now, stream);
            }
        }
    }

    fn act_on_hello(&mut self, now: Instant, stream: StreamId) {
        if stream.ours {
            self.take_answer(now, stream);
        } else {
            self.answer_hello(now, stream);
        }
    }

    fn answer_hello(&mut self, now: Instant, stream: StreamId) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let Task::Greeted { hello, .. } = &mut state.task else { return };
        let Some(said) = hello.take() else { return };
        let accepted = self.accept(now, stream.link, &said);
        let spaces: Vec<SpaceId> = accepted.iter().map(|(space, _)| *space).collect();
        let admissions = self.admissions(now, stream.link, spaces);
        let answer = self.compose(now, stream.link, admissions, false);
        self.send(stream, &answer);
        self.complete(stream);
        for (space, shared) in accepted {
            self.share(now, stream.link, space, shared);
        }
    }

    fn take_answer(&mut self, now: Instant, stream: StreamId) {
        let Some(state) = self.streams.remove(&stream) else { return };
        let Task::Greet { answer: Some(said), .. } = state.task else { return };
        let Some(link) = self.links.get_mut(&stream.link) else { return };
        link.hello_open = false;
        for (space, shared) in self.accept(now, stream.link, &said) {
            self.share(now, stream.link, space, shared);
        }
        let behind = said.t.since(self.wall.now(now)) > FAR_BEHIND && !self.wall.is_trusted();
        if let Some(link) = self.links.get_mut(&stream.link)
            && behind
            && !link.redated
        {
            link.redated = true;
            self.greet_again(now, stream.link);
        }
    }

    fn read_hello(&mut self, now: Instant, stream: StreamId, frame: &Bytes) -> Option<Hello> {
        let hello = cbor::decode::<Hello>(frame, limits::CONTROL).ok();
        let Some(hello) = hello.filter(|h| h.s.len() <= limits::SPACES && h.v.len() <= 16) else {
            self.close(now, stream.link, Close::Violation);
            return None;
        };
        // Every HELLO costs its reader some cryptography, so none of them is free.
        if !self.charge(now, stream.link, frame.len()) {
            return None;
        }
        if !hello.v.contains(&VERSION) {
            self.close(now, stream.link, Close::Unwanted);
            return None;
        }
        let link = self.links.get_mut(&stream.link)?;
        link.greeted = true;
        link.clock = Some((now, hello.t));
        Some(hello)
    }

    /// The entries about spaces this box is in.
    fn known_entries(&self, link: LinkId, hello: &Hello) -> Vec<(SpaceId, HelloSpace)> {
        let Some(link) = self.links.get(&link) else { return Vec::new() };
        let handles = Handles::of(&link.exporter, self.spaces.keys());
        let known = hello.s.iter().filter_map(|e| Some((handles.space(&e.h)?, e.clone())));
        known.collect()
    }

    fn open_entry(
        &self,
        link: LinkId,
        space: &SpaceId,
        (count, entry): (u64, &HelloSpace),
    ) -> Option<Admission> {
        let link = self.links.get(&link)?;
        hello::open(&link.exporter, space, (link.peer_end(), count), entry)
    }

    /// The join record of a newcomer whom this box may let in.
    fn new_join(
        &self,
        now: Instant,
        link: LinkId,
        space: SpaceId,
        entry: (u64, &HelloSpace),
    ) -> Option<Bytes> {
        let admission = self.open_entry(link, &space, entry)?;
        let bytes = Bytes::from(admission.join?.into_vec());
        let space = self.spaces.get(&space)?;
        if space.governance.known.contains(&admission.host.issuer()) {
            return None;
        }
        let record = Record::decode(&bytes).ok()?;
        let good = *record.class() == Class::Gov
            && record.space() == space.id
            && record.author() == admission.host.issuer()
            && space.welcomes(&record, self.links.get(&link)?.peer, self.wall.trusted(now));
        good.then_some(bytes)
    }

    /// Hands a join record on to be stored; tells whether the answer has to wait for it.
    fn offer_join(&mut self, now: Instant, stream: StreamId, space: SpaceId, join: &Bytes) -> bool {
        let (Some(link), Some(space)) = (self.links.get(&stream.link), self.spaces.get(&space))
        else {
            return false;
        };
        let source = Source { link: stream.link, peer: link.peer, stream };
        match self.ingest.offer(source, space, core::slice::from_ref(join)) {
            Ok((_, outcome)) => outcome.done.is_empty(),
            Err(_) => {
                self.close(now, stream.link, Close::Violation);
                false
            }
        }
    }

    /// The spaces of a HELLO that its sender has a right to.
    fn accept(&self, now: Instant, link: LinkId, said: &Hello) -> Vec<(SpaceId, Shared)> {
        let Some(peer) = self.links.get(&link).map(|l| l.peer) else { return Vec::new() };
        let mut accepted = Vec::new();
        for (id, entry) in self.known_entries(link, said) {
            let Some(space) = self.spaces.get(&id) else { continue };
            let Some(admission) = self.open_entry(link, &id, (said.i, &entry)) else { continue };
            let trusted = self.wall.trusted(now);
            let Some((author, expires)) = space.host(&admission.host, peer, trusted) else {
                continue;
            };
            let member = space.governance.role(&author).is_some();
            #[cfg(test)]
            let member = member || self.careless;
            // Who joins cannot check members yet. It takes whoever holds a well-formed capability for
            // this space, reconciles governance with them and nothing else, and checks then.
            let provisional = !member && space.joining.is_some();
            if member || provisional {
                accepted.push((id, Shared::new(author, expires, provisional)));
            }
        }
        accepted
    }

    /// A space is common to both ends from here on.
    fn share(&mut self, now: Instant, link: LinkId, space: SpaceId, shared: Shared) {
        let Some(state) = self.links.get_mut(&link) else { return };
        if let Some(known) = state.spaces.get_mut(&space) {
            known.expires = known.expires.max(shared.expires);
            known.author = shared.author;
            return;
        }
        state.spaces.insert(space, shared);
        let (node, dialled) = (state.peer, state.end == End::Dialler);
        let address = dialled.then_some(state.address);
        self.hands.push(Output::PeerMet { node, address });
        self.changed(Change::Peers);
        if dialled {
            self.compare(now, link, space, &Class::Gov);
        }
        self.confirm_time(now);
    }

    /// Three members whose clocks agree confirm the present.
    fn confirm_time(&mut self, now: Instant) {
        if self.wall.is_trusted() || self.time_confirmed {
            return;
        }
        let mut heard = std::collections::BTreeMap::<AuthorId, UnixTime>::new();
        for link in self.links.values() {
            let members = link.spaces.values().filter(|s| !s.provisional).map(|s| s.author);
            if let (Some(author), Some(clock)) = (members.min(), link.peer_clock(now)) {
                heard.insert(author, clock);
            }
        }
        if let Some(now) = agreed(heard.into_values().collect()) {
            self.time_confirmed = true;
            self.hands.push(Output::TimeConfirmed { now });
        }
    }
}
