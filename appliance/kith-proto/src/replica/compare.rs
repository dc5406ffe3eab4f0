//! Comparing record sets with peers: governance first and to its end, then all else, then again every
//! minute, which costs a hundred bytes when nothing is new.

use core::time::Duration;
use std::collections::BTreeSet;

use bytes::Bytes;
use kith_core::record::{Class, SpaceId};
use kith_core::seal::End;
use kith_core::time::Instant;
use kith_core::wire::cbor;
use kith_core::wire::frame::{Recon, StreamKind, limits};
use serde_bytes::ByteBuf;

use super::streams::ANSWER;
use super::{Close, JoinFailure, LinkId, Output, Replica, StreamId};
use crate::session::Task;
use crate::sync::ranges;
use crate::sync::recon::{MAX_FRAMES, MESSAGE, Next};

/// Between two comparisons of everything, give or take a quarter.
const ROUND: Duration = Duration::from_secs(60);

/// After a comparison that was refused or cut.
const AGAIN: Duration = Duration::from_secs(10);

/// How long the end that accepted waits for the dialler to open what both know, before it opens what
/// only it has.
const ADOPTION: Duration = Duration::from_millis(300);

/// How long records may take to move while the peer that answers stays silent.
const MOVING: Duration = Duration::from_secs(300);

impl Replica {
    /// Opens a comparison, unless one is under way.
    pub(super) fn compare(&mut self, now: Instant, link: LinkId, space: SpaceId, class: &Class) {
        let Some(state) = self.links.get_mut(&link) else { return };
        let handle = state.handle(&space);
        let Some(shared) = state.spaces.get_mut(&space) else { return };
        let Some(set) = self.spaces.get_mut(&space).and_then(|s| s.set(class)) else {
            shared.due = Some(now + Duration::from_secs(1));
            return;
        };
        if !shared.comparing.insert(class.clone()) {
            return;
        }
        let (n, f) = (set.len() as u64, set.whole().into());
        let open = Recon::Open { h: handle, c: class.clone(), n, f };
        let task = Task::Compare { space, class: class.clone(), frames: 0 };
        if let Some(stream) = self.open(link, StreamKind::Recon, task, Some(now + ANSWER)) {
            self.hands.counters.recon_opened += 1;
            self.send_recon(stream, &open);
        }
    }

    fn send_recon(&mut self, stream: StreamId, frame: &Recon) {
        let size = self.send(stream, frame);
        self.count_recon(size);
    }

    const fn count_recon(&mut self, size: usize) {
        self.hands.counters.recon_frames += 1;
        self.hands.counters.recon_bytes += size as u64;
    }

    fn read_recon(&mut self, now: Instant, stream: StreamId, frame: &Bytes) -> Option<Recon> {
        self.count_recon(frame.len() + 4);
        let read = cbor::decode(frame, limits::RECON).ok();
        if read.is_none() {
            self.close(now, stream.link, Close::Violation);
        }
        read
    }

    /// The peer answered on a comparison of ours.
    pub(super) fn compare_frame(&mut self, now: Instant, stream: StreamId, frame: &Bytes) {
        let Some(read) = self.read_recon(now, stream, frame) else { return };
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let Task::Compare { space, class, frames } = &mut state.task else { return };
        let (space, class) = (*space, class.clone());
        *frames += 1;
        let frames = *frames;
        match read {
            Recon::Equal => {
                self.hands.counters.recon_equal += u64::from(frames == 1);
                self.forgive(stream.link);
                self.complete(stream);
                self.compared(now, stream.link, space, &class);
            }
            Recon::Message(message) if frames <= MAX_FRAMES => {
                let set = self.spaces.get_mut(&space).and_then(|s| s.set(&class));
                let answer = set.and_then(|set| ranges::answer(set, &message, MESSAGE).ok());
                let Some(answer) = answer else {
                    self.close(now, stream.link, Close::Violation);
                    return;
                };
                self.send_recon(stream, &Recon::Message(ByteBuf::from(answer)));
                self.set_deadline(stream, Some(now + MOVING));
            }
            Recon::Refused => {
                self.complete(stream);
                self.compare_failed(now, stream.link, space, &class);
            }
            Recon::Message(_) | Recon::Open { .. } => {
                self.close(now, stream.link, Close::Violation);
            }
        }
    }

    /// A comparison of ours ended without a result.
    pub(super) fn compare_failed(
        &mut self,
        now: Instant,
        link: LinkId,
        space: SpaceId,
        class: &Class,
    ) {
        if let Some(shared) = self.links.get_mut(&link).and_then(|l| l.spaces.get_mut(&space)) {
            shared.comparing.remove(class);
            shared.due = Some(now + AGAIN);
        }
    }

