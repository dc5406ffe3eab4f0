//! The snapshot of a box: what the overview shows and `kith status` prints.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::network::status::Internet;

/// A box at a glance. Published anew whenever something in it changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// The box's name; before the claim one made of its key's first two words.
    pub name: String,
    /// The box's did:key.
    pub node: String,
    /// The key's six words.
    pub words: String,
    /// Whether the box has an owner.
    pub claimed: bool,
    /// When the node started.
    pub started: u64,
    /// The box's idea of the present.
    pub time: u64,
    /// Whether the clock has been confirmed.
    pub time_trusted: bool,
    /// The UDP port where peers reach it.
    pub peer_port: u16,
    /// The addresses where peers may reach it, `IP:PORT`.
    pub addresses: Vec<String>,
    /// The address of the panel, `http://…/`.
    pub panel: String,
    /// Boxes that are connected right now.
    pub peers_connected: u64,
    /// Boxes heard on the local network, connected or not.
    pub peers_heard: u64,
    /// The disk.
    pub store: StoreStatus,
    /// Transfers under way.
    pub transfers: Vec<Transfer>,
    /// What somebody should look at.
    pub alerts: Vec<Alert>,
    /// Whether a space of this box shows anything to everybody.
    pub visitor_pages: bool,
    /// The network of the box in short; nothing while whoever drives it does not answer.
    pub network: Option<NetworkGlance>,
    /// Counters that grow with every change a page would show.
    pub revisions: Revisions,
}

/// Counters that grow with every change a page would show, so that a page knows to fetch itself anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Revisions {
    /// Notices.
    pub board: u64,
    /// Files.
    pub files: u64,
    /// Peers and spaces.
    pub peers: u64,
    /// The network of the box.
    pub network: u64,
}

/// The network of a box in short, for whoever needs no more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "each is a sentence of its own on the overview")]
pub struct NetworkGlance {
    /// Whether radios and ports are only simulated.
    pub simulated: bool,
    /// Whether the box manages this machine's network at all.
    pub managed: bool,
    /// Whether none of the settings are applied.
    pub safe_mode: bool,
    /// Whether the internet is reached.
    pub internet: Internet,
    /// Radios that are there.
    pub radios: u64,
    /// Devices of the household that are here.
    pub devices: u64,
    /// Devices of visitors that are here.
    pub visitors: u64,
    /// The mesh's name, when the box takes part in one.
    pub mesh: Option<String>,
    /// Boxes heard directly.
    pub neighbours: u64,
    /// Boxes known in the mesh.
    pub nodes: u64,
    /// What cannot be done as the settings want.
    pub problems: u64,
    /// Whether a change waits for its confirmation.
    pub waiting: bool,
    /// The network's own revision.
    pub revision: u64,
}

/// The store at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoreStatus {
    /// Records kept.
    pub records: u64,
    /// Blocks kept.
    pub blocks: u64,
    /// Bytes of blocks kept.
    pub block_bytes: u64,
    /// Bytes free on the disk, where known.
    pub free_bytes: Option<u64>,
    /// Whether the index is being rebuilt, and how far, from 0 to 100.
    pub rebuilding: Option<u8>,
}

/// A download under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Transfer {
    /// The root's cid.
    pub root: String,
    /// The path it was put at.
    pub path: String,
    /// Bytes here.
    pub here: u64,
    /// Bytes in all.
    pub size: u64,
    /// Boxes it comes from.
    pub peers: u64,
    /// Why it does not go on, if it does not.
    pub stalled: Option<String>,
}

/// Something somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// What kind; the panel translates these.
    pub kind: AlertKind,
    /// What and what to do, in English.
    pub message: String,
    /// Since when.
    pub since: u64,
}

/// Kinds of alerts.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum AlertKind {
    /// The disk is full or nearly so.
    DiskFull,
    /// The disk fails or is read-only.
    DiskFailed,
    /// The clock is not confirmed.
    ClockUntrusted,
    /// Two records of one author with one number: a copied key or a restored backup.
    Fork,
    /// Nobody owns the box yet.
    NotClaimed,
}

/// Another box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Peer {
    /// Its did:key; nothing for an address nobody answered at yet.
    pub node: Option<String>,
    /// The key's six words.
    pub words: Option<String>,
    /// Its name, where it shares a space with us.
    pub name: Option<String>,
    /// How things stand.
    pub state: PeerState,
    /// How it is reached.
    pub via: PeerVia,
    /// The address in use, or the one tried last.
    pub address: Option<String>,
    /// Round-trip time in microseconds, while connected.
    pub rtt_us: Option<u64>,
    /// When it was last connected or heard.
    pub seen: Option<u64>,
    /// The names of the spaces shared with it.
    pub spaces: Vec<String>,
    /// When everything shared was last found equal.
    pub in_sync: Option<u64>,
    /// Bytes of frames sent since the connection was made.
    pub sent_bytes: u64,
    /// Bytes of frames received since the connection was made.
    pub received_bytes: u64,
    /// Why the last try failed, in English.
    pub error: Option<String>,
}

/// How things stand with another box.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum PeerState {
    /// Connected, and shares a space with us.
    Connected,
    /// Connected or heard, but shares no space with us.
    Stranger,
    /// Being dialled.
    Connecting,
    /// Known, out of reach.
    Away,
}

/// How another box came to be known.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum PeerVia {
    /// Heard on the local network (mDNS).
    Lan,
    /// Its address was typed in.
    Typed,
    /// Its address came with an invite.
    Invite,
    /// It dialled us.
    Incoming,
    /// Remembered from before.
    Known,
}

/// One sample for Prometheus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Metric {
    /// `kith_…_seconds`, `_bytes` or `_total`.
    pub name: String,
    /// What it counts, for the HELP line.
    pub help: String,
    /// `counter` or `gauge`.
    pub kind: String,
    /// Its labels.
    pub labels: Vec<(String, String)>,
    /// Its value.
    pub value: f64,
}
