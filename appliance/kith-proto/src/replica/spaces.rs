//! What the box tells of itself: its people, its spaces, what they write, and what the store answers.

use kith_core::record::{Record, SpaceId};
use kith_core::time::Instant;

use super::{Input, LinkId, Output, Replica, Via};
use crate::membership::{Joining, Space};
use crate::sync::set::Item;

impl Replica {
    pub(super) fn learn_local(&mut self, now: Instant, input: Input) {
        match input {
            Input::AuthorAdded { key } => {
                self.authors.insert(key.author_id(), key);
                self.greet_everybody(now);
            }
            Input::AuthorRemoved { author } => {
                self.authors.remove(&author);
            }
            Input::SpaceOpened { space, gov, classes } => {
                self.open_space(now, Space::open(space, &gov, classes));
            }
            Input::JoinStarted { invite, join, gov } => {
                let mut space = Space::open(invite.space(), &gov, Vec::new());
                space.add([&*join]);
                space.joining = Some(Joining { author: join.author(), contact: invite.node });
                self.discovery.known(now, invite.node, &invite.addresses, Via::Invite);
                self.open_space(now, space);
            }
            Input::SpaceClosed { space } => self.close_space(&space),
            Input::Authored { record } => {
                self.add_records(now, record.space(), &[Record::clone(&record)], true);
            }
            _other => {}
        }
    }

    fn open_space(&mut self, now: Instant, space: Space) {
        let id = space.id;
        for class in space.loading() {
            self.hands.push(Output::LoadSet { space: id, class });
        }
        self.spaces.insert(id, space);
        self.greet_everybody(now);
    }

    fn close_space(&mut self, space: &SpaceId) {
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

    pub(super) fn learn_stored(&mut self, now: Instant, input: Input) {
        match input {
            Input::SetLoaded { space, class, items } => {
                if let Some(state) = self.spaces.get_mut(&space) {
                    let items = items.into_iter().map(|(time, id)| Item::new(time, id)).collect();
                    state.loaded(&class, items);
                    self.set_loaded(now, space, &class);
                }
            }
            Input::RecordsLoaded { ticket, records } => self.records_loaded(now, ticket, records),
            Input::RecordsStored { ticket } => {
                self.records_stored(now, ticket, true);
            }
            Input::StoreFailed { ticket, error } => self.store_failed(now, ticket, &error),
            Input::WantRoot { space, root, size } => self.blocks.want(space, root, size),
            Input::StopRoot { space, root } => self.blocks.stop(space, root),
            Input::BlocksChecked { ticket, have } => self.blocks.checked(ticket, have),
            Input::BlockStored { ticket, links } => self.block_stored(ticket, &links),
            Input::BlockRefused { ticket } => self.block_refused(now, ticket),
            Input::Served { stream, bytes } => self.served(now, stream, bytes),
            _other => {}
        }
    }

    fn store_failed(&mut self, now: Instant, ticket: super::Ticket, error: &str) {
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
