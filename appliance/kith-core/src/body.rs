//! What records say: the kinds of the governance, board and files classes.
//!
//! Text is bounded and normalised here, so nothing behind this file meets a name with a control
//! character or a path that climbs.

use ipld_core::ipld::Ipld;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use unicode_normalization::UnicodeNormalization as _;

use crate::capability::Capability;
use crate::cid::Cid;
use crate::identity::{AuthorId, NodeId, Signature};
use crate::record::{Class, RecordId};
use crate::wire::cbor;

/// The longest name of a person, box or space, in bytes.
pub const MAX_NAME: usize = 64;

/// The longest text of a notice, in bytes.
pub const MAX_TEXT: usize = 3_500;

/// The longest path in a collection, in bytes.
pub const MAX_PATH: usize = 1_024;

/// The longest segment of a path, in bytes, as on most file systems.
pub const MAX_SEGMENT: usize = 255;

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
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
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
                mime.as_deref().map_or(Ok(()), check_name)
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

/// Checks the name of a person, box or space.
///
/// # Errors
/// [`BodyError::Name`] when it is empty, too long or holds control characters.
pub fn check_name(name: &str) -> Result<(), BodyError> {
    let good =
        !name.trim().is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control);
    if good { Ok(()) } else { Err(BodyError::Name) }
}

/// Checks the text of a notice.
///
/// # Errors
/// [`BodyError::Text`] when it is empty, too long or holds control characters.
pub fn check_text(text: &str) -> Result<(), BodyError> {
    let hidden = |c: char| c.is_control() && c != '\n' && c != '\t';
    let good = !text.trim().is_empty() && text.len() <= MAX_TEXT && !text.chars().any(hidden);
    if good { Ok(()) } else { Err(BodyError::Text) }
}

/// Checks a path in a collection: NFC, relative, and never climbing.
///
/// # Errors
/// [`BodyError::Path`] when it is not.
pub fn check_path(path: &str) -> Result<(), BodyError> {
    let good =
        path.len() <= MAX_PATH && path.split('/').all(good_segment) && path.nfc().eq(path.chars());
    if good { Ok(()) } else { Err(BodyError::Path) }
}

/// Whether `segment` may be the name of a file or folder; its normal form is not asked for.
#[must_use]
pub fn good_segment(segment: &str) -> bool {
    let hidden = |c: char| c.is_control() || c == '\\';
    !matches!(segment, "" | "." | "..")
        && !segment.contains('/')
        && segment.len() <= MAX_SEGMENT
        && !segment.chars().any(hidden)
}

/// The normal form (NFC) of a path somebody typed, without slashes at the ends.
///
/// # Errors
/// [`BodyError::Path`] when no good path comes of it.
pub fn normal_path(typed: &str) -> Result<String, BodyError> {
    if typed.len() > 4 * MAX_PATH {
        return Err(BodyError::Path);
    }
    let path: String = typed.trim_matches('/').nfc().collect();
    check_path(&path)?;
    Ok(path)
}

fn ipld<T: Serialize>(wire: &T) -> Ipld {
    #[expect(clippy::expect_used, reason = "the body structs hold nothing IPLD cannot express")]
    ipld_core::serde::to_ipld(wire).expect("bodies are expressible in IPLD")
}

fn typed<T: serde::de::DeserializeOwned>(body: Ipld) -> Result<T, BodyError> {
    ipld_core::serde::from_ipld(body).map_err(|error| BodyError::Fields(error.to_string()))
}
