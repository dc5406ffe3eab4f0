//! The values of rows, in DAG-CBOR. Who changes one raises the version of [`super::Views`].

use kith_core::body::SpaceRole;
use kith_core::cid::Cid;
use kith_core::identity::{AuthorId, NodeId};
use kith_core::record::{Class, RecordId};
use kith_core::time::Hlc;
use kith_core::wire::cbor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::read::Deed;
use crate::governance::{Governance, Member};

/// No row is larger: the largest record and the largest space's people fit.
const MAX_ROW: usize = 64 << 20;

/// The bytes of a row.
pub(super) fn encode<T: Serialize>(row: &T) -> Vec<u8> {
    cbor::encode(row)
}

/// Reads a row. One that does not decode is as good as absent: the index is rebuilt from the records
/// when its version changes.
pub(super) fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    cbor::decode(bytes, MAX_ROW).ok()
}

#[derive(Serialize, Deserialize)]
pub(super) struct PostRow {
    pub(super) author: AuthorId,
    pub(super) text: String,
    pub(super) re: Option<RecordId>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct FileRow {
    pub(super) author: AuthorId,
    /// Nothing when the path was removed.
    pub(super) put: Option<PutRow>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PutRow {
    pub(super) root: Cid,
    pub(super) size: u64,
    pub(super) folder: bool,
    pub(super) mime: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ActivityRow {
    pub(super) author: AuthorId,
    pub(super) deed: Deed,
}

/// Maps of DAG-CBOR have texts for keys, so people are a list here.
#[derive(Serialize, Deserialize)]
pub(super) struct GovernanceRow {
    name: String,
    members: Vec<MemberRow>,
    known: Vec<AuthorId>,
    public: Vec<Class>,
    heads: Vec<RecordId>,
}

#[derive(Serialize, Deserialize)]
struct MemberRow {
    author: AuthorId,
    name: String,
    role: SpaceRole,
    since: Hlc,
    invited_by: Option<AuthorId>,
    node: Option<NodeId>,
    absences: Vec<(Hlc, Option<Hlc>)>,
}

impl From<Governance> for GovernanceRow {
    fn from(governance: Governance) -> Self {
        let row = |(author, member): (AuthorId, Member)| MemberRow {
            author,
            name: member.name,
            role: member.role,
            since: member.since,
            invited_by: member.invited_by,
            node: member.node,
            absences: member.absences,
        };
        Self {
            name: governance.name,
            members: governance.members.into_iter().map(row).collect(),
            known: governance.known.into_iter().collect(),
            public: governance.public,
            heads: governance.heads,
        }
    }
}

impl From<GovernanceRow> for Governance {
    fn from(row: GovernanceRow) -> Self {
        let member = |row: MemberRow| {
            let member = Member {
                name: row.name,
                role: row.role,
                since: row.since,
                invited_by: row.invited_by,
                node: row.node,
                absences: row.absences,
            };
            (row.author, member)
        };
        Self {
            name: row.name,
            members: row.members.into_iter().map(member).collect(),
            known: row.known.into_iter().collect(),
            public: row.public,
            heads: row.heads,
        }
    }
}
