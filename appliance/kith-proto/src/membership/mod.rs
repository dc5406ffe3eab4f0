//! The spaces of this box: who is in them, what is kept of them, and who may synchronise.
//!
//! A box synchronises a space for members who live on it; each gives it a `host` capability. The keys
//! that sign those are lent to the replica for this and nothing else.

mod wall;

pub(crate) use wall::{Wall, agreed};

use std::collections::BTreeMap;

use bytes::Bytes;
use kith_core::capability::{Ability, Capability, Grant, MAX_HOST_LIFE};
use kith_core::identity::{AuthorId, NodeId, SecretKey};
use kith_core::record::{Class, Record, RecordId, SpaceId};
use kith_core::time::UnixTime;

use crate::governance::{Fact, Governance, What};
use crate::sync::set::{Item, RecordSet};

/// Classes that are reconciled even when nothing of them is here yet. Others are learnt from whoever
/// has records of them.
const WELL_KNOWN: [fn() -> Class; 3] =
    [|| Class::Gov, || Class::Board, || Class::Files("shared".to_owned())];

/// Classes kept of one space: each costs memory and a comparison with every peer.
pub(crate) const MAX_CLASSES: usize = 256;

/// The records of a class.
#[derive(Debug)]
pub(crate) enum ClassSet {
    /// The store has been asked. What came in since may be missing in its answer.
    Loading(Vec<Item>),
    /// All are known.
    Ready(RecordSet),
}

/// A join that has not completed yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Joining {
    /// Who joins.
    pub(crate) author: AuthorId,
    /// The box that made the invite.
    pub(crate) contact: NodeId,
}

/// What becomes of a record that somebody sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is kept.
    Keep,
    /// Its author is not known; that may change.
    Wait,
}

/// One space.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) id: SpaceId,
    pub(crate) governance: Governance,
    pub(crate) sets: BTreeMap<Class, ClassSet>,
    pub(crate) joining: Option<Joining>,
    facts: BTreeMap<RecordId, Fact>,
    /// The last join record of each author, for boxes that do not have it yet.
    joins: BTreeMap<AuthorId, Bytes>,
    caps: BTreeMap<AuthorId, Capability>,
}

impl Space {
    /// A space with the governance records the store has and the classes it has records of.
    pub(crate) fn open(id: SpaceId, gov: &[Record], classes: Vec<Class>) -> Self {
        let mut space = Self {
            id,
            governance: Governance::default(),
            sets: BTreeMap::new(),
            joining: None,
            facts: BTreeMap::new(),
            joins: BTreeMap::new(),
            caps: BTreeMap::new(),
        };
        space.sets.extend(classes.into_iter().map(|class| (class, ClassSet::Loading(Vec::new()))));
        for class in WELL_KNOWN {
            space.sets.entry(class()).or_insert_with(|| ClassSet::Ready(RecordSet::default()));
        }
        let items = gov.iter().map(|r| Item::new(r.time(), r.id())).collect();
        space.sets.insert(Class::Gov, ClassSet::Ready(RecordSet::of(items)));
        for record in gov {
            space.note_governance(record);
        }
        space.refold();
        space
    }

    /// Classes the store is to be asked about.
    pub(crate) fn loading(&self) -> Vec<Class> {
        let loading = |set: &ClassSet| matches!(set, ClassSet::Loading(_));
        self.sets.iter().filter(|(_, set)| loading(set)).map(|(class, _)| class.clone()).collect()
    }

    /// The store answered.
    pub(crate) fn loaded(&mut self, class: &Class, mut items: Vec<Item>) {
        if let Some(set @ ClassSet::Loading(_)) = self.sets.get_mut(class) {
            if let ClassSet::Loading(since) = set {
                items.append(since);
            }
            *set = ClassSet::Ready(RecordSet::of(items));
        }
    }

    /// The records of a class, once they are known. A class nobody told of is empty.
    pub(crate) fn set(&mut self, class: &Class) -> Option<&mut RecordSet> {
        if !self.sets.contains_key(class) && self.sets.len() < MAX_CLASSES {
            self.sets.insert(class.clone(), ClassSet::Ready(RecordSet::default()));
        }
        match self.sets.get_mut(class)? {
            ClassSet::Loading(_) => None,
            ClassSet::Ready(set) => Some(set),
        }
    }

    /// Whether a record is here.
    pub(crate) fn has(&self, class: &Class, item: &Item) -> bool {
        match self.sets.get(class) {
            Some(ClassSet::Ready(set)) => set.contains(item),
            Some(ClassSet::Loading(since)) => since.contains(item),
            None => false,
        }
    }

