//! What a governance record states, reduced to what the fold needs.
//!
//! The signatures inside a join are checked once, when its record comes in; a fact only remembers the
//! verdict.

use kith_core::body::{Body, SpaceRole, join_proof};
use kith_core::capability::{Ability, Capability};
use kith_core::identity::{AuthorId, Domain, NodeId, Signature, verify};
use kith_core::record::{Class, Record, RecordId, SpaceId};
use kith_core::time::{Hlc, UnixTime};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

/// One governance record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// The record.
    pub id: RecordId,
    /// When.
    pub time: Hlc,
    /// Who says so.
    pub author: AuthorId,
    /// The governance heads the author knew.
    pub after: Vec<RecordId>,
    /// What they say.
    pub what: What,
}

/// What a governance record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// Made the space.
    Genesis {
        /// Its name.
        name: String,
    },
    /// Used an invite.
    Join(Join),
    /// Gave somebody a role and a name.
    Set {
        /// Whom.
        member: AuthorId,
        /// The role.
        role: SpaceRole,
        /// The name.
        name: String,
    },
    /// Ended a membership.
    Del {
        /// Whose.
        member: AuthorId,
    },
    /// Said what visitors may read.
    Policy {
        /// The public classes.
        public: Vec<Class>,
    },
}

/// The use of an invite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// Who issued the invite.
    pub issuer: AuthorId,
    /// The invite's ephemeral key: its identity.
    pub key: ByteArray<32>,
    /// Whether many may use it.
    pub many: bool,
    /// From when the invite holds.
    pub not_before: UnixTime,
    /// Until when.
    pub expires: UnixTime,
    /// The box of the newcomer.
    pub node: NodeId,
    /// Their name.
    pub name: String,
    /// Whether invite and proof are signed as they must be, for this space.
    pub good: bool,
}

impl Fact {
    /// What `record` states; nothing when it is no governance record.
    #[must_use]
    pub fn of(record: &Record) -> Option<Self> {
        let what = match record.body() {
            Body::Genesis { name, .. } => What::Genesis { name: name.clone() },
            Body::Join { invite, node, name, proof } => {
                What::Join(Join::check(record, invite, (node, name), proof))
            }
            Body::MemberSet { member, role, name } => {
                What::Set { member: *member, role: *role, name: name.clone() }
            }
            Body::MemberDel { member } => What::Del { member: *member },
            Body::PolicySet { public } => What::Policy { public: public.clone() },
            Body::Post { .. } | Body::PostDel { .. } | Body::Put { .. } | Body::FileDel { .. } => {
                return None;
            }
        };
        Some(Self {
            id: record.id(),
            time: record.time(),
            author: record.author(),
            after: record.gov_heads().to_vec(),
            what,
        })
    }
}

impl Fact {
    /// Whom this makes a member, if it holds.
    pub(super) fn names(&self) -> Option<AuthorId> {
        match &self.what {
            What::Genesis { .. } | What::Join(_) => Some(self.author),
            What::Set { member, .. } => Some(*member),
            What::Del { .. } | What::Policy { .. } => None,
        }
    }
}

impl Join {
    fn check(
        record: &Record,
        invite: &Capability,
        (node, name): (&NodeId, &str),
        proof: &Signature,
    ) -> Self {
        let grant = invite.grant();
        let many = match grant.ability {
            Ability::Join => Some(false),
            Ability::JoinMany => Some(true),
            Ability::Host => None,
        };
        let proved =
            || verify(&grant.audience, Domain::Join, &join_proof(&record.author(), node), proof);
        let good = many.is_some() && grant.space == record.space() && invite.verifies() && proved();
        Self {
            issuer: invite.issuer(),
            key: grant.audience.into(),
            many: many.unwrap_or(false),
            not_before: grant.not_before,
            expires: grant.expires,
            node: *node,
            name: name.to_owned(),
            good,
        }
    }
}

/// The space a set of facts belongs to is named by its genesis.
#[must_use]
pub(super) fn is_genesis_of(fact: &Fact, space: &SpaceId) -> bool {
    matches!(fact.what, What::Genesis { .. }) && fact.id.0 == space.0
}
