//! The firewall as one nft transaction: the table `inet kith`, which people can read.
//!
//! The text adds the table, empties it of rules and writes all chains anew; sets whose elements come from
//! here are emptied as well, those that packets fill keep what they know. The names of chains and sets
//! are always the same, so that none is left over. A transaction that fails leaves the old rules whole.
//!
//! No conntrack helper is ever attached (RFC 4787, REQ-10), and no rule rejects what nobody asked for
//! from the internet: a dropped packet leaves no entry in conntrack, and hole punching needs that.

mod forward;
mod input;
mod nat;
mod probe;
mod raw;
mod text;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::{Ipv4Net, Ipv6Net};
use kith_model::settings::values::{InterfaceName, Mac};
use kith_model::settings::{Forward, Pinhole};

use crate::names::{GUEST_BRIDGE, LAN_BRIDGE, MESH, TABLE};
use text::{Chain, Set, table};

pub use probe::probe;
pub use text::{COMMENT_BYTES, quoted};

/// All that the ruleset depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Whether anything is forwarded at all.
    pub forwarding: bool,
    /// Ways to the internet.
    pub uplinks: Vec<Uplink>,
    /// Which way traffic goes.
    pub way_out: WayOut,
    /// The box's addresses in the household with the networks' sizes, the one in force first.
    pub household: Vec<Ipv4Net>,
    /// The visitors' network.
    pub guest: Option<Guest>,
    /// The boxes' network.
    pub mesh: Option<Mesh>,
    /// Networks of the box's own over IPv6.
    pub own_ipv6: Vec<Ipv6Net>,
    /// The panel's port.
    pub panel_port: u16,
    /// The port of peers; nothing while peers are not let in.
    pub peer_port: Option<u16>,
    /// Devices that are kept off the internet.
    pub paused: BTreeSet<Mac>,
    /// Ports that lead to devices (IPv4).
    pub forwards: Vec<Forward>,
    /// Ports of devices that may be reached (IPv6).
    pub pinholes: Vec<Pinhole>,
}

/// A way to the internet as the firewall sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// Its interface.
    pub device: InterfaceName,
    /// The prefix that was delegated there: sources that may leave (RFC 2827; RFC 7084, S-2).
    pub prefix: Option<Ipv6Net>,
}

/// Which way traffic goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WayOut {
    /// None: everything fails fast.
    #[default]
    None,
    /// By an uplink of the box.
    Uplink(InterfaceName),
    /// By somebody's shared one.
    Mesh,
}

/// The visitors' network as the firewall sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The box's address in it and its size.
    pub address: Ipv4Net,
    /// Whether they may use the internet.
    pub internet: bool,
    /// At most so many kbit/s for all of them, each way.
    pub rate_kbit: Option<u32>,
}

/// The boxes' network as the firewall sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mesh {
    /// The box's address in it and its size.
    pub address: Ipv4Net,
    /// What of the box's own way is shared: kbit/s towards it and away from it.
    pub share: Option<(u32, u32)>,
    /// Whether visitors' pages are shown to the mesh.
    pub pages: bool,
}

impl Rules {
    /// The box's IPv4 addresses on its own networks.
    fn own_addresses(&self) -> BTreeSet<Ipv4Addr> {
        self.own_networks().iter().map(Ipv4Net::addr).collect()
    }

    fn own_networks(&self) -> Vec<Ipv4Net> {
        let guest = self.guest.iter().map(|guest| guest.address);
        let mesh = self.mesh.iter().map(|mesh| mesh.address);
        self.household.iter().copied().chain(guest).chain(mesh).collect()
    }
}

/// The whole ruleset as one transaction.
#[must_use]
pub fn ruleset(rules: &Rules) -> String {
    let mut chains = vec![
        input::input(),
        input::from_household(rules),
        input::from_guest(rules),
        input::from_mesh(rules),
        input::from_wan(rules),
        input::icmpv6_to_the_box(),
        input::spoofed(),
        forward::forward(),
        forward::limits(rules),
        forward::household_to(rules),
        forward::guest_to(rules),
        forward::mesh_to(rules),
        forward::wan_to(rules),
        forward::wan_to_household_ipv6(rules),
        forward::to_wan(rules),
        forward::segment_size(),
    ];
    chains.extend(raw::chains(rules));
    chains.extend(nat::chains(rules));
    table(TABLE, HEAD, &sets(rules), &chains)
}

