//! What the box remembers that nobody can give back, as typed entries of the store's local log.
//!
//! Keys are text with slashes, values strict DAG-CBOR. Changes are collected and written in one frame,
//! so that what belongs together is there together or not at all.

use std::net::SocketAddr;

use kith_core::identity::{AuthorId, NodeId};
use kith_core::record::SpaceId;
use kith_core::time::{Hlc, UnixTime};
use kith_core::wire::cbor;
use kith_model::caller::{AccountRole, Scope};
use kith_store::{LocalChange, Store, StoreError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::account::passphrase::Hash;

/// The largest value, in bytes.
const MAX_VALUE: usize = 64 * 1024;

/// One change: a key, and its value or its removal.
pub(crate) type Change = (Vec<u8>, Option<Vec<u8>>);

/// The ceiling of the hybrid logical clock.
pub(crate) const CLOCK: &str = "clock";
/// [`BoxEntry`].
pub(crate) const BOX: &str = "box";
/// [`AccountEntry`] by account id.
pub(crate) const ACCOUNTS: &str = "account/";
/// [`SessionEntry`] by session id.
pub(crate) const SESSIONS: &str = "session/";
/// [`DeviceEntry`] by device id.
pub(crate) const DEVICES: &str = "device/";
/// [`TokenEntry`] by token id.
pub(crate) const TOKENS: &str = "token/";
/// [`LinkEntry`] by link id.
pub(crate) const LINKS: &str = "link/";
/// [`SpaceEntry`] by space id.
pub(crate) const SPACES: &str = "space/";
/// [`PeerEntry`] by node id.
pub(crate) const PEERS: &str = "peer/";
/// An address somebody typed, `()` by its text.
pub(crate) const TYPED: &str = "typed/";

/// The box itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BoxEntry {
    /// The name it was given at the claim.
    pub name: String,
    /// When it was claimed.
    pub claimed: UnixTime,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AccountEntry {
    /// What its person signs in as; empty for the owner before the claim.
    pub name: String,
    /// What it may do on the box.
    pub role: AccountRole,
    /// The key it writes with.
    pub author: AuthorId,
    /// Its passphrase; nothing for the owner before the claim.
    pub passphrase: Option<Hash>,
    /// Since when.
    pub since: UnixTime,
}

/// A browser session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SessionEntry {
    /// Whose, as account id.
    pub account: String,
    /// The digest of its secret.
    pub secret: ByteArray<32>,
    /// What the browser called itself.
    pub agent: String,
    /// Where it signed in from.
    pub source: String,
    /// When it was opened.
    pub since: UnixTime,
}

/// A browser that has signed in before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeviceEntry {
    /// Whose, as account id.
    pub account: String,
    /// The digest of its secret.
    pub secret: ByteArray<32>,
    /// When it was last given out.
    pub since: UnixTime,
}

/// An API token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TokenEntry {
    /// Whose, as account id.
    pub account: String,
    /// The digest of its secret.
    pub secret: ByteArray<32>,
    /// What it is for.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub since: UnixTime,
    /// Until when it is good.
    pub expires: UnixTime,
}

/// A link for one more account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LinkEntry {
    /// The digest of its secret.
    pub secret: ByteArray<32>,
    /// Until when it is good.
    pub expires: UnixTime,
}

/// A space this box is in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SpaceEntry {
    /// Since when.
    pub since: UnixTime,
    /// Whether it was made at the first start.
    pub own: bool,
    /// The invite code, until the space has answered.
    pub joining: Option<String>,
}

/// A box that was connected once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PeerEntry {
    /// Where it was reached.
    pub addresses: Vec<SocketAddr>,
    /// When it was last connected.
    pub seen: UnixTime,
}

/// The key of an entry.
#[must_use]
pub(crate) fn key(tree: &str, id: &str) -> Vec<u8> {
    [tree, id].concat().into_bytes()
}

/// The key of a space's entry.
#[must_use]
pub(crate) fn space_key(space: &SpaceId) -> Vec<u8> {
    key(SPACES, &space.to_string())
}

/// The key of a peer's entry.
#[must_use]
pub(crate) fn peer_key(node: &NodeId) -> Vec<u8> {
    key(PEERS, &node.to_string())
}

/// A change that sets an entry.
#[must_use]
pub(crate) fn set<T: Serialize>(key: Vec<u8>, value: &T) -> Change {
    (key, Some(cbor::encode(value)))
}

/// A change that removes an entry.
#[must_use]
pub(crate) const fn unset(key: Vec<u8>) -> Change {
    (key, None)
}

/// The entry at `key`. One that cannot be read (of a newer version, say) counts as absent and is said
/// so in the log, since a box that refuses to start helps nobody.
#[must_use]
pub(crate) fn get<T: Serialize + DeserializeOwned>(store: &Store, key: &[u8]) -> Option<T> {
    store.local_get(key).and_then(|value| read(key, &value))
}

/// All entries of a tree with their ids.
#[must_use]
pub(crate) fn tree<T: Serialize + DeserializeOwned>(store: &Store, tree: &str) -> Vec<(String, T)> {
    let entries = store.local_scan(tree.as_bytes()).into_iter();
    let typed = entries.filter_map(|(key, value)| {
        let id = String::from_utf8_lossy(&key[tree.len()..]).into_owned();
        Some((id, read(&key, &value)?))
    });
    typed.collect()
}

/// Writes changes, all or none, and returns when they are durable.
///
/// # Errors
/// [`StoreError`] when the disk refuses; nothing has changed then.
pub(crate) fn write(store: &Store, changes: &[Change]) -> Result<(), StoreError> {
    let changes: Vec<LocalChange<'_>> =
        changes.iter().map(|(key, value)| (key.as_slice(), value.as_deref())).collect();
    if changes.is_empty() { Ok(()) } else { store.local_put(&changes) }
}

/// The clock's ceiling as it was last written.
#[must_use]
pub(crate) fn clock_ceiling(store: &Store) -> Hlc {
    get(store, CLOCK.as_bytes()).unwrap_or_default()
}

fn read<T: Serialize + DeserializeOwned>(key: &[u8], value: &[u8]) -> Option<T> {
    cbor::decode(value, MAX_VALUE)
        .inspect_err(|error| {
            tracing::error!(key = %String::from_utf8_lossy(key), %error, "an entry of the local log is unreadable");
        })
        .ok()
}
