//! Records: the signed, immutable statements everything people do is made of.
//!
//! A record is one strict DAG-CBOR map (`schema/record.cddl`). It travels as [`SignedBytes`], becomes a
//! [`Record`] only after its signature held, and is named by the cid of its bytes.

use core::fmt;
use core::str::FromStr;

use bytes::Bytes;
use ipld_core::ipld::Ipld;
use serde::{Deserialize, Serialize};

use crate::body::{Body, BodyError};
use crate::cid::{Cid, Codec};
use crate::identity::{AuthorId, Domain, SecretKey, Signature, verify};
use crate::time::Hlc;
use crate::wire::cbor::{self, CborError};

/// The largest record, in bytes: an inline body and its header.
pub const MAX_RECORD: usize = 8 * 1024;

/// The largest inline body, in bytes of DAG-CBOR.
pub const MAX_INLINE: usize = 4 * 1024;

/// The most governance heads one record may name.
pub const MAX_HEADS: usize = 16;

/// The version of the record format.
const VERSION: u8 = 1;

macro_rules! record_digest {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "Cid", into = "Cid")]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The cid this id stands for.
            #[must_use]
            pub const fn cid(&self) -> Cid {
                Cid::from_digest(Codec::DagCbor, self.0)
            }
        }

        impl From<$name> for Cid {
            fn from(id: $name) -> Self {
                id.cid()
            }
        }

        impl TryFrom<Cid> for $name {
            type Error = RecordError;

            fn try_from(cid: Cid) -> Result<Self, RecordError> {
                match cid.codec() {
                    Codec::DagCbor => Ok(Self(*cid.digest())),
                    Codec::Raw | Codec::DagPb => Err(RecordError::Id),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.cid().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({}…)", stringify!($name), data_encoding::HEXLOWER.encode(&self.0[..4]))
            }
        }

        impl FromStr for $name {
            type Err = RecordError;

            fn from_str(text: &str) -> Result<Self, RecordError> {
                text.parse::<Cid>().map_err(|_| RecordError::Id)?.try_into()
            }
        }
    };
}

record_digest!(
    /// The id of a record: sha2-256 of its bytes, shown as a DAG-CBOR cid.
    RecordId
);
record_digest!(
    /// The id of a space: the id of its genesis record.
    SpaceId
);

/// The unit of synchronisation within a space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Class {
    /// Who may do what.
    Gov,
    /// The noticeboard.
    Board,
    /// A collection of files, by name.
    Files(String),
}

/// The longest name of a collection, in bytes.
pub const MAX_COLLECTION: usize = 64;

impl Class {
    /// The class of the collection `name`.
    ///
    /// # Errors
    /// [`RecordError::Class`] unless the name is 1 to 64 lower-case letters, digits, `-` or `_`.
    pub fn files(name: &str) -> Result<Self, RecordError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if name.is_empty() || name.len() > MAX_COLLECTION || !name.bytes().all(plain) {
            return Err(RecordError::Class);
        }
        Ok(Self::Files(name.to_owned()))
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gov => f.write_str("gov"),
            Self::Board => f.write_str("board"),
            Self::Files(name) => write!(f, "files/{name}"),
        }
    }
}

impl From<Class> for String {
    fn from(class: Class) -> Self {
        class.to_string()
    }
}

impl TryFrom<String> for Class {
    type Error = RecordError;

    fn try_from(text: String) -> Result<Self, RecordError> {
        match text.as_str() {
            "gov" => Ok(Self::Gov),
            "board" => Ok(Self::Board),
            other => Self::files(other.strip_prefix("files/").ok_or(RecordError::Class)?),
        }
    }
}

/// Why bytes are not a record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Too large or not canonical DAG-CBOR.
    #[error("a record's bytes are no good")]
    Wire(#[from] CborError),
    /// Of a version this build does not know.
    #[error("a record of version {0}; this build knows version 1 only: update the box")]
    Version(u8),
    /// A class outside the known ones.
    #[error("a collection's name is 1 to 64 lower-case letters, digits, '-' or '_'")]
    Class,
    /// An id that is not the cid of a DAG-CBOR block.
    #[error("this is not the id of a record")]
    Id,
    /// The body does not fit the record's kind.
    #[error("a record's body is no good")]
    Body(#[from] BodyError),
    /// Header fields contradict each other.
    #[error("a record's header contradicts itself: {0}")]
    Header(&'static str),
    /// The signature is wrong.
    #[error("a record's signature does not fit its author")]
    Signature,
}

/// What its author states, before it is signed.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The space; `None` only for the genesis that makes one.
    pub space: Option<SpaceId>,
    /// The unit of synchronisation.
    pub class: Class,
    /// The author's own counter within (space, class), from 0.
    pub seq: u64,
    /// The author's record before this one in (space, class).
    pub prev: Option<RecordId>,
    /// When it was said.
    pub time: Hlc,
    /// The governance heads the author knew.
    pub gov_heads: Vec<RecordId>,
    /// What is said.
    pub body: Body,
}

/// The map of a record as it is encoded; field names are those of `record.cddl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u8,
    s: Option<SpaceId>,
    c: Class,
    a: AuthorId,
    n: u64,
    p: Option<RecordId>,
    t: Hlc,
    k: String,
    g: Vec<RecordId>,
    b: Option<Cid>,
    z: u64,
    d: Option<Ipld>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<Signature>,
}

