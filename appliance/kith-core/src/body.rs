//! What records say: the kinds of the governance, board and files classes.
//!
//! Text is bounded and normalised here, so nothing behind this file meets a name with a control
//! character or a path that climbs.

mod text;

use ipld_core::ipld::Ipld;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::capability::Capability;
use crate::cid::Cid;
use crate::identity::{AuthorId, NodeId, Signature};
use crate::record::{Class, RecordId};
use crate::wire::cbor;

pub use text::{
    MAX_MIME, MAX_NAME, MAX_PATH, MAX_SEGMENT, MAX_TEXT, check_mime, check_name, check_path,
    check_text, good_segment, normal_path,
};

/// What somebody may do in a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpaceRole {
    /// Reads and writes.
    Member,
    /// Reads, writes, and decides who else does.
    Owner,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Makes a space; its author is the first owner.
    Genesis {
        /// Makes two spaces of the same name and time different.
        nonce: [u8; 16],
        /// The space's name.
        name: String,
    },
    /// Its author uses an invite to become a member.
    Join {
        /// The invite: a capability to join, for the invite's ephemeral key.
        invite: Box<Capability>,
        /// The appliance the author lives on.
        node: NodeId,
        /// The author's name.
        name: String,
        /// By the ephemeral key, over author and node (see [`join_proof`]).
        proof: Signature,
    },
    /// Gives somebody a role and a name.
    MemberSet {
        /// Who.
        member: AuthorId,
        /// Their role from here on.
        role: SpaceRole,
        /// Their name.
        name: String,
    },
    /// Ends somebody's membership.
    MemberDel {
        /// Who.
        member: AuthorId,
    },
    /// Says which classes a visitor without an account may read.
    PolicySet {
        /// The public classes.
        public: Vec<Class>,
    },
    /// A notice, or a reply to one.
    Post {
        /// What it says, plain text.
        text: String,
        /// The notice it answers.
        re: Option<RecordId>,
    },
    /// Takes a notice back.
    PostDel {
        /// Which.
        post: RecordId,
    },
    /// Puts a file or a folder at a path.
    Put {
        /// Where in the collection.
        path: String,
        /// The `UnixFS` root: a file or a directory.
        root: Cid,
        /// Bytes of content, all files of a folder together.
        size: u64,
        /// Whether the root is a directory.
        folder: bool,
        /// The media type the author gave (RFC 6838); a hint, never trusted for display.
        mime: Option<String>,
    },
    /// Removes what is at a path.
    FileDel {
        /// Where in the collection.
        path: String,
    },
}

