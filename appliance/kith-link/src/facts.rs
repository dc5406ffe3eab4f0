//! What has been found out and what the plan depends on: radios and ports that are there, what uplinks
//! offered, who is chosen. Pure data; [`crate::control`] gathers it from what the hands see.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use kith_model::network::status::{Channel, RadioAbilities};
use kith_model::settings::values::Mac;
use serde::{Deserialize, Serialize};

/// What the plan depends on besides settings and profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// The box's key (ed25519, public): its mesh address and its ULA prefix are made from it.
    #[serde(with = "hexadecimal")]
    pub node_key: [u8; 32],
    /// The box's name as a host name, for `NAME.kith.internal`.
    pub host_name: String,
    /// Whether somebody owns the box: before, nothing is forwarded.
    pub claimed: bool,
    /// Whether to apply the built-in network instead of the settings.
    pub safe_mode: bool,
    /// Whether the setup Wi-Fi is open right now (15 minutes after power-on while unclaimed), and the
    /// secret printed on the box, if any.
    pub setup_wifi: Option<SetupWifi>,
    /// Ethernet ports that are there.
    pub ports: BTreeSet<String>,
    /// Radios that are there, by name.
    pub radios: BTreeMap<String, RadioFacts>,
    /// What each uplink device was offered.
    pub offers: BTreeMap<String, Offer>,
    /// The uplink device in use, as the health checks decide: an uplink of the settings, or
    /// [`crate::names::MESH`] for somebody's shared one.
    pub way_out: Option<String>,
    /// The mesh address (IPv4) of the gateway in use when the way out is the mesh.
    pub mesh_router: Option<Ipv4Addr>,
    /// The addresses of the interfaces that carry the mesh: by one of them the others know this box.
    pub mesh_carriers: BTreeSet<Mac>,
    /// How often the mesh IPv4 address had to be made anew because somebody else has it.
    pub mesh_address_retries: u8,
    /// Addresses of the mesh that the box must not use (yet): others are asked first whether they have
    /// them, or have them.
    pub mesh_held_back: BTreeSet<Ipv4Addr>,
    /// The port of the panel (TCP) and of the peers (UDP).
    pub panel_port: u16,
    /// The peers' UDP port, the one that the internet reaches.
    pub peer_port: u16,
    /// An old LAN address that still answers while a change of it is confirmed and for one lease time.
    pub old_lan: Option<Ipv4Net>,
    /// Whether a storm of lease requests is on (after an outage): no ping check before a lease then.
    pub lease_storm: bool,
    /// The folder of the run (`RUN`), as daemons shall read it in their files; `/run/kith` when empty.
    pub run: String,
    /// Prefixes that were delegated before and are not any more, for two hours: devices that still use
    /// addresses made of them are told (RFC 7084, L-14).
    pub former_prefixes: Vec<Ipv6Net>,
    /// Whether the kernel shows the firewall what bridges pass on (`br_netfilter` is loaded).
    pub bridge_netfilter: bool,
    /// Whether what the box shows to visitors is shown to the mesh as well.
    pub visitor_pages: bool,
}

/// The Wi-Fi for setting a box up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetupWifi {
    /// Its passphrase; open when none was printed.
    pub passphrase: Option<kith_model::settings::values::Passphrase>,
}

/// A radio that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RadioFacts {
    /// What it can do.
    pub can: RadioAbilities,
    /// Its channels.
    pub channels: Vec<Channel>,
    /// The quietest channel of the last survey, if there was one.
    pub quiet: Option<u16>,
    /// The channel on which the wanted mesh was heard.
    pub mesh_heard: Option<u16>,
}

/// What an uplink was offered by DHCP, DHCPv6 and router advertisements.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Offer {
    /// The box's IPv4 address there.
    pub ipv4: Option<Ipv4Net>,
    /// The next router (IPv4).
    pub router: Option<Ipv4Addr>,
    /// The box's IPv6 addresses there.
    pub ipv6: Vec<Ipv6Net>,
    /// The next router (IPv6), link-local.
    pub router6: Option<std::net::Ipv6Addr>,
    /// The prefix delegated to the box.
    pub prefix: Option<Delegated>,
    /// Who answers questions about names.
    pub dns: Vec<IpAddr>,
}

/// A delegated prefix (RFC 8415, section 21.22).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegated {
    /// The prefix.
    pub prefix: Ipv6Net,
    /// For how many more seconds addresses made of it are preferred.
    pub preferred_seconds: u32,
    /// For how many more seconds they are valid.
    pub valid_seconds: u32,
}

/// Keys as people write them.
mod hexadecimal {
    use data_encoding::HEXLOWER;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(key: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&HEXLOWER.encode(key))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(from)?;
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(D::Error::custom)?;
        bytes.try_into().map_err(|_| D::Error::custom("a key has 32 bytes"))
    }
}
