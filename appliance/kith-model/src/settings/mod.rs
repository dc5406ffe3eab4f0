//! The one settings document of a box: what its owner wants of the network, and nothing that the box can
//! find out by itself.
//!
//! It is kept as TOML (`STATE/settings/settings.toml`). Every field has a default, a default is never
//! written back, and every file of every daemon is rendered from here.

pub mod check;
pub mod differ;
pub mod edit;
pub mod impact;
pub mod keys;
pub mod mask;
pub mod migrate;
pub mod path;
mod place;
pub mod show;
pub mod text;
pub mod values;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use values::{Country, HostName, InterfaceName, Label, Mac, MeshId, Passphrase, Ssid};

/// The version of the document that this program writes.
pub const VERSION: u32 = 1;

/// What the owner of a box wants of its network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The version of the document.
    pub version: u32,
    /// Where the box stands, as ISO 3166-1 alpha-2: it decides what its radios may do. Until it is given,
    /// radios use the world domain: 2.4 GHz, channels 1 to 11.
    pub country: Option<Country>,
    /// Where the box is, for people.
    pub place: Place,
    /// The household's network.
    pub lan: Lan,
    /// The visitors' network.
    pub guest: Guest,
    /// The boxes' own network.
    pub mesh: Mesh,
    /// What the household's and the visitors' Wi-Fi are called and how they are locked.
    pub wifi: Wifi,
    /// How each radio is used, by the name the hardware profile or the kernel gives it (`phy0`).
    pub radio: BTreeMap<String, Radio>,
    /// Ways to the internet, the preferred first. Without any, each uplink port of the hardware asks by
    /// DHCP.
    pub uplink: Vec<Uplink>,
    /// Names.
    pub dns: Dns,
    /// What is let in from the internet.
    pub firewall: Firewall,
    /// What is known about the devices of the household, by their MAC address.
    pub client: BTreeMap<Mac, Client>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: VERSION,
            country: None,
            place: Place::default(),
            lan: Lan::default(),
            guest: Guest::default(),
            mesh: Mesh::default(),
            wifi: Wifi::default(),
            radio: BTreeMap::new(),
            uplink: Vec::new(),
            dns: Dns::default(),
            firewall: Firewall::default(),
            client: BTreeMap::new(),
        }
    }
}

/// Where the box is, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Place {
    /// Whether it hangs outside, where some channels are not allowed inside and the other way round.
    pub outdoors: bool,
    /// Where, in words or as `latitude, longitude`.
    pub location: Option<Label>,
    /// Whom to call when it is broken; shown to everybody in reach.
    pub contact: Option<Label>,
}

/// The household's network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Lan {
    /// The box's own address and the network's size.
    #[schemars(with = "String")]
    pub address: Ipv4Net,
    /// Whether devices get their addresses from this box.
    pub dhcp: Dhcp,
    /// The local IPv6 network (RFC 4193); made from the box's key when not given.
    #[schemars(with = "Option<String>")]
    pub ula: Option<Ipv6Net>,
    /// Which ports belong to the household, if not those that the hardware profile says.
    pub ports: Option<Vec<InterfaceName>>,
}

impl Default for Lan {
    fn default() -> Self {
        Self {
            address: net(Ipv4Addr::new(192, 168, 77, 1), 24),
            dhcp: Dhcp::default(),
            ula: None,
            ports: None,
        }
    }
}

/// How devices get addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dhcp {
    /// Whether they get them here.
    pub enabled: bool,
    /// The first address given out; the tenth of the network when not given.
    pub first: Option<Ipv4Addr>,
    /// The last address given out; the last but one of the network when not given.
    pub last: Option<Ipv4Addr>,
    /// For how many seconds; at least 120.
    pub lease_seconds: u32,
}

impl Default for Dhcp {
    fn default() -> Self {
        Self { enabled: true, first: None, last: None, lease_seconds: 43_200 }
    }
}

/// The visitors' network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Guest {
    /// The box's address in it and the network's size.
    #[schemars(with = "String")]
    pub address: Ipv4Net,
    /// Whether visitors may use the way to the internet.
    pub internet: bool,
    /// At most so many kbit/s for all visitors together, each way; no bound when not given.
    pub rate_kbit: Option<u32>,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            address: net(Ipv4Addr::new(192, 168, 78, 1), 24),
            internet: true,
            rate_kbit: Some(20_000),
        }
    }
}

/// The boxes' own network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mesh {
    /// Whether this box takes part in one.
    pub enabled: bool,
    /// The mesh's name: what boxes look for, and what its addresses are made of.
    pub id: Option<MeshId>,
    /// The secret that all its boxes share (SAE).
    pub secret: Option<Passphrase>,
    /// Ethernet ports that lead to other boxes.
    pub ports: Vec<InterfaceName>,
    /// Whether this box lets the others use its way to the internet.
    pub share_uplink: bool,
    /// What is shared at most, towards the box, in kbit/s.
    pub share_down_kbit: u32,
    /// What is shared at most, away from the box, in kbit/s.
    pub share_up_kbit: u32,
}

