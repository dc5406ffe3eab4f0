//! What is in the files: JSON, so that somebody with a card reader and an editor can read it.

use ipnet::Ipv4Net;
use kith_model::network::change::ChangeStatus;
use kith_model::sentence::Sentence;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A change that waits for its confirmation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Armed {
    /// The change's number.
    pub id: u64,
    /// In which boot it was armed (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// When, in milliseconds of that boot (`CLOCK_BOOTTIME`).
    pub since_ms: u64,
    /// Until when it waits, in milliseconds of that boot.
    pub deadline_ms: u64,
    /// The sha2-256 of the one-time token, in hexadecimal digits; nothing when the change needs none.
    pub token: Option<String>,
    /// The revision that it replaces.
    pub base: String,
    /// The revision that it brings.
    pub revision: String,
    /// The document.
    pub text: String,
    /// Who asked for it.
    pub who: String,
    /// What it changes.
    pub words: Vec<Sentence>,
    /// When it was armed, in milliseconds since 1970 as the clock showed.
    pub at: u64,
    /// Where the panel is then, if that changes.
    pub moves_to: Option<String>,
}

/// What is known about the settings in force besides themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// Their revision.
    pub revision: String,
    /// When they came into force, in milliseconds since 1970.
    pub since: u64,
    /// Who asked for them.
    pub who: String,
    /// What they changed.
    pub words: Vec<Sentence>,
    /// The last change, kept or not.
    pub last: Option<ChangeStatus>,
    /// The household's address before, while devices may still use it.
    #[serde(default)]
    pub former_lan: Option<FormerLan>,
}

/// An address of the household that still answers for one lease after another has taken its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerLan {
    /// The box's address in it, and its size.
    pub address: Ipv4Net,
    /// How long a lease of it lasts, in seconds.
    pub lease_seconds: u32,
    /// In which boot the other took its place.
    pub boot: String,
    /// Until when it answers, in milliseconds of that boot (`CLOCK_BOOTTIME`).
    pub until_ms: u64,
    /// The same, in milliseconds since 1970 as the clock showed: for the boots after it.
    pub until: u64,
}

/// A version that was in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Its place in the order; they grow.
    pub number: u64,
    /// Its revision.
    pub revision: String,
    /// When it came into force, in milliseconds since 1970.
    pub since: u64,
    /// Who asked for it.
    pub who: String,
    /// What it changed.
    pub words: Vec<Sentence>,
    /// The document.
    pub text: String,
}

/// What somebody is editing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// Whose it is.
    pub who: String,
    /// The revision it started from.
    pub base: String,
    /// The document.
    pub text: String,
    /// Drafts are numbered anew with every edit: the smallest was not touched for longest.
    pub touched: u64,
}

impl Draft {
    /// The name of its file: of fixed length whatever people are called.
    #[must_use]
    pub(super) fn file(who: &str) -> String {
        let digest: [u8; 32] = Sha256::digest(who.as_bytes()).into();
        data_encoding::HEXLOWER.encode(&digest[..16])
    }
}

/// The bytes of a record.
pub(super) fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    // Strings, numbers, lists and options: nothing here can fail, and an empty file is a missing one.
    let mut bytes = serde_json::to_vec_pretty(record).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// The record, if the bytes are one.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}
