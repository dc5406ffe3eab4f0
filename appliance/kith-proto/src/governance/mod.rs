//! Who may do what in a space: a pure function of the set of its governance records.
//!
//! Records are taken in an order everybody agrees on: none before those it names in `g`, and among
//! what is left the least (time, id) first. So a record whose clock runs ten years ahead can still be
//! answered by one that names it. Freezing forked authors and quorums are not decided here.

mod fact;
mod fold;

pub use fact::{Fact, Join, What};

use std::collections::{BTreeMap, BTreeSet};

use kith_core::body::SpaceRole;
use kith_core::identity::{AuthorId, NodeId};
use kith_core::record::{Class, RecordId};
use kith_core::time::Hlc;

/// A space's people and rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Governance {
    /// The space's name; empty until the genesis is here.
    pub name: String,
    /// Everybody who is or ever was a member.
    pub members: BTreeMap<AuthorId, Member>,
    /// Whose records are kept: members, and whoever a well-formed join or a member ever named, even
    /// when it did not hold. It only grows with the set of records, in whatever order they come, so
    /// boxes agree on what to keep before they agree on who is in.
    pub known: BTreeSet<AuthorId>,
    /// The classes a visitor without an account may read.
    pub public: Vec<Class>,
    /// The governance records no other one names: what a new record's `g` should hold (at most 16).
    pub heads: Vec<RecordId>,
}

/// Somebody who is or was a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Their name.
    pub name: String,
    /// Their role while they are in.
    pub role: SpaceRole,
    /// When they came in first.
    pub since: Hlc,
    /// Who let them in; nothing for the founder.
    pub invited_by: Option<AuthorId>,
    /// The box they joined on.
    pub node: Option<NodeId>,
    /// When they were out: from when, and until when unless they still are.
    pub absences: Vec<(Hlc, Option<Hlc>)>,
}

impl Member {
    /// Whether they are in.
    #[must_use]
    pub fn is_in(&self) -> bool {
        self.absences.last().is_none_or(|(_, until)| until.is_some())
    }

    /// Whether they were in at `time`, so that what they said then is shown.
    #[must_use]
    pub fn was_in(&self, time: Hlc) -> bool {
        let out =
            |(from, until): &(Hlc, Option<Hlc>)| time >= *from && until.is_none_or(|u| time < u);
        !self.absences.iter().any(out)
    }
}

impl Governance {
    /// The role of `author`, if they are in.
    #[must_use]
    pub fn role(&self, author: &AuthorId) -> Option<SpaceRole> {
        self.members.get(author).filter(|m| m.is_in()).map(|m| m.role)
    }

    /// Whether what `author` said at `time` is shown.
    #[must_use]
    pub fn shows(&self, author: &AuthorId, time: Hlc) -> bool {
        self.members.get(author).is_some_and(|m| m.was_in(time))
    }

    /// How many are in.
    #[must_use]
    pub fn count(&self) -> usize {
        self.members.values().filter(|m| m.is_in()).count()
    }
}