impl Default for Mesh {
    fn default() -> Self {
        Self {
            enabled: false,
            id: None,
            secret: None,
            ports: Vec::new(),
            share_uplink: false,
            share_down_kbit: 10_000,
            share_up_kbit: 2_000,
        }
    }
}

/// The Wi-Fi networks of a box.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Wifi {
    /// The household's.
    pub household: AccessPoint,
    /// The visitors'.
    pub guest: AccessPoint,
}

/// One Wi-Fi network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccessPoint {
    /// Whether it is on.
    pub enabled: bool,
    /// What it is called.
    pub ssid: Option<Ssid>,
    /// Its passphrase; without one it is open, which only the visitors' may be.
    pub passphrase: Option<Passphrase>,
    /// Who may come in.
    pub security: Security,
}

/// How a Wi-Fi network is locked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Security {
    /// WPA3 (SAE) for who can, WPA2 for who cannot.
    #[default]
    Transition,
    /// WPA3 (SAE) with protected management frames only.
    Wpa3,
}

/// How a radio is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Radio {
    /// Whether it is on.
    pub enabled: bool,
    /// Whether it serves the mesh.
    pub mesh: bool,
    /// Whether it serves household and visitors.
    pub access_point: bool,
    /// Its channel (IEEE 802.11); when not given, the mesh's or a quiet one.
    pub channel: Option<u16>,
    /// Its channel's width in MHz: 20, 40 or 80.
    pub width_mhz: u16,
    /// At most so many dBm; what the country allows when not given.
    pub power_dbm: Option<u8>,
}

impl Default for Radio {
    fn default() -> Self {
        Self {
            enabled: true,
            mesh: true,
            access_point: true,
            channel: None,
            width_mhz: 20,
            power_dbm: None,
        }
    }
}

/// A way to the internet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Uplink {
    /// The port, for a cable; the radio, for somebody's Wi-Fi.
    pub device: InterfaceName,
    /// The network to join, for Wi-Fi.
    #[serde(default)]
    pub wifi: Option<UplinkWifi>,
    /// The box's address there, when it does not ask for one.
    #[serde(default)]
    pub fixed: Option<UplinkAddress>,
    /// Whether to ask for IPv6 addresses and a prefix for the household.
    #[serde(default = "yes")]
    pub ipv6: bool,
}

/// Somebody's Wi-Fi as a way to the internet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UplinkWifi {
    /// What it is called.
    pub ssid: Ssid,
    /// Its passphrase, if it has one.
    #[serde(default)]
    pub passphrase: Option<Passphrase>,
}

/// An address that was agreed upon rather than asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UplinkAddress {
    /// The box's address and the network's size.
    #[schemars(with = "String")]
    pub address: Ipv4Net,
    /// The next router.
    pub router: Ipv4Addr,
    /// Who answers questions about names.
    #[serde(default)]
    pub dns: Vec<IpAddr>,
}

/// Names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// Who is asked; those that the uplink names when empty.
    pub upstream: Vec<IpAddr>,
    /// Domains whose answers may lead into private networks, against the rule that drops such answers.
    pub rebind_exceptions: Vec<HostName>,
}

/// What is let in from the internet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Firewall {
    /// Ports of the box's IPv4 address that lead to a device of the household.
    pub forward: Vec<Forward>,
    /// Ports of devices that may be reached over IPv6.
    pub pinhole: Vec<Pinhole>,
}

/// A port that leads to a device of the household.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// What it is for.
    pub name: Label,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The port outside.
    pub port: u16,
    /// The device.
    pub to: Ipv4Addr,
    /// The device's port; the same as outside when not given.
    #[serde(default)]
    pub to_port: Option<u16>,
}

/// A port of a device that may be reached over IPv6.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pinhole {
    /// What it is for.
    pub name: Label,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The device's port.
    pub port: u16,
    /// The device: its address, or `::` and its interface id, which holds whatever the prefix becomes.
    pub to: std::net::Ipv6Addr,
}

/// What ports belong to.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// RFC 9293.
    Tcp,
    /// RFC 768.
    Udp,
}

impl Protocol {
    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// What is known about a device of the household.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Client {
    /// What people call it; also its name in `kith.internal`.
    pub name: Option<HostName>,
    /// The address it always gets.
    pub address: Option<Ipv4Addr>,
    /// Whether it is kept off the internet for now.
    pub paused: bool,
}

const fn yes() -> bool {
    true
}

/// A network whose prefix length is known to be one.
const fn net(address: Ipv4Addr, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(address, prefix)
}