    /// A frame on a comparison the peer opened.
    pub(super) fn compared_frame(&mut self, now: Instant, stream: StreamId, frame: &Bytes) {
        let Some(read) = self.read_recon(now, stream, frame) else { return };
        let opened = self.answering(stream).is_some_and(|a| a.of.is_some());
        match read {
            Recon::Open { h, c, n, f } if !opened => {
                let link = self.links.get(&stream.link);
                let space = link.and_then(|l| l.space_of(&h));
                let allowed = |space: &SpaceId| {
                    let shared = link.and_then(|l| l.spaces.get(space));
                    shared.is_some_and(|shared| !shared.provisional || c == Class::Gov)
                };
                if let Some(space) = space.filter(allowed) {
                    if let Some(answering) = self.answering(stream) {
                        answering.of = Some((space, c));
                        answering.opened = Some((n, f.into_array()));
                    }
                    self.begin_answer(now, stream);
                } else if self.charge(now, stream.link, frame.len()) {
                    self.send_recon(stream, &Recon::Refused);
                    self.complete(stream);
                }
            }
            Recon::Message(message) if opened => self.learn_recon(now, stream, &message),
            Recon::Open { .. } | Recon::Message(_) | Recon::Equal | Recon::Refused => {
                self.close(now, stream.link, Close::Violation);
            }
        }
    }

    /// Answers an opening frame, once the set it asks about is known.
    fn begin_answer(&mut self, now: Instant, stream: StreamId) {
        self.set_deadline(stream, None);
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let Task::Compared(answering) = &mut state.task else { return };
        let (Some((space, class)), Some((n, f))) = (answering.of.clone(), answering.opened) else {
            return;
        };
        let Some(own) = self.spaces.get_mut(&space) else { return };
        let Some(set) = own.set(&class) else {
            if !own.sets.contains_key(&class) {
                self.send_recon(stream, &Recon::Refused);
                self.complete(stream);
            }
            return;
        };
        answering.opened = None;
        if set.len() as u64 == n && set.whole() == f {
            self.send_recon(stream, &Recon::Equal);
            self.complete(stream);
            self.compared(now, stream.link, space, &class);
        } else {
            let message = answering.begin(set);
            // Differences cost their reader some work, so a peer cannot find them without end.
            if !self.charge(now, stream.link, 0) {
                return;
            }
            self.set_deadline(stream, Some(now + ANSWER));
            self.send_recon(stream, &Recon::Message(ByteBuf::from(message)));
        }
    }

    /// The store told a set: what waited for it goes on.
    pub(super) fn set_loaded(&mut self, now: Instant, space: SpaceId, class: &Class) {
        let waits = |task: &Task| match task {
            Task::Compared(a) => {
                a.opened.is_some() && a.of.as_ref().is_some_and(|(s, c)| *s == space && c == class)
            }
            Task::Greet { .. }
            | Task::Greeted { .. }
            | Task::Compare { .. }
            | Task::Push
            | Task::Pushed { .. }
            | Task::Get(_)
            | Task::Gotten { .. }
            | Task::Want { .. }
            | Task::Wanted { .. } => false,
        };
        let streams: Vec<StreamId> =
            self.streams.iter().filter(|(_, s)| waits(&s.task)).map(|(id, _)| *id).collect();
        for stream in streams {
            self.begin_answer(now, stream);
        }
    }