    /// Takes durable records in; tells which are new.
    pub(crate) fn add<'a>(
        &mut self,
        records: impl IntoIterator<Item = &'a Record>,
    ) -> Vec<&'a Record> {
        let mut new = Vec::new();
        let mut governs = false;
        for record in records {
            let item = Item::new(record.time(), record.id());
            let fresh = match self.set(record.class()) {
                Some(set) => set.insert(item),
                None => self.note_while_loading(record.class(), item),
            };
            if fresh {
                governs |= self.note_governance(record);
                new.push(record);
            }
        }
        if governs {
            self.refold();
        }
        new
    }

    /// Whether a verified record is kept. Records of whoever was ever a member are, also those that
    /// views hide, or boxes would offer them to one another for ever.
    pub(crate) fn judge(&self, record: &Record) -> Verdict {
        let known = self.governance.known.contains(&record.author());
        let makes_known = || match Fact::of(record).map(|fact| fact.what) {
            Some(What::Genesis { .. }) => record.id().0 == self.id.0,
            Some(What::Join(join)) => join.good && self.governance.known.contains(&join.issuer),
            Some(What::Set { .. } | What::Del { .. } | What::Policy { .. }) | None => false,
        };
        if known || makes_known() { Verdict::Keep } else { Verdict::Wait }
    }

    /// Whether a newcomer's join record lets them in here and now.
    pub(crate) fn welcomes(&self, record: &Record, node: NodeId, now: Option<UnixTime>) -> bool {
        let Some(Fact { what: What::Join(join), author, id, .. }) = Fact::of(record) else {
            return false;
        };
        let used = self.facts.values().any(|fact| {
            let What::Join(other) = &fact.what else { return false };
            other.good
                && !other.many
                && other.key == join.key
                && fact.id != id
                && fact.author != author
        });
        join.good
            && join.node == node
            && !used
            && self.governance.role(&join.issuer).is_some()
            && now.is_none_or(|now| now <= join.expires)
    }

    /// The member for whom `node` may synchronise by this capability.
    pub(crate) fn host(
        &self,
        cap: &Capability,
        node: NodeId,
        now: Option<UnixTime>,
    ) -> Option<(AuthorId, UnixTime)> {
        let grant = cap.grant();
        let good = grant.ability == Ability::Host
            && grant.space == self.id
            && grant.audience == node.0
            && now.is_none_or(|now| now <= grant.expires)
            && cap.verifies();
        good.then_some((cap.issuer(), grant.expires))
    }

    /// What this box shows to be let in: a capability good until at least half its life after `now`,
    /// and the join record behind it.
    pub(crate) fn credentials(
        &mut self,
        me: NodeId,
        keys: &BTreeMap<AuthorId, SecretKey>,
        now: UnixTime,
        nonce: [u8; 16],
    ) -> Option<(Capability, Option<Bytes>)> {
        let joining = self.joining.map(|joining| joining.author);
        let member = |author: &&AuthorId| self.governance.role(author).is_some();
        let author = joining.or_else(|| keys.keys().find(member).copied())?;
        let key = keys.get(&author)?;
        let fresh = |cap: &&Capability| cap.grant().expires >= now + MAX_HOST_LIFE / 2;
        let cap = match self.caps.get(&author).filter(fresh) {
            Some(cap) => cap.clone(),
            None => {
                let grant = Grant {
                    space: self.id,
                    audience: me.0,
                    ability: Ability::Host,
                    // Whose clock runs ahead must not shut itself out.
                    not_before: UnixTime::default(),
                    expires: now + MAX_HOST_LIFE,
                    nonce,
                };
                let cap = Capability::issue(key, &grant);
                self.caps.insert(author, cap.clone());
                cap
            }
        };
        Some((cap, self.joins.get(&author).cloned()))
    }

    fn note_while_loading(&mut self, class: &Class, item: Item) -> bool {
        let Some(ClassSet::Loading(since)) = self.sets.get_mut(class) else { return false };
        let fresh = !since.contains(&item);
        since.push(item);
        fresh
    }

    fn note_governance(&mut self, record: &Record) -> bool {
        let Some(fact) = Fact::of(record) else { return false };
        if matches!(fact.what, What::Join(_)) {
            self.joins.insert(fact.author, record.bytes().clone());
        }
        self.facts.insert(fact.id, fact);
        true
    }

    fn refold(&mut self) {
        self.governance = Governance::of(&self.id, self.facts.values());
    }
}
