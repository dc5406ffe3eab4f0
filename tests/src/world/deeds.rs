//! What people do in a world: the steps of a scenario.

use core::time::Duration;

use kith_core::body::Body;
use kith_core::identity::SecretKey;
use kith_core::invite::{Contact, Invite, Terms};
use kith_core::record::{Class, Record, SpaceId};
use kith_core::time::UnixTime;
use kith_proto::replica::Input;

use super::disk;
use super::net::{self, Place};
use super::node::Node;
use super::play::{Event, World};
use super::scenario::Deed;

/// The collection files go to.
const COLLECTION: &str = "shared";

/// How late records become durable in a careless world, in microseconds.
const CARELESS: u64 = 500_000;

impl World {
    /// Makes the boxes, the space, and the members who are in it from the start.
    pub(super) fn populate(&mut self) {
        let count = self.scenario.members + self.scenario.outsiders;
        for place in 0..count {
            let key = SecretKey::from_seed(&self.chance.seed());
            let mut node = Node::new(key, SecretKey::from_seed(&self.chance.seed()));
            let clocks = self.scenario.clocks;
            node.trusted = self.chance.hits(clocks.trusted_per_mille);
            let most = clocks.wrong_days * 86_400_000;
            let wrong = self.chance.below(2 * most + 1);
            node.wrong_ms = i64::try_from(wrong).unwrap_or(0) - i64::try_from(most).unwrap_or(0);
            node.trick = self.scenario.hostile.iter().find(|h| h.node == place).map(|h| h.trick);
            self.nodes.push(node);
        }
        self.delivered = vec![0; count];
        let nonce = self.chance.seed()[..16].try_into().unwrap_or([0; 16]);
        let body = Body::Genesis { nonce, name: "Home".to_owned() };
        let genesis = self.nodes[0].sign(0, None, Class::Gov, body);
        self.space = SpaceId(genesis.id().0);
        self.nodes[0].disk.put(&genesis);
        for place in 1..self.scenario.members {
            let body = self.invitation(0, false).join_body(&self.nodes[place], place);
            let time = self.nodes[place].wall(0);
            self.nodes[place].clock.observe(time, genesis.time());
            let join = self.nodes[place].sign(0, Some(self.space), Class::Gov, body);
            self.nodes[0].disk.put(&join);
        }
        let founder = self.nodes[0].disk.clone();
        for place in 0..self.scenario.members {
            let ceiling = self.nodes[place].disk.ceiling;
            self.nodes[place].disk = disk::Disk { ceiling, ..founder.clone() };
            self.nodes[place].in_space = true;
        }
    }

    fn invitation(&mut self, by: Place, many: bool) -> Invitation {
        let secret = SecretKey::from_seed(&self.chance.seed());
        let node = &self.nodes[by];
        let now = node.guess(self.now);
        let terms = Terms {
            space: self.space,
            many,
            not_before: UnixTime::default(),
            expires: now + Duration::from_secs(30 * 86_400),
            nonce: [0; 16],
        };
        let addresses = vec![net::address(by)];
        let contact = Contact { node: node.key.node_id(), addresses };
        Invitation(Invite::issue(&node.author, secret, &terms, contact))
    }

    /// Does a step.
    pub fn act(&mut self, deed: &Deed) {
        match deed {
            Deed::Post { on, count } => self.post(on.as_deref(), *count),
            Deed::Put { on, leaves, size, path } => self.put(*on, (*leaves, *size), path),
            Deed::Delete { on, path } => {
                let body = Body::FileDel { path: path.clone() };
                self.write(*on, Class::Files(COLLECTION.to_owned()), body);
            }
            Deed::Split { parts } => self.parts = *parts,
            Deed::Heal => self.parts = 1,
            Deed::Churn { count, down_s } => {
                for _ in 0..*count {
                    let place = self.chance.index(self.nodes.len());
                    self.kill(place);
                    let back = self.chance.between(1, *down_s * 1_000_000);
                    self.schedule(self.now + back, Event::Start(place));
                }
            }
            Deed::Kill { on } => self.kill(*on),
            Deed::Start { on } => self.start(*on),
            Deed::Invite { by, many, name } => {
                let invitation = self.invitation(*by, *many);
                self.invites.insert(name.clone(), invitation.0);
            }
            Deed::Join { on, invite } => self.join(*on, invite),
            Deed::Remove { by, member } => {
                let member = self.nodes[*member].author.author_id();
                self.write(*by, Class::Gov, Body::MemberDel { member });
            }
        }
    }

    fn post(&mut self, on: Option<&[Place]>, count: usize) {
        for n in 0..count {
            let place = match on {
                Some(on) => on[n % on.len()],
                None => self.chance.index(self.scenario.members),
            };
            let text = format!("notice {n} of {place}");
            self.write(place, Class::Board, Body::Post { text, re: None });
        }
    }

    fn put(&mut self, place: Place, (leaves, size): (u64, usize), path: &str) {
        if self.nodes[place].replica.is_none() {
            return;
        }
        let (root, blocks) = disk::file(&mut self.chance, leaves, size);
        self.content.insert(root);
        self.nodes[place].disk.blocks.extend(blocks);
        let size = leaves * size as u64;
        let body = Body::Put { path: path.to_owned(), root, size, folder: false, mime: None };
        self.write(place, Class::Files(COLLECTION.to_owned()), body);
        for place in 0..self.nodes.len() {
            self.hold_content(place);
        }
    }

    /// A record of a box's person, durable before its machine hears of it. A box that is off writes
    /// nothing.
    pub fn write(&mut self, place: Place, class: Class, body: Body) {
        if self.nodes[place].replica.is_some() && self.nodes[place].in_space {
            let (now, space) = (self.now, self.space);
            let record = self.nodes[place].sign(now, Some(space), class, body);
            if self.careless {
                let (life, records) = (self.nodes[place].life, vec![record.clone()]);
                self.schedule(now + CARELESS, Event::Commit(place, life, records));
            } else {
                self.nodes[place].disk.put(&record);
            }
            self.touch(place, Some(Input::Authored { record: Box::new(record) }));
        }
    }

    fn join(&mut self, place: Place, invite: &str) {
        let invite = self.invites[invite].clone();
        let body = Invitation(invite.clone()).join_body(&self.nodes[place], place);
        let (now, space) = (self.now, self.space);
        let join: Record = self.nodes[place].sign(now, Some(space), Class::Gov, body);
        let node = &mut self.nodes[place];
        node.disk.put(&join);
        node.in_space = true;
        node.joining = Some((invite, join));
        self.enter_space(place);
    }
}

struct Invitation(Invite);

impl Invitation {
    fn join_body(&self, node: &Node, place: Place) -> Body {
        let (author, name) = (node.author.author_id(), format!("person {place}"));
        self.0.join(&author, &node.key.node_id(), name)
    }
}
