//! The network of a box as it is right now: what the kernel, the daemons and the neighbours show.
//!
//! Everything here has been seen, nothing is wished. Names and SSIDs of others are hostile text of bounded
//! length.

use std::net::{IpAddr, Ipv4Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::ChangeStatus;
use crate::settings::values::Mac;

/// The network of a box.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkStatus {
    /// Whether radios and ports are only simulated (trying out).
    pub simulated: bool,
    /// Whether the box manages this machine's network at all.
    pub managed: bool,
    /// Whether the box runs on its built-in network because something failed too often.
    pub safe_mode: Option<String>,
    /// The board's title.
    pub board: String,
    /// The country whose rules the radios follow; nothing for the world domain.
    pub country: Option<String>,
    /// Ports, bridges and Wi-Fi interfaces.
    pub links: Vec<Link>,
    /// Radios.
    pub radios: Vec<Radio>,
    /// Whether they listen for other networks right now.
    #[serde(default)]
    pub listening: bool,
    /// Ways to the internet, the preferred first.
    pub uplinks: Vec<Uplink>,
    /// Whether the internet is reached, through whichever way.
    pub internet: Internet,
    /// The mesh.
    pub mesh: Mesh,
    /// The box of the mesh that was asked for signs of life last.
    #[serde(default)]
    pub pinged: Option<Pinged>,
    /// Devices of household and visitors.
    pub clients: Vec<Client>,
    /// Daemons and how they are.
    pub daemons: Vec<Daemon>,
    /// What differed from the settings and was put right, newest first, at most 50.
    pub repairs: Vec<Repair>,
    /// What cannot be done as the settings want, and what to do about it.
    pub problems: Vec<Problem>,
    /// The change under way, or the last one.
    pub change: Option<ChangeStatus>,
    /// Grows with every change that a page would show.
    pub revision: u64,
}

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// The kernel's name.
    pub name: String,
    /// The kernel's number, which stays while the interface does.
    pub index: u32,
    /// `ethernet`, `bridge`, `wifi`, `batadv`, `other`.
    pub kind: String,
    /// Which of the four networks it belongs to.
    pub network: Option<Network>,
    /// What is printed beside the port.
    pub label: Option<String>,
    /// Its address.
    pub mac: Option<Mac>,
    /// Whether it is switched on.
    pub up: bool,
    /// Whether there is a signal or a plug at the other end.
    pub carrier: bool,
    /// The bridge or mesh it is part of.
    pub master: Option<String>,
    /// Its addresses with their network's size.
    pub addresses: Vec<String>,
    /// Bytes received since it is there.
    pub received_bytes: u64,
    /// Bytes sent since it is there.
    pub sent_bytes: u64,
}

/// The four networks of a box.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The family's.
    Household,
    /// The visitors'.
    Guest,
    /// The boxes'.
    Mesh,
    /// The internet's.
    Wan,
}

/// A radio and what it can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Radio {
    /// The kernel's name, `phy0`.
    pub name: String,
    /// Its driver, for people who look for help.
    pub driver: Option<String>,
    /// What it can do.
    pub can: RadioAbilities,
    /// The channels it may use here.
    pub channels: Vec<Channel>,
    /// The channel in use.
    pub channel: Option<u16>,
    /// Its frequency in MHz.
    pub frequency_mhz: Option<u32>,
    /// The width in use, in MHz.
    pub width_mhz: Option<u16>,
    /// The power in use, in dBm.
    pub power_dbm: Option<i8>,
    /// How much of the time the channel was busy, in percent.
    pub busy_percent: Option<u8>,
    /// What it is used for right now, in the kernel's interfaces: (`kith-ap0`, `ap`), (`kith-mesh0`, `mesh`).
    pub interfaces: Vec<(String, String)>,
    /// Seconds that are left of the wait for radar (DFS), while it waits.
    pub radar_wait_seconds: Option<u32>,
    /// What it cannot do, and what to buy, in English sentences.
    pub advice: Vec<String>,
}

/// What a radio can do (nl80211 interface modes and combinations).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own about a chip")]
pub struct RadioAbilities {
    /// Serve Wi-Fi.
    pub access_point: bool,
    /// Take part in a mesh (802.11s).
    pub mesh_point: bool,
    /// Both at once on one channel.
    pub both: bool,
    /// How many Wi-Fi networks at once.
    pub access_points: u8,
    /// Join somebody's Wi-Fi.
    pub station: bool,
    /// WPA3 (SAE).
    pub sae: bool,
    /// Protected management frames.
    pub pmf: bool,
    /// 2.4 GHz.
    pub band_2ghz: bool,
    /// 5 GHz.
    pub band_5ghz: bool,
    /// 6 GHz.
    pub band_6ghz: bool,
}

/// A channel as the kernel allows it in the country.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Channel {
    /// Its number.
    pub number: u16,
    /// Its frequency in MHz.
    pub frequency_mhz: u32,
    /// Whether it may not be used at all here.
    pub disabled: bool,
    /// Whether one may only listen on it (no initiating radiation).
    pub listen_only: bool,
    /// Whether radar comes first on it (DFS).
    pub radar: bool,
    /// At most so many dBm.
    pub max_dbm: i8,
}

