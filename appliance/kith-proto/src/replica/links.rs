//! Connections coming and going, and who is no longer let in.

use core::time::Duration;

use kith_core::identity::NodeId;
use kith_core::record::SpaceId;
use kith_core::seal::End;
use kith_core::time::Instant;

use super::{Change, Close, LinkId, LinkUp, Output, Replica, StreamId};
use crate::discovery::Target;
use crate::session::{Link, Task};

/// Who broke the protocol stays out for this long.
const BAN: Duration = Duration::from_secs(60);

/// Bans remembered at most: a key costs nothing to make.
const MAX_BANNED: usize = 256;

/// A dialler that says nothing for this long is dropped.
pub(super) const GREETING: Duration = Duration::from_secs(10);

impl Replica {
    pub(super) fn link_up(&mut self, now: Instant, up: &LinkUp) {
        if up.peer == self.me || self.banned.contains_key(&up.peer) {
            if let Some(dial) = up.dial {
                self.discovery.dial_failed(dial, "this box does not talk to that one".to_owned());
            }
            self.hands.push(Output::CloseLink { link: up.link, why: Close::Unwanted });
            return;
        }
        let wall = self.wall.now(now);
        let via = self.discovery.link_up(up.link, (up.peer, up.address), up.dial, wall);
        self.links.insert(up.link, Link::new(up, via, now));
        self.changed(Change::Peers);
        for (link, why) in self.duplicates(up) {
            self.close(now, link, why);
        }
        if up.end == End::Dialler && self.links.contains_key(&up.link) {
            self.greet(now, up.link);
        }
    }

    /// Connections that are one too many because of a new one. Of two that crossed, both ends keep the
    /// one the lower key dialled; of two by one dialler, that one keeps the later.
    fn duplicates(&self, up: &LinkUp) -> Vec<(LinkId, Close)> {
        let we_keep_ours = self.me < up.peer;
        let mut closed = Vec::new();
        for other in self.links.values().filter(|l| l.peer == up.peer && l.id != up.link) {
            let ours_is_new = up.end == End::Dialler;
            if other.end != up.end {
                closed.push(if ours_is_new == we_keep_ours { other.id } else { up.link });
            } else if ours_is_new {
                closed.push(other.id);
            }
        }
        closed.sort_unstable();
        closed.dedup();
        closed.into_iter().map(|link| (link, Close::Duplicate)).collect()
    }

    /// Closes a connection of our own accord.
    pub(super) fn close(&mut self, now: Instant, link: LinkId, why: Close) {
        let Some(peer) = self.links.get(&link).map(|l| l.peer) else { return };
        self.hands.push(Output::CloseLink { link, why });
        match why {
            Close::Violation | Close::Flood => {
                self.hands.counters.peers_dropped += 1;
                if self.banned.len() < MAX_BANNED {
                    self.banned.insert(peer, now + BAN);
                }
            }
            Close::Silence => self.hands.counters.peers_dropped += 1,
            Close::Duplicate | Close::Unwanted => {}
        }
        self.drop_link(now, link);
    }

    pub(super) fn drop_link(&mut self, now: Instant, link: LinkId) {
        let Some(gone) = self.links.remove(&link) else { return };
        let first = StreamId { link, ours: false, number: 0 };
        let behind = StreamId { link: LinkId(link.0.saturating_add(1)), ours: false, number: 0 };
        let streams: Vec<StreamId> = self.streams.range(first..behind).map(|(id, _)| *id).collect();
        for stream in streams {
            self.streams.remove(&stream);
        }
        for space in gone.spaces.keys() {
            self.blocks.close_lane(link, *space);
        }
        let shared = gone.spaces.iter().filter(|(_, shared)| !shared.provisional);
        let proved: Vec<_> = shared.map(|(space, shared)| (*space, shared.author)).collect();
        let wall = self.wall.now(now);
        self.discovery.link_down(now, (link, wall), &proved, &mut self.rng);
        self.changed(Change::Peers);
    }

    pub(super) fn forget_peer(&mut self, now: Instant, node: NodeId) {
        let links: Vec<LinkId> =
            self.links.values().filter(|l| l.peer == node).map(|l| l.id).collect();
        for link in links {
            self.close(now, link, Close::Unwanted);
        }
        self.discovery.forget(Target::Node(node));
        self.changed(Change::Peers);
    }

    /// The peer and this box no longer share a space.
    pub(super) fn unshare(&mut self, link: LinkId, space: SpaceId) {
        let Some(state) = self.links.get_mut(&link) else { return };
        if state.spaces.remove(&space).is_none() {
            return;
        }
        state.outbox.drop_space(&space);
        self.blocks.close_lane(link, space);
        let about = |task: &Task| match task {
            Task::Compare { space: s, .. } | Task::Want { space: s } => *s == space,
            Task::Get(getting) => getting.space == space,
            Task::Compared(answering) => answering.of.as_ref().is_some_and(|(s, _)| *s == space),
            Task::Greet { .. }
            | Task::Greeted { .. }
            | Task::Push
            | Task::Pushed { .. }
            | Task::Gotten { .. }
            | Task::Wanted { .. } => false,
        };
        let streams = self.streams.iter().filter(|(id, s)| id.link == link && about(&s.task));
        let streams: Vec<StreamId> = streams.map(|(id, _)| *id).collect();
        for stream in streams {
            if let Some(Task::Get(_)) = self.streams.get(&stream).map(|s| &s.task)
                && let Some(state) = self.links.get_mut(&link)
            {
                state.outbox.gotten();
            }
            self.reset(stream);
        }
        self.changed(Change::Peers);
    }

    /// When something is due on a link.
    #[expect(clippy::unused_self, reason = "dues may come to depend on the box")]
    pub(super) fn link_due(&self, link: &Link) -> Option<Instant> {
        let hello = link.hello_due.filter(|_| !link.hello_open);
        let greeting = (!link.greeted).then(|| link.since + GREETING);
        let rounds = link.spaces.values().filter_map(|shared| shared.due);
        rounds.chain(hello).chain(greeting).min()
    }
}