/// A record whose signature held.
#[derive(Clone, PartialEq)]
pub struct Record {
    id: RecordId,
    author: AuthorId,
    draft: Draft,
    bytes: Bytes,
}

impl Record {
    /// Signs `draft` with its author's key.
    #[must_use]
    pub fn sign(key: &SecretKey, draft: Draft) -> Self {
        let inline = draft.body.to_ipld();
        let mut wire = Wire {
            v: VERSION,
            s: draft.space,
            c: draft.class.clone(),
            a: key.author_id(),
            n: draft.seq,
            p: draft.prev,
            t: draft.time,
            k: draft.body.kind().to_owned(),
            g: draft.gov_heads.clone(),
            b: None,
            z: cbor::encode(&inline).len() as u64,
            d: Some(inline),
            x: None,
        };
        wire.x = Some(key.sign(Domain::Record, &cbor::encode(&wire)));
        let bytes = Bytes::from(cbor::encode(&wire));
        Self { id: id_of(&bytes), author: wire.a, draft, bytes }
    }

    /// Reads and verifies a record that somebody sent.
    ///
    /// # Errors
    /// [`RecordError`] says what is wrong with it.
    pub fn decode(bytes: &Bytes) -> Result<Self, RecordError> {
        SignedBytes::parse(bytes)?.verify()
    }

    /// The sha2-256 of the bytes.
    #[must_use]
    pub const fn id(&self) -> RecordId {
        self.id
    }

    /// Who signed it.
    #[must_use]
    pub const fn author(&self) -> AuthorId {
        self.author
    }

    /// The space it belongs to; for a genesis the one it makes.
    #[must_use]
    pub fn space(&self) -> SpaceId {
        self.draft.space.unwrap_or(SpaceId(self.id.0))
    }

    /// The unit of synchronisation.
    #[must_use]
    pub const fn class(&self) -> &Class {
        &self.draft.class
    }

    /// The author's counter within (space, class).
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.draft.seq
    }

    /// The author's record before this one.
    #[must_use]
    pub const fn prev(&self) -> Option<RecordId> {
        self.draft.prev
    }

    /// When it was said.
    #[must_use]
    pub const fn time(&self) -> Hlc {
        self.draft.time
    }

    /// The governance heads its author knew.
    #[must_use]
    pub fn gov_heads(&self) -> &[RecordId] {
        &self.draft.gov_heads
    }

    /// What is said.
    #[must_use]
    pub const fn body(&self) -> &Body {
        &self.draft.body
    }

    /// The canonical bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} by {:?}: {:?}", self.id, self.author, self.draft)
    }
}

/// A well-formed record whose signature has not been checked yet.
#[derive(Clone, Debug)]
pub struct SignedBytes {
    record: Record,
    unsigned: Vec<u8>,
    signature: Signature,
}

impl SignedBytes {
    /// Checks everything but the signature.
    ///
    /// # Errors
    /// [`RecordError`] says what is wrong with the bytes.
    pub fn parse(bytes: &Bytes) -> Result<Self, RecordError> {
        let mut wire: Wire = cbor::decode(bytes, MAX_RECORD)?;
        if wire.v != VERSION {
            return Err(RecordError::Version(wire.v));
        }
        let signature = wire.x.take().ok_or(RecordError::Signature)?;
        let unsigned = cbor::encode(&wire);
        let author = wire.a;
        let draft = wire.into_draft()?;
        let record = Record { id: id_of(bytes), author, draft, bytes: bytes.clone() };
        Ok(Self { record, unsigned, signature })
    }

    /// The id it will have as a record.
    #[must_use]
    pub const fn id(&self) -> RecordId {
        self.record.id
    }

    /// Who is said to have signed it.
    #[must_use]
    pub const fn claimed_author(&self) -> AuthorId {
        self.record.author
    }

    /// Checks the signature, the one expensive step.
    ///
    /// # Errors
    /// [`RecordError::Signature`] when it is wrong.
    pub fn verify(self) -> Result<Record, RecordError> {
        if verify(&self.record.author.0, Domain::Record, &self.unsigned, &self.signature) {
            Ok(self.record)
        } else {
            Err(RecordError::Signature)
        }
    }
}

impl Wire {
    fn into_draft(self) -> Result<Draft, RecordError> {
        if self.g.len() > MAX_HEADS {
            return Err(RecordError::Header("more than 16 governance heads"));
        }
        if (self.n == 0) != self.p.is_none() {
            return Err(RecordError::Header("only an author's first record has no predecessor"));
        }
        if self.b.is_some() {
            return Err(RecordError::Header("this version keeps every body inline"));
        }
        let inline = self.d.ok_or(RecordError::Header("no body"))?;
        let size = cbor::encode(&inline).len();
        if size > MAX_INLINE || size as u64 != self.z {
            return Err(RecordError::Header("the body's length is wrong"));
        }
        let body = Body::from_ipld(&self.c, &self.k, inline)?;
        if self.s.is_none() != matches!(body, Body::Genesis { .. }) {
            return Err(RecordError::Header("a genesis, and nothing else, is in no space"));
        }
        Ok(Draft {
            space: self.s,
            class: self.c,
            seq: self.n,
            prev: self.p,
            time: self.t,
            gov_heads: self.g,
            body,
        })
    }
}

fn id_of(bytes: &[u8]) -> RecordId {
    RecordId(*Cid::of(Codec::DagCbor, bytes).digest())
}
