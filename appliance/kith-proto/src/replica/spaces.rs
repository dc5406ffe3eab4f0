//! What the box tells of itself: its people, its spaces, what they write, and what the store answers.

use kith_core::identity::SecretKey;
use kith_core::invite::Invite;
use kith_core::record::{Class, Record, RecordId, SpaceId};
use kith_core::time::{Hlc, Instant};

use super::{LinkId, Output, Replica, Ticket, Via};
use crate::membership::{Joining, Space};
use crate::sync::set::Item;

impl Replica {
    pub(super) fn author_added(&mut self, now: Instant, key: SecretKey) {
        self.authors.insert(key.author_id(), key);
        self.greet_everybody(now);
    }

    pub(super) fn start_join(
        &mut self,
        now: Instant,
        invite: &Invite,
        join: &Record,
        gov: &[Record],
    ) {
        let mut space = Space::open(invite.space(), gov, Vec::new());
        space.add([join]);
        space.joining = Some(Joining { author: join.author(), contact: invite.node });
        self.discovery.known(now, invite.node, &invite.addresses, Via::Invite);
        self.open_space(now, space);
    }

    pub(super) fn authored(&mut self, now: Instant, record: Record) {
        self.add_records(now, record.space(), &[record], true);
    }

    pub(super) fn open_space(&mut self, now: Instant, space: Space) {
        let id = space.id;
        for class in space.loading() {
            self.hands.push(Output::LoadSet { space: id, class });
        }
        self.spaces.insert(id, space);
        self.greet_everybody(now);
    }

    pub(super) fn close_space(&mut self, space: &SpaceId) {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            self.unshare(link, *space);
        }
        self.spaces.remove(space);
        self.ingest.drop_space(space);
        self.blocks.drop_space(space);
    }

    fn greet_everybody(&mut self, now: Instant) {
        let links: Vec<LinkId> =
            self.links.values().filter(|l| l.greeted || l.hello_open).map(|l| l.id).collect();
        for link in links {
            self.greet_again(now, link);
        }
    }

    /// A space's governance has changed: who waited is heard, who is out loses the space, and who may
    /// be in by now is greeted.
    pub(super) fn governed(&mut self, now: Instant, space: SpaceId) {
        let Some(state) = self.spaces.get(&space) else { return };
        self.ingest.governed(state);
        let out = |link: &crate::session::Link| {
            let shared = link.spaces.get(&space).filter(|shared| !shared.provisional);
            shared.is_some_and(|shared| state.governance.role(&shared.author).is_none())
        };
        let links: Vec<LinkId> = self.links.values().filter(|l| out(l)).map(|l| l.id).collect();
        for link in links {
            self.unshare(link, space);
        }
        self.greet_about(now, &space);
    }

    pub(super) fn learn_set(
        &mut self,
        now: Instant,
        space: SpaceId,
        class: &Class,
        items: Vec<(Hlc, RecordId)>,
    ) {
        if let Some(state) = self.spaces.get_mut(&space) {
            let items = items.into_iter().map(|(time, id)| Item::new(time, id)).collect();
            state.loaded(class, items);
            self.set_loaded(now, space, class);
        }
    }

    pub(super) fn store_failed(&mut self, now: Instant, ticket: Ticket, error: &str) {
        if self.records_stored(now, ticket, false) {
            return;
        }
        if self.loads.contains_key(&ticket) {
            self.records_loaded(now, ticket, Vec::new());
        } else {
            self.blocks.store_failed(now, ticket, error);
        }
    }
}
