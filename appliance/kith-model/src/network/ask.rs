//! What can be asked of whoever drives the network (the `link` role), on `STATE/link.sock`.
//!
//! The command line speaks this directly, so that a change can be confirmed or taken back while the node
//! is down; the panel and the API speak it through the node.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::{ChangeStatus, Finding, PastSettings, Review};
use super::status::NetworkStatus;
use crate::caller::Scope;
use crate::command::Right;
use crate::refusal::Refusal;
use crate::settings::values::Mac;

/// Who asks on the socket itself, where there are no accounts.
pub const COMMAND_LINE: &str = "command line";

/// The name of the socket in the state.
pub const SOCKET: &str = "link.sock";

/// The largest message on the socket, in bytes.
pub const MAX_MESSAGE: usize = 1 << 20;

/// The largest settings document, in bytes.
pub const MAX_SETTINGS: usize = 128 << 10;

/// A question with who asks, for drafts and for the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkAsk {
    /// The account's name, or [`COMMAND_LINE`].
    pub who: String,
    /// The address from which they reached the box, or one of their network's where no more is known;
    /// nothing for whoever sits at it.
    #[serde(default)]
    pub from: Option<IpAddr>,
    /// What is asked.
    pub ask: NetworkAsk,
}

/// The address in what [`crate::command::Request::source`] says: `192.0.2.1`, or `2001:db8::/64` for an
/// IPv6 address.
#[must_use]
pub fn address_of(source: &str) -> Option<IpAddr> {
    let address = source.split_once('/').map_or(source, |(network, _)| network);
    address.parse().ok()
}

/// What is answered.
pub type LinkAnswer = Result<NetworkReply, Refusal>;

/// What can be asked about the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NetworkAsk {
    /// How it is. Answers [`NetworkReply::Status`].
    Status,
    /// The settings in force. Answers [`NetworkReply::Settings`].
    Settings,
    /// The caller's draft, or the settings in force where there is none. Answers
    /// [`NetworkReply::Settings`].
    Draft,
    /// Puts values into the caller's draft, and begins one where there is none. Either all are taken or
    /// none. Answers [`NetworkReply::Settings`].
    DraftSet {
        /// Keys and their values in TOML: (`wifi.household.ssid`, `"Valley"`); without a value the key
        /// goes back to its default.
        values: Vec<(String, Option<String>)>,
    },
    /// Replaces the caller's draft by a whole document. Answers [`NetworkReply::Settings`].
    DraftReplace {
        /// The document in TOML, at most [`MAX_SETTINGS`] bytes.
        text: String,
    },
    /// Throws the caller's draft away. Answers [`NetworkReply::Done`].
    DraftDiscard,
    /// What the caller's draft would change. Answers [`NetworkReply::Review`].
    Review,
    /// What is wrong with a document. Answers [`NetworkReply::Review`] against the settings in force.
    Check {
        /// The document in TOML, at most [`MAX_SETTINGS`] bytes.
        text: String,
    },
    /// Carries out what was reviewed. Answers [`NetworkReply::Applied`].
    Apply {
        /// [`Review::digest`]; anything else in the draft by now is a conflict.
        digest: String,
        /// For how many seconds to wait for the confirmation; by default
        /// [`super::change::CONFIRM_SECONDS`], and [`super::change::CONFIRM_SECONDS_MESH`] for who
        /// reached the box over the mesh.
        confirm_seconds: Option<u32>,
    },
    /// Keeps the change that waits. Answers [`NetworkReply::Change`] when that is durable.
    Confirm {
        /// The one-time token of [`NetworkReply::Applied`].
        token: String,
    },
    /// Takes the change that waits back now. Answers [`NetworkReply::Change`].
    Revert,
    /// Waits a little longer for the confirmation. Answers [`NetworkReply::Change`].
    Extend,
    /// The change under way, or the last one. Answers [`NetworkReply::Change`].
    Change,
    /// The versions of the settings that were in force, newest first, at most 20. Answers
    /// [`NetworkReply::History`].
    History,
    /// Makes a past version the caller's draft. Answers [`NetworkReply::Settings`].
    Restore {
        /// Its revision.
        revision: String,
    },
    /// Begins to listen for other networks on all radios, which takes some seconds; answers at once, with
    /// what was heard the time before. Answers [`NetworkReply::Surveyed`].
    Survey,
    /// What was heard the last time, and whether the radios listen right now. Answers
    /// [`NetworkReply::Surveyed`].
    Surveyed,
    /// Asks a box of the mesh for signs of life, [`super::status::PINGS`] times; one box at a time. Answers
    /// [`NetworkReply::Done`] at once; [`NetworkStatus::pinged`] shows how it goes.
    Ping {
        /// The box's address in the mesh.
        #[schemars(extend("examples" = ["02:00:00:00:00:01"]))]
        mac: Mac,
    },
    /// Looks at neighbours once a second for the next minute, for who aims an antenna. Answers
    /// [`NetworkReply::Status`].
    Aim,
    /// The last 24 hours. Answers [`NetworkReply::Graphs`].
    Graphs,
    /// Gives a device a name, an address for good, or a pause, at once: none of these can lock anybody
    /// out. Answers [`NetworkReply::Done`].
    ClientSet {
        /// Which.
        #[schemars(extend("examples" = ["02:00:00:00:00:01"]))]
        mac: Mac,
        /// Its name; empty for none, nothing to leave it.
        name: Option<String>,
        /// Whether its address stays, or nothing to leave it.
        fixed: Option<bool>,
        /// Whether it is kept off the internet, or nothing to leave it.
        paused: Option<bool>,
    },
    /// Says what the network needs to know of the box; the node says it when it starts and whenever it
    /// changes. It is kept, so that the network is right before the node is up. Answers
    /// [`NetworkReply::Done`].
    Identify(Identity),
}