/// A way to the internet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Uplink {
    /// The interface, or `mesh`.
    pub device: String,
    /// What people call it.
    pub label: String,
    /// Whether a plug is in or a signal is there.
    pub carrier: bool,
    /// Its addresses with their network's size.
    pub addresses: Vec<String>,
    /// The next routers.
    pub routers: Vec<IpAddr>,
    /// Who answers questions about names there.
    pub dns: Vec<IpAddr>,
    /// The prefix that was delegated to the household, if any.
    pub prefix: Option<String>,
    /// Whether its checks succeed.
    pub healthy: bool,
    /// Whether traffic goes this way now.
    pub in_use: bool,
    /// The last check's round trip in microseconds.
    pub rtt_us: Option<u64>,
    /// Checks lost out of the last hundred.
    pub lost_percent: u8,
    /// Since when it is as it is.
    pub since: u64,
    /// Why it does not work, in English.
    pub error: Option<String>,
}

/// Whether the internet is reached.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Internet {
    /// Nobody knows yet.
    #[default]
    Unknown,
    /// Through this box's own uplink.
    Own,
    /// Through the mesh, by somebody who shares theirs.
    Shared,
    /// No way there.
    None,
}

/// The mesh as this box sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mesh {
    /// Whether this box takes part.
    pub enabled: bool,
    /// Its name.
    pub id: Option<String>,
    /// This box's addresses in it.
    pub addresses: Vec<String>,
    /// Boxes heard directly.
    pub neighbours: Vec<MeshNeighbour>,
    /// Boxes known through others: who, through which neighbour, how good (0 to 255).
    pub nodes: Vec<MeshNode>,
    /// Boxes that share their way to the internet.
    pub gateways: Vec<MeshGateway>,
    /// Whether this box announces its own.
    pub sharing: bool,
}

/// A box heard directly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MeshNeighbour {
    /// Its radio's address.
    pub mac: String,
    /// The box's name, where known.
    pub name: Option<String>,
    /// Through which interface it is heard.
    pub device: String,
    /// How strong we hear it, in dBm.
    pub signal_dbm: Option<i8>,
    /// How good the way is, 0 to 255 (batman-adv TQ), or kbit/s / 100 clipped to 255.
    pub quality: u8,
    /// The rate in use towards it, in kbit/s.
    pub rate_kbit: Option<u32>,
    /// Milliseconds since it was last heard.
    pub heard_ms: u32,
    /// Whether the connection is authenticated and encrypted.
    pub secured: bool,
}

/// A box somewhere in the mesh.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MeshNode {
    /// Its address in the mesh.
    pub mac: String,
    /// The box's name, where known.
    pub name: Option<String>,
    /// The neighbour through which it is reached; itself when heard directly.
    pub through: String,
    /// How good the way is, 0 to 255.
    pub quality: u8,
    /// Milliseconds since it was last heard of.
    pub heard_ms: u32,
}

/// How often a box is asked for a sign of life.
pub const PINGS: u8 = 5;

/// A box of the mesh that is asked for signs of life (ICMPv6 echo, RFC 4443).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pinged {
    /// Its address in the mesh.
    pub mac: String,
    /// Whether it is still being asked.
    pub running: bool,
    /// The round trips in microseconds, in order; nothing where no answer came within two seconds.
    pub rtt_us: Vec<Option<u64>>,
    /// Why it cannot be asked at all, in English.
    pub error: Option<String>,
}

/// A box that shares its way to the internet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MeshGateway {
    /// Its address in the mesh.
    pub mac: String,
    /// The box's name, where known.
    pub name: Option<String>,
    /// How good the way to it is, 0 to 255.
    pub quality: u8,
    /// What it offers towards us, in kbit/s.
    pub down_kbit: u32,
    /// What it offers away from us, in kbit/s.
    pub up_kbit: u32,
    /// Whether it is the one in use.
    pub chosen: bool,
}

/// A device of household or visitors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Client {
    /// Its address.
    pub mac: Mac,
    /// What the household calls it.
    pub name: Option<String>,
    /// What it calls itself; hostile.
    pub hostname: Option<String>,
    /// Which network it is on.
    pub network: Network,
    /// Its IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// Its IPv6 addresses.
    pub ipv6: Vec<std::net::Ipv6Addr>,
    /// The interface it is on.
    pub device: Option<String>,
    /// `2.4 GHz`, `5 GHz`, `6 GHz` or `cable`.
    pub band: Option<String>,
    /// How strong we hear it, in dBm.
    pub signal_dbm: Option<i8>,
    /// The rate in use towards it, in kbit/s.
    pub rate_kbit: Option<u32>,
    /// Since when it is here.
    pub since: Option<u64>,
    /// Until when its address is its own.
    pub lease_until: Option<u64>,
    /// Whether it always gets this address.
    pub fixed: bool,
    /// Whether it is kept off the internet.
    pub paused: bool,
    /// Whether it is here right now.
    pub here: bool,
}

/// A daemon and how it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Daemon {
    /// The program, `hostapd`.
    pub program: String,
    /// What it looks after, `phy0`.
    pub instance: String,
    /// Its process, while there is one.
    pub pid: Option<u32>,
    /// How it is.
    pub state: DaemonHealth,
    /// How often it was started again.
    pub restarts: u64,
    /// What is wrong, in English.
    pub error: Option<String>,
}

/// How a daemon is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum DaemonHealth {
    /// Started, has not answered yet.
    #[default]
    Starting,
    /// Answers.
    Running,
    /// Does not answer; it is being replaced.
    Hung,
    /// Ended; it will be started again.
    Waiting,
    /// The program is not on this machine.
    Missing,
    /// Ended too often; it is tried again once a minute.
    Failing,
}

/// Something that differed from the settings and was put right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Repair {
    /// When.
    pub at: u64,
    /// What, in English.
    pub what: String,
}

/// Something that cannot be done as the settings want.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// A word for programs, `no-radio`.
    pub code: String,
    /// What, and what to do, in English.
    pub message: String,
}