const HEAD: &str = "\
# Who may talk to whom. Written from the settings: what is changed here by hand is replaced.
# household = br-lan, guest = br-guest, mesh = bat0, wan = the ways to the internet.
";

/// The ruleset at boot, before anything is known: nothing comes in, nothing passes.
#[must_use]
pub fn closed() -> String {
    let mut input = Chain::base("input", "type filter hook input priority filter; policy drop;");
    input.rule("iifname \"lo\" accept");
    let forward = Chain::base("forward", "type filter hook forward priority filter; policy drop;");
    table(TABLE, CLOSED_HEAD, &[], &[input, forward])
}

const CLOSED_HEAD: &str = "\
# Until the settings are known nothing comes in and nothing passes.
";

/// Networks that are nobody's on the internet. Those for documentation are not listed: laboratories use
/// them, and dropping them protects nobody.
const PRIVATE_IPV4: [&str; 5] =
    ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"];

/// What no packet from outside can truthfully come from (RFC 6890). Private networks are not among them,
/// since a box may stand behind another router.
const BOGONS_IPV4: [&str; 5] =
    ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"];

/// The same for IPv6: loopback, mapped IPv4, multicast. The unspecified address is not among them: whoever
/// takes an address asks from it (RFC 4862, 5.4), and no router forwards it.
const BOGONS_IPV6: [&str; 3] = ["::1/128", "::ffff:0:0/96", "ff00::/8"];

fn sets(rules: &Rules) -> Vec<Set> {
    let own_ipv4 = rules.own_networks().iter().map(Ipv4Net::trunc).collect();
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    vec![
        Set {
            name: "wan",
            why: "Interfaces that lead to the internet.",
            kind: "type ifname",
            elements: rules.uplinks.iter().map(|up| quoted(up.device.as_str())).collect(),
        },
        Set {
            name: "paused",
            why: "Devices that are kept off the internet for now.",
            kind: "type ether_addr",
            elements: rules.paused.iter().map(Mac::to_string).collect(),
        },
        Set {
            name: "own_ipv4",
            why: "What can only come from inside.",
            kind: "type ipv4_addr; flags interval",
            elements: Ipv4Net::aggregate(&own_ipv4).iter().map(Ipv4Net::to_string).collect(),
        },
        Set {
            name: "own_ipv6",
            why: "What can only come from inside.",
            kind: "type ipv6_addr; flags interval",
            elements: Ipv6Net::aggregate(&rules.own_ipv6).iter().map(Ipv6Net::to_string).collect(),
        },
        Set {
            name: "private_ipv4",
            why: "Nobody's on the internet (RFC 1918, RFC 6598, RFC 3927).",
            kind: "type ipv4_addr; flags interval",
            elements: texts(&PRIVATE_IPV4),
        },
        Set {
            name: "bogons_ipv4",
            why: "Nobody's address at all (RFC 6890).",
            kind: "type ipv4_addr; flags interval",
            elements: texts(&BOGONS_IPV4),
        },
        Set {
            name: "bogons_ipv6",
            why: "Nobody's address at all (RFC 6890).",
            kind: "type ipv6_addr; flags interval",
            elements: texts(&BOGONS_IPV6),
        },
        Set::filled_by_packets(
            "guest_flows",
            "How many connections each visitor has.",
            "type ether_addr; size 1024; flags dynamic",
        ),
    ]
}

/// `iifname "br-lan"` and the like.
fn household() -> String {
    quoted(LAN_BRIDGE)
}

fn guest() -> String {
    quoted(GUEST_BRIDGE)
}

fn mesh() -> String {
    quoted(MESH)
}

/// `tcp dport 80` of what the settings name.
const fn protocol(protocol: kith_model::settings::Protocol) -> &'static str {
    match protocol {
        kith_model::settings::Protocol::Tcp => "tcp",
        kith_model::settings::Protocol::Udp => "udp",
    }
}