/// What the network needs to know of the box.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// The box's key (ed25519, public) in hexadecimal digits: its addresses in the mesh are made from it.
    pub node: String,
    /// The box's name as a host name, for `NAME.kith.internal`.
    pub host_name: String,
    /// Whether somebody owns it: before, nothing is forwarded.
    pub claimed: bool,
    /// Whether what it shows to visitors is shown to the mesh as well.
    pub visitor_pages: bool,
    /// The panel's port (TCP).
    pub panel_port: u16,
    /// The peers' port (UDP).
    pub peer_port: u16,
}

impl NetworkAsk {
    /// The scope a bearer token needs.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        match self.right() {
            Right::Anyone | Right::Reader | Right::Account => Scope::Read,
            Right::BoxOwner => Scope::Admin,
        }
    }

    /// The least one must be.
    #[must_use]
    pub const fn right(&self) -> Right {
        match self {
            Self::Status | Self::Graphs | Self::Aim | Self::Change => Right::Account,
            Self::Settings
            | Self::Draft
            | Self::DraftSet { .. }
            | Self::DraftReplace { .. }
            | Self::DraftDiscard
            | Self::Review
            | Self::Check { .. }
            | Self::Apply { .. }
            | Self::Confirm { .. }
            | Self::Revert
            | Self::Extend
            | Self::History
            | Self::Restore { .. }
            | Self::Survey
            | Self::Surveyed
            | Self::Ping { .. }
            | Self::ClientSet { .. }
            | Self::Identify(_) => Right::BoxOwner,
        }
    }
}

/// What is answered about the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NetworkReply {
    /// How it is.
    Status(Box<NetworkStatus>),
    /// A settings document.
    Settings(SettingsText),
    /// What a change would do.
    Review(Review),
    /// A change was applied.
    Applied {
        /// The change.
        change: ChangeStatus,
        /// The one-time token that confirms it; nothing when it needs no confirmation.
        token: Option<String>,
    },
    /// A change.
    Change(Option<ChangeStatus>),
    /// Versions of the settings.
    History(Vec<PastSettings>),
    /// Networks in reach.
    Surveyed(Surveyed),
    /// The last 24 hours.
    Graphs(Vec<Graph>),
    /// Done; there is nothing to say.
    Done,
}

/// A settings document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingsText {
    /// The document in TOML, with its comments.
    pub text: String,
    /// The revision of the settings in force that it is, or started from.
    pub revision: String,
    /// Whether it is a draft that differs from the settings in force.
    pub draft: bool,
    /// How many values differ.
    pub changes: u32,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// What the radios heard when they listened last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Surveyed {
    /// Whether they listen right now.
    pub listening: bool,
    /// When they had listened to the end; nothing before the first time.
    pub at: Option<u64>,
    /// What they heard then.
    pub heard: Vec<Heard>,
    /// Why the last time came to nothing, in English.
    pub error: Option<String>,
}

/// A network in reach of a radio. Its name is hostile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Heard {
    /// Its name; lossy where it is no UTF-8.
    pub ssid: String,
    /// The radio that heard it.
    pub radio: String,
    /// Whether it is a mesh of boxes (802.11s).
    pub mesh: bool,
    /// Whether it needs a secret.
    pub secured: bool,
    /// How many boxes or access points go by this name.
    pub count: u32,
    /// The strongest, in dBm.
    pub signal_dbm: i8,
    /// Its channel.
    pub channel: u16,
}

/// One curve of the last 24 hours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Graph {
    /// What it shows: `internet`, `wifi`, `mesh`, `health`.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// The time of the last sample.
    pub until: u64,
    /// Milliseconds between samples.
    pub step_ms: u64,
    /// The samples, oldest first; nothing where there was none.
    pub samples: Vec<Option<f32>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_from_where_a_request_came() {
        let of = |source: &str| address_of(source).map(|address| address.to_string());
        assert_eq!(of("192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(of("fd12:3456:789a::/64").as_deref(), Some("fd12:3456:789a::"));
        assert_eq!([of("socket"), of("unknown"), of(""), of("/64")], [const { None }; 4]);
    }
}