    fn learn_recon(&mut self, now: Instant, stream: StreamId, message: &[u8]) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let Task::Compared(answering) = &mut state.task else { return };
        let Some((space, class)) = answering.of.clone() else { return };
        let set = self.spaces.get_mut(&space).and_then(|s| s.set(&class));
        let learnt = set.and_then(|set| answering.learn(set, message).ok());
        let (Some(learnt), Some(link)) = (learnt, self.links.get_mut(&stream.link)) else {
            self.close(now, stream.link, Close::Violation);
            return;
        };
        link.outbox.push_lot(space, &learnt.push, stream);
        link.outbox.get_lot(space, &learnt.get, stream);
        self.dirty.insert(stream.link);
        self.set_deadline(stream, None);
        self.go_on(now, stream);
    }

    /// Records of a comparison have moved, or will not.
    pub(super) fn moved(&mut self, now: Instant, recon: StreamId, records: usize) {
        if let Some(answering) = self.answering(recon) {
            answering.moved(records);
            self.go_on(now, recon);
        }
    }

    fn go_on(&mut self, now: Instant, stream: StreamId) {
        let Some(answering) = self.answering(stream) else { return };
        match answering.next() {
            Next::Wait => {}
            Next::Message(message) => {
                self.send_recon(stream, &Recon::Message(ByteBuf::from(message)));
                self.set_deadline(stream, Some(now + ANSWER));
            }
            Next::Equal => {
                let of = answering.of.clone();
                self.send_recon(stream, &Recon::Equal);
                self.complete(stream);
                if let Some((space, class)) = of {
                    self.compared(now, stream.link, space, &class);
                }
            }
        }
    }

    fn answering(&mut self, stream: StreamId) -> Option<&mut crate::sync::recon::Answering> {
        match &mut self.streams.get_mut(&stream)?.task {
            Task::Compared(answering) => Some(answering),
            Task::Greet { .. }
            | Task::Greeted { .. }
            | Task::Compare { .. }
            | Task::Push
            | Task::Pushed { .. }
            | Task::Get(_)
            | Task::Gotten { .. }
            | Task::Want { .. }
            | Task::Wanted { .. } => None,
        }
    }

    /// A class was compared to its end on a link, whoever opened the comparison.
    fn compared(&mut self, now: Instant, link: LinkId, space: SpaceId, class: &Class) {
        let Some(state) = self.links.get_mut(&link) else { return };
        let dialler = state.end == End::Dialler;
        let Some(shared) = state.spaces.get_mut(&space) else { return };
        shared.comparing.remove(class);
        shared.compared.insert(class.clone(), Some(now));
        if *class != Class::Gov || shared.governed {
            return;
        }
        if shared.provisional && !self.confirm_join(link, space) {
            return;
        }
        self.finish_join(space);
        let Some(shared) = self.links.get_mut(&link).and_then(|l| l.spaces.get_mut(&space)) else {
            return;
        };
        shared.governed = true;
        self.blocks.open_lane(now, link, space);
        if dialler {
            self.compare_all(now, link, space);
        } else {
            shared.due = Some(now + ADOPTION);
        }
        self.answer_held(link, space);
    }

    /// Checks a peer that was taken on trust, governance being here.
    fn confirm_join(&mut self, link: LinkId, space: SpaceId) -> bool {
        let Some(governance) = self.spaces.get(&space).map(|s| &s.governance) else { return false };
        let shared = self.links.get_mut(&link).and_then(|l| l.spaces.get_mut(&space));
        let Some(shared) = shared else { return false };
        let member = governance.role(&shared.author).is_some();
        shared.provisional = !member;
        if !member {
            let why = JoinFailure::WrongSpace;
            if governance.count() == 0
                && self.contact_of(space) == self.links.get(&link).map(|l| l.peer)
            {
                self.hands.push(Output::JoinFailed { space, why });
            }
            self.unshare(link, space);
        }
        member
    }

    fn contact_of(&self, space: SpaceId) -> Option<kith_core::identity::NodeId> {
        self.spaces.get(&space)?.joining.map(|joining| joining.contact)
    }

    /// Governance was reconciled with a member: a join that is under way has come to its end.
    fn finish_join(&mut self, space: SpaceId) {
        let Some(state) = self.spaces.get_mut(&space) else { return };
        let Some(joining) = state.joining else { return };
        if state.governance.role(&joining.author).is_some() {
            state.joining = None;
            self.hands.push(Output::Joined { space });
        } else if state.governance.count() > 0 {
            state.joining = None;
            self.hands.push(Output::JoinFailed { space, why: JoinFailure::InviteRefused });
        }
    }

    /// Compares every class with a peer, or, at the end that accepted, those the peer has not opened.
    fn compare_all(&mut self, now: Instant, link: LinkId, space: SpaceId) {
        let jitter = self.rng.between(ROUND * 3 / 4, ROUND * 5 / 4);
        let Some(state) = self.links.get_mut(&link) else { return };
        let dialler = state.end == End::Dialler;
        let Some(shared) = state.spaces.get_mut(&space) else { return };
        shared.due = Some(now + jitter);
        let opened: BTreeSet<Class> =
            if dialler { BTreeSet::new() } else { shared.compared.keys().cloned().collect() };
        let governed = shared.governed;
        let classes: Vec<Class> = match self.spaces.get(&space) {
            Some(space) => space.sets.keys().filter(|c| !opened.contains(c)).cloned().collect(),
            None => Vec::new(),
        };
        for class in classes {
            if governed || class == Class::Gov {
                self.compare(now, link, space, &class);
            }
        }
    }

    pub(super) fn compare_due(&mut self, now: Instant) {
        let mut due = Vec::new();
        let mut expired = Vec::new();
        for link in self.links.values() {
            for (space, shared) in &link.spaces {
                if shared.due.is_some_and(|at| at <= now) {
                    due.push((link.id, *space));
                    if self.wall.trusted(now).is_some_and(|now| now > shared.expires) {
                        expired.push((link.id, *space));
                    }
                }
            }
        }
        for (link, space) in expired {
            self.unshare(link, space);
        }
        for (link, space) in due {
            self.compare_all(now, link, space);
        }
    }
}