/// Why a body does not fit its kind.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum BodyError {
    /// A kind this build does not know in this class.
    #[error("this build knows no kind “{0}” in this class: update the box")]
    Kind(String),
    /// Fields are missing, unknown or of the wrong type.
    #[error("fields are missing or wrong: {0}")]
    Fields(String),
    /// A name is empty, too long, or holds control characters.
    #[error("a name has 1 to 64 bytes and no control characters")]
    Name,
    /// A text is empty, too long, or holds control characters.
    #[error("a text has 1 to 3,500 bytes and no control characters but line ends and tabs")]
    Text,
    /// A media type is empty, too long, or holds control characters.
    #[error("a media type has 1 to 255 bytes and no control characters")]
    Mime,
    /// A path is empty, too long, climbs, or holds control characters.
    #[error(
        "a path has 1 to 1,024 bytes in segments of at most 255, without “.”, “..”, empty segments, backslashes or control characters"
    )]
    Path,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GenesisWire {
    nonce: ByteArray<16>,
    name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JoinWire {
    invite: Capability,
    node: NodeId,
    name: String,
    proof: Signature,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberSetWire {
    member: AuthorId,
    role: SpaceRole,
    name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberDelWire {
    member: AuthorId,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyWire {
    public: Vec<Class>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PostWire {
    text: String,
    // Null and nothing would be two encodings of one body; so the field has to be there.
    #[serde(deserialize_with = "Option::deserialize")]
    re: Option<RecordId>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PostDelWire {
    post: RecordId,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PutWire {
    path: String,
    root: Cid,
    size: u64,
    folder: bool,
    #[serde(deserialize_with = "Option::deserialize")]
    mime: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileDelWire {
    path: String,
}

impl Body {
    /// The record's `k`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Genesis { .. } => "genesis",
            Self::Join { .. } => "join",
            Self::MemberSet { .. } => "member.set",
            Self::MemberDel { .. } => "member.del",
            Self::PolicySet { .. } => "policy.set",
            Self::Post { .. } => "post",
            Self::Put { .. } => "put",
            Self::PostDel { .. } | Self::FileDel { .. } => "del",
        }
    }

    /// The record's `d`.
    #[must_use]
    pub fn to_ipld(&self) -> Ipld {
        match self.clone() {
            Self::Genesis { nonce, name } => ipld(&GenesisWire { nonce: nonce.into(), name }),
            Self::Join { invite, node, name, proof } => {
                ipld(&JoinWire { invite: *invite, node, name, proof })
            }
            Self::MemberSet { member, role, name } => ipld(&MemberSetWire { member, role, name }),
            Self::MemberDel { member } => ipld(&MemberDelWire { member }),
            Self::PolicySet { public } => ipld(&PolicyWire { public }),
            Self::Post { text, re } => ipld(&PostWire { text, re }),
            Self::PostDel { post } => ipld(&PostDelWire { post }),
            Self::Put { path, root, size, folder, mime } => {
                ipld(&PutWire { path, root, size, folder, mime })
            }
            Self::FileDel { path } => ipld(&FileDelWire { path }),
        }
    }

    /// Reads and checks the body of a record of `class` and `kind`.
    ///
    /// # Errors
    /// [`BodyError`] says what does not fit.
    pub fn from_ipld(class: &Class, kind: &str, body: Ipld) -> Result<Self, BodyError> {
        let body = match (class, kind) {
            (Class::Gov, "genesis") => {
                let GenesisWire { nonce, name } = typed(body)?;
                Self::Genesis { nonce: nonce.into_array(), name }
            }
            (Class::Gov, "join") => {
                let JoinWire { invite, node, name, proof } = typed(body)?;
                Self::Join { invite: Box::new(invite), node, name, proof }
            }
            (Class::Gov, "member.set") => {
                let MemberSetWire { member, role, name } = typed(body)?;
                Self::MemberSet { member, role, name }
            }
            (Class::Gov, "member.del") => {
                let MemberDelWire { member } = typed(body)?;
                Self::MemberDel { member }
            }
            (Class::Gov, "policy.set") => {
                let PolicyWire { public } = typed(body)?;
                Self::PolicySet { public }
            }
            (Class::Board, "post") => {
                let PostWire { text, re } = typed(body)?;
                Self::Post { text, re }
            }
            (Class::Board, "del") => {
                let PostDelWire { post } = typed(body)?;
                Self::PostDel { post }
            }
            (Class::Files(_), "put") => {
                let PutWire { path, root, size, folder, mime } = typed(body)?;
                Self::Put { path, root, size, folder, mime }
            }
            (Class::Files(_), "del") => {
                let FileDelWire { path } = typed(body)?;
                Self::FileDel { path }
            }
            (_, other) => return Err(BodyError::Kind(other.to_owned())),
        };
        body.check()?;
        Ok(body)
    }

    /// Checks the bounds of every text in the body.
    ///
    /// # Errors
    /// [`BodyError`] names the bound that does not hold.
    pub fn check(&self) -> Result<(), BodyError> {
        match self {
            Self::Genesis { name, .. } | Self::Join { name, .. } | Self::MemberSet { name, .. } => {
                check_name(name)
            }
            Self::Post { text, .. } => check_text(text),
            Self::Put { path, mime, .. } => {
                check_path(path)?;
                mime.as_deref().map_or(Ok(()), check_mime)
            }
            Self::FileDel { path } => check_path(path),
            Self::MemberDel { .. } | Self::PolicySet { .. } | Self::PostDel { .. } => Ok(()),
        }
    }
}

/// What the ephemeral key of an invite signs when `author` on `node` uses it.
#[must_use]
pub fn join_proof(author: &AuthorId, node: &NodeId) -> Vec<u8> {
    cbor::encode(&(author, node))
}

fn ipld<T: Serialize>(wire: &T) -> Ipld {
    #[expect(clippy::expect_used, reason = "the body structs hold nothing IPLD cannot express")]
    ipld_core::serde::to_ipld(wire).expect("bodies are expressible in IPLD")
}

fn typed<T: serde::de::DeserializeOwned>(body: Ipld) -> Result<T, BodyError> {
    ipld_core::serde::from_ipld(body).map_err(|error| BodyError::Fields(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::capability::{Ability, Grant};
    use crate::cid::Codec;
    use crate::identity::SecretKey;
    use crate::record::SpaceId;
    use crate::time::UnixTime;

    #[test]
    fn every_body_survives_its_class_and_kind() {
        for (class, body) in bodies() {
            let read = Body::from_ipld(&class, body.kind(), body.to_ipld());
            assert_eq!(read, Ok(body));
        }
    }

    #[test]
    fn a_kind_means_nothing_in_another_class() {
        let classes = [Class::Gov, Class::Board, shared()];
        for (class, body) in bodies() {
            for other in classes.iter().filter(|other| **other != class) {
                // Only “del” is known in two classes, and there its fields differ.
                let refused = Body::from_ipld(other, body.kind(), body.to_ipld()).unwrap_err();
                let kind = BodyError::Kind(body.kind().to_owned());
                assert!(refused == kind || body.kind() == "del", "{other} {body:?}: {refused}");
            }
            let refused = Body::from_ipld(&class, "dance", body.to_ipld());
            assert_eq!(refused, Err(BodyError::Kind("dance".to_owned())));
        }
    }

    #[test]
    fn missing_unknown_and_mistyped_fields_are_refused() {
        for (class, body) in bodies() {
            let Ipld::Map(fields) = body.to_ipld() else { panic!("a body is a map") };
            let refused = |fields: BTreeMap<String, Ipld>| {
                let read = Body::from_ipld(&class, body.kind(), Ipld::Map(fields));
                matches!(read, Err(BodyError::Fields(_)))
            };
            let mut more = fields.clone();
            more.insert("more".into(), Ipld::Null);
            assert!(refused(more), "an unknown field in {body:?}");
            for name in fields.keys() {
                let mut mistyped = fields.clone();
                mistyped.insert(name.clone(), Ipld::Float(1.5));
                assert!(refused(mistyped), "a float as {name} of {body:?}");
                let mut less = fields.clone();
                less.remove(name);
                assert!(refused(less), "{body:?} without {name}");
            }
            assert!(Body::from_ipld(&class, body.kind(), Ipld::List(vec![])).is_err());
        }
    }

    #[test]
    fn every_text_of_a_body_is_bounded() {
        let long = "x".repeat(3_501);
        let put = |path: &str, mime: Option<&str>| Body::Put {
            path: path.to_owned(),
            root: Cid::from_digest(Codec::Raw, [1; 32]),
            size: 1,
            folder: false,
            mime: mime.map(str::to_owned),
        };
        let post = |text: &str| Body::Post { text: text.to_owned(), re: None };
        let member = |name: &str| Body::MemberSet {
            member: AuthorId([1; 32]),
            role: SpaceRole::Member,
            name: name.to_owned(),
        };
        let genesis = |name: &str| Body::Genesis { nonce: [0; 16], name: name.to_owned() };
        let del = |path: &str| Body::FileDel { path: path.to_owned() };
        let cases = [
            (Class::Board, post(&long), BodyError::Text),
            (Class::Board, post(" \n"), BodyError::Text),
            (Class::Gov, genesis(""), BodyError::Name),
            (Class::Gov, member(&long), BodyError::Name),
            (Class::Gov, member("a\u{7}"), BodyError::Name),
            (shared(), put("../a", None), BodyError::Path),
            (shared(), put("a", Some("a\nb")), BodyError::Mime),
            (shared(), del("a//b"), BodyError::Path),
        ];
        for (class, body, error) in cases {
            assert_eq!(body.check(), Err(error.clone()));
            assert_eq!(Body::from_ipld(&class, body.kind(), body.to_ipld()), Err(error));
        }
        assert_eq!(put("\u{202e}gpj.exe", Some("image/png")).check(), Ok(()));
    }

    fn shared() -> Class {
        Class::files("shared").unwrap()
    }

    fn bodies() -> Vec<(Class, Body)> {
        let key = SecretKey::from_seed(&[1; 32]);
        let grant = Grant {
            space: SpaceId([2; 32]),
            audience: [3; 32],
            ability: Ability::Join,
            not_before: UnixTime::from_millis(1),
            expires: UnixTime::from_millis(2),
            nonce: [4; 16],
        };
        let name = "Ada".to_owned();
        let member = key.author_id();
        let join = Body::Join {
            invite: Box::new(Capability::issue(&key, &grant)),
            node: key.node_id(),
            name: name.clone(),
            proof: Signature([5; 64]),
        };
        let root = Cid::from_digest(Codec::DagPb, [6; 32]);
        let path = "a/b".to_owned();
        let put = Body::Put { path: path.clone(), root, size: u64::MAX, folder: true, mime: None };
        vec![
            (Class::Gov, Body::Genesis { nonce: [7; 16], name: name.clone() }),
            (Class::Gov, join),
            (Class::Gov, Body::MemberSet { member, role: SpaceRole::Owner, name }),
            (Class::Gov, Body::MemberDel { member }),
            (Class::Gov, Body::PolicySet { public: vec![Class::Board, shared()] }),
            (Class::Board, Body::Post { text: "a\nb".into(), re: Some(RecordId([8; 32])) }),
            (Class::Board, Body::PostDel { post: RecordId([8; 32]) }),
            (shared(), put),
            (shared(), Body::FileDel { path }),
        ]
    }
}
