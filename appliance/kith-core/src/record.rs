//! Records: the signed, immutable statements everything people do is made of.
//!
//! A record is one strict DAG-CBOR map (`schema/record.cddl`). It travels as [`SignedBytes`], becomes a
//! [`Record`] only after its signature held, and is named by the cid of its bytes.

mod class;
mod id;

use core::fmt;

use bytes::Bytes;
use ipld_core::ipld::Ipld;
use serde::{Deserialize, Serialize};

use crate::body::{Body, BodyError};
use crate::cid::{Cid, Codec};
use crate::identity::{AuthorId, Domain, SecretKey, Signature, verify};
use crate::time::Hlc;
use crate::wire::cbor::{self, CborError};

pub use class::{Class, MAX_COLLECTION};
pub use id::{RecordId, SpaceId};

/// The largest record, in bytes: an inline body and its header.
pub const MAX_RECORD: usize = 8 * 1024;

/// The largest inline body, in bytes of DAG-CBOR.
pub const MAX_INLINE: usize = 4 * 1024;

/// The most governance heads one record may name.
pub const MAX_HEADS: usize = 16;

/// The version of the record format.
const VERSION: u8 = 1;

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

    /// Takes the signature for good: only for bytes that this box verified before it stored them, and
    /// that a checksum of its own still covers.
    #[must_use]
    pub fn already_verified(self) -> Record {
        self.record
    }

    /// The space it is said to belong to.
    #[must_use]
    pub fn claimed_space(&self) -> SpaceId {
        self.record.space()
    }

    /// The class it is said to belong to.
    #[must_use]
    pub const fn claimed_class(&self) -> &Class {
        self.record.class()
    }

    /// When it is said to have been said.
    #[must_use]
    pub const fn claimed_time(&self) -> Hlc {
        self.record.time()
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
        if self.s.is_none() && self.n != 0 {
            return Err(RecordError::Header("a genesis is the first record of its space"));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::body::MAX_TEXT;

    #[test]
    fn a_record_survives_the_wire() {
        for draft in [genesis(), post("hello", 0), post("again", 7)] {
            let record = Record::sign(&key(), draft.clone());
            let read = Record::decode(record.bytes()).unwrap();
            assert_eq!(read, record);
            assert_eq!((read.author(), read.body()), (key().author_id(), &draft.body));
            assert_eq!((read.seq(), read.prev(), read.time()), (draft.seq, draft.prev, draft.time));
            assert_eq!(read.id().cid(), Cid::of(Codec::DagCbor, record.bytes()));
            assert!(record.bytes().len() <= MAX_RECORD);
        }
    }

    #[test]
    fn the_space_of_a_genesis_is_its_own_id() {
        let record = Record::sign(&key(), genesis());
        assert_eq!(record.space().cid(), record.id().cid());
        assert_eq!(Record::sign(&key(), post("x", 0)).space(), SpaceId([9; 32]));
    }

    #[test]
    fn the_longest_notice_fits_into_a_record() {
        let record = Record::sign(&key(), post(&"\u{202e}".repeat(MAX_TEXT / 3), 1));
        assert_eq!(Record::decode(record.bytes()).unwrap(), record);
    }

    /// Each with a good signature, so that nothing but the contradiction can be what is refused.
    #[test]
    fn headers_that_contradict_themselves_are_refused() {
        type Change = fn(&mut Wire);
        let cases: [(&str, Change); 12] = [
            ("a later record without predecessor", |w| w.n = 1),
            ("a first record with predecessor", |w| w.p = Some(RecordId([1; 32]))),
            ("17 heads", |w| w.g = vec![RecordId([1; 32]); MAX_HEADS + 1]),
            ("a body elsewhere", |w| w.b = Some(Cid::from_digest(Codec::Raw, [1; 32]))),
            ("no body", |w| w.d = None),
            ("a length too short", |w| w.z -= 1),
            ("a length too long", |w| w.z += 1),
            ("a notice in no space", |w| w.s = None),
            ("a genesis in a space", |w| {
                body(w, Class::Gov, &Body::Genesis { nonce: [1; 16], name: "a".into() });
            }),
            ("a body above 4 KiB", |w| {
                w.d = Some(Ipld::Bytes(vec![0; MAX_INLINE]));
                w.z = MAX_INLINE as u64 + 3;
            }),
            ("a kind of another class", |w| w.c = Class::Gov),
            ("an unknown kind", |w| w.k = "dance".into()),
        ];
        assert!(SignedBytes::parse(&signed(|_| {})).unwrap().verify().is_ok(), "the control");
        for (what, change) in cases {
            let refused = SignedBytes::parse(&signed(change)).expect_err(what);
            assert!(matches!(refused, RecordError::Header(_) | RecordError::Body(_)), "{what}");
        }
        let genesis_at_1 = Draft { seq: 1, prev: Some(RecordId([1; 32])), ..genesis() };
        let refused = Record::decode(Record::sign(&key(), genesis_at_1).bytes());
        assert!(matches!(refused, Err(RecordError::Header(_))));
        assert!(SignedBytes::parse(&signed(|w| w.g = vec![RecordId([1; 32]); MAX_HEADS])).is_ok());
    }

    #[test]
    fn other_versions_are_named() {
        for version in [0, 2, 255] {
            let refused = SignedBytes::parse(&signed(|w| w.v = version)).unwrap_err();
            assert!(matches!(refused, RecordError::Version(v) if v == version));
        }
    }

    #[test]
    fn signatures_of_others_other_domains_and_none_are_refused() {
        let verify = |bytes: &Bytes| SignedBytes::parse(bytes).and_then(SignedBytes::verify);
        let other = SecretKey::from_seed(&[2; 32]);
        let by_other = sign(wire(), &other, Domain::Record);
        assert!(matches!(verify(&by_other), Err(RecordError::Signature)));
        let for_other_use = sign(wire(), &key(), Domain::Capability);
        assert!(matches!(verify(&for_other_use), Err(RecordError::Signature)));
        let none = Bytes::from(cbor::encode(&wire()));
        assert!(matches!(verify(&none), Err(RecordError::Signature)));
        assert!(verify(&sign(wire(), &key(), Domain::Record)).is_ok(), "the control");
    }

    /// The identity element as key, and a signature that a lax check takes for any message.
    #[test]
    fn keys_of_small_order_sign_nothing() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        let mut wire = wire();
        wire.a = AuthorId(identity);
        wire.x = Some(Signature(signature));
        let parsed = SignedBytes::parse(&Bytes::from(cbor::encode(&wire))).unwrap();
        assert!(matches!(parsed.verify(), Err(RecordError::Signature)));
    }

    #[test]
    fn bytes_too_many_too_deep_or_not_canonical_are_refused() {
        let large = signed(|w| w.d = Some(Ipld::Bytes(vec![0; MAX_RECORD])));
        let refused = SignedBytes::parse(&large);
        assert!(matches!(refused, Err(RecordError::Wire(CborError::TooLarge { .. }))));
        let deep = Bytes::from([vec![0x81; MAX_RECORD - 1], vec![0]].concat());
        assert!(matches!(SignedBytes::parse(&deep), Err(RecordError::Wire(_))));
        let nested = (0..1_000).fold(Ipld::Null, |inner, _| Ipld::List(vec![inner]));
        assert!(SignedBytes::parse(&signed(|w| w.d = Some(nested.clone()))).is_err());
        let good = signed(|_| {});
        assert!(SignedBytes::parse(&Bytes::from([&good[..], &[0]].concat())).is_err());
        for end in 0..good.len() {
            assert!(SignedBytes::parse(&good.slice(..end)).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn every_flipped_bit_is_refused_or_makes_another_record() {
        let record = Record::sign(&key(), post("flip me", 3));
        for bit in 0..8 * record.bytes().len() {
            let mut bytes = record.bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // Bytes that are still canonical have another id; nobody signed them.
            if let Ok(parsed) = SignedBytes::parse(&bytes.into()) {
                assert_ne!(parsed.id(), record.id());
                assert!(parsed.verify().is_err(), "bit {bit}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_draft_survives_the_wire(
            text in "[^\\p{Cc}]{1,200}x",
            (seq, time, nonce) in (any::<u64>(), any::<u64>(), any::<[u8; 32]>()),
            heads in prop::collection::vec(any::<[u8; 32]>(), 0..=MAX_HEADS),
        ) {
            let draft = Draft {
                space: Some(SpaceId(nonce)),
                time: Hlc::from_bits(time),
                gov_heads: heads.into_iter().map(RecordId).collect(),
                ..post(&text, seq)
            };
            let record = Record::sign(&key(), draft);
            prop_assert_eq!(Record::decode(record.bytes()).unwrap(), record);
        }

        #[test]
        fn any_bytes_are_refused_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            prop_assert!(SignedBytes::parse(&bytes.into()).is_err());
        }
    }

    fn key() -> SecretKey {
        SecretKey::from_seed(&[1; 32])
    }

    fn genesis() -> Draft {
        let body = Body::Genesis { nonce: [3; 16], name: "Elm Street".into() };
        Draft { space: None, class: Class::Gov, body, ..post("", 0) }
    }

    fn post(text: &str, seq: u64) -> Draft {
        Draft {
            space: Some(SpaceId([9; 32])),
            class: Class::Board,
            seq,
            prev: (seq > 0).then_some(RecordId([8; 32])),
            time: Hlc::from_bits(77 << 16),
            gov_heads: vec![RecordId([7; 32])],
            body: Body::Post { text: text.to_owned(), re: None },
        }
    }

    /// A good first notice, not signed yet.
    fn wire() -> Wire {
        let record = Record::sign(&key(), post("hello", 0));
        let wire: Wire = cbor::decode(record.bytes(), MAX_RECORD).unwrap();
        Wire { x: None, ..wire }
    }

    fn signed(change: impl Fn(&mut Wire)) -> Bytes {
        let mut wire = wire();
        change(&mut wire);
        sign(wire, &key(), Domain::Record)
    }

    fn sign(mut wire: Wire, key: &SecretKey, domain: Domain) -> Bytes {
        wire.x = Some(key.sign(domain, &cbor::encode(&wire)));
        cbor::encode(&wire).into()
    }

    fn body(wire: &mut Wire, class: Class, body: &Body) {
        let inline = body.to_ipld();
        wire.c = class;
        wire.k = body.kind().to_owned();
        wire.z = cbor::encode(&inline).len() as u64;
        wire.d = Some(inline);
    }
}
