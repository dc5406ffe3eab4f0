//! dnsmasq: addresses, router advertisements and names for household and visitors.
//!
//! Its main file is read once, so only what seldom changes is in it. What changes often lies in files that
//! dnsmasq notices by itself: names (`hosts/`), addresses for good (`dhcp-hosts/`), options (`dhcp-opts/`),
//! and who is asked upstream (`resolv`). A prefix that a provider delegates is taken from the bridge's
//! address; when that is gone dnsmasq announces the prefix as over, with no preferred lifetime, for as long
//! as devices believe in it (RFC 7084, L-13; RFC 9096, 3.5), without a restart. Its ranges marked
//! `deprecated` would do the same with an unbounded valid lifetime (measured with 2.90).
//!
//! There is one view of names for all: visitors can learn a household device's address by its name, and
//! the firewall keeps them from it.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use kith_model::settings::values::{HostName, Mac};

use crate::names::{DOMAIN, LEASES};

/// The folders and files beside the main one, below `RUN/link/`.
pub const HOSTS: &str = "hosts/kith";
/// Addresses for good.
pub const DHCP_HOSTS: &str = "dhcp-hosts/kith";
/// Options for devices.
pub const DHCP_OPTIONS: &str = "dhcp-opts/kith";
/// Who is asked upstream, in the form of resolv.conf(5): of use to the box's own programs too.
pub const RESOLV: &str = "resolv";

/// How long addresses made of a prefix are preferred when nothing is heard any more, in seconds (RFC 9096,
/// 3.3, asks for at most 2700, and 5400 for their validity).
pub const PREFIX_SECONDS: u32 = 2_700;

/// Seconds between router advertisements at most, and how long a router is believed in.
const RA_INTERVAL: u32 = 200;
const ROUTER_SECONDS: u32 = 1_800;

/// Names that no device gets by asking for them: others' programs look there for what they then obey (proxies,
/// IPv6 tunnels; CERT/CC VU#598349).
const NOBODY: [&str; 2] = ["isatap", "wpad"];

/// Answers that are remembered, and questions under way at once.
const CACHE: u32 = 4_000;
const QUESTIONS: u32 = 500;

/// What the main file depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Main {
    /// `RUN/link`.
    pub folder: String,
    /// The networks that are served.
    pub networks: Vec<Served>,
    /// Domains whose answers may lead into private networks.
    pub rebind_exceptions: Vec<HostName>,
    /// Whether thousands ask for addresses at once: no ping before a lease then.
    pub storm: bool,
}

/// A network that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Its bridge.
    pub bridge: &'static str,
    /// Its name among the tags.
    pub tag: &'static str,
    /// Addresses that are given out; nothing for none.
    pub pool: Option<Pool>,
    /// Whether prefixes are announced.
    pub advertise: bool,
    /// Whether the box says that it is a router to the internet (RFC 7084, G-4: only with a way there).
    pub router: bool,
}

/// Addresses that are given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The network.
    pub network: Ipv4Net,
    /// The first and the last one.
    pub range: (Ipv4Addr, Ipv4Addr),
    /// For how many seconds.
    pub lease_seconds: u32,
}

impl Pool {
    /// How many addresses there are.
    #[must_use]
    pub fn size(&self) -> u32 {
        u32::from(self.range.1).saturating_sub(u32::from(self.range.0)).saturating_add(1)
    }
}

/// The main file. All of it is read only at the start.
#[must_use]
pub fn main(main: &Main) -> String {
    let mut out = String::from(
        "# DHCP, router advertisements and DNS for household and visitors. Written from the settings.\n",
    );
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    let folder = path(&main.folder);
    line("\n# Who is listened to.".into());
    for network in &main.networks {
        line(format!("interface={}", network.bridge));
    }
    line("except-interface=lo\nbind-dynamic".into());
    line("\n# Names: the household's own here, all others upstream.".into());
    line(format!("no-hosts\nhostsdir={folder}/hosts\nresolv-file={folder}/{RESOLV}"));
    line(format!("domain={DOMAIN}\nlocal=/{DOMAIN}/\nexpand-hosts\nlocalise-queries"));
    line("domain-needed\nbogus-priv\nstop-dns-rebind".into());
    for domain in &main.rebind_exceptions {
        line(format!("rebind-domain-ok=/{domain}/"));
    }
    line(format!("cache-size={CACHE}\ndns-forward-max={QUESTIONS}"));
    line("\n# Addresses.".into());
    line(format!("dhcp-leasefile={folder}/{LEASES}\ndhcp-authoritative"));
    line(format!("dhcp-hostsdir={folder}/dhcp-hosts\ndhcp-optsdir={folder}/dhcp-opts"));
    line(format!("dhcp-lease-max={}", lease_max(&main.networks)));
    for name in NOBODY {
        line(format!("dhcp-name-match=set:nobody,{name}"));
    }
    line("dhcp-ignore-names=tag:nobody".into());
    if main.storm {
        line("no-ping".into());
    }
    line("quiet-ra".into());
    for network in &main.networks {
        served(&mut line, network);
    }
    out
}

fn served(line: &mut impl FnMut(String), network: &Served) {
    let Served { bridge, tag, .. } = network;
    line(format!("\n# {tag}"));
    if let Some(pool) = &network.pool {
        line(format!(
            "dhcp-range=set:{tag},{},{},{},{}",
            pool.range.0,
            pool.range.1,
            pool.network.netmask(),
            pool.lease_seconds
        ));
    }
    if network.advertise {
        line(format!(
            "dhcp-range=set:{tag},::,constructor:{bridge},ra-stateless,64,{PREFIX_SECONDS}"
        ));
        let router = if network.router { ROUTER_SECONDS } else { 0 };
        line(format!("ra-param={bridge},{RA_INTERVAL},{router}"));
    }
}

/// Room for every address, and for IPv6 nothing is remembered. dnsmasq's own bound is 1,000.
fn lease_max(networks: &[Served]) -> u32 {
    let all = networks.iter().filter_map(|network| network.pool.as_ref()).map(Pool::size);
    all.fold(0_u32, u32::saturating_add).clamp(150, 16_384)
}

/// A path in dnsmasq's file: it reads to the end of the line.
fn path(path: &str) -> String {
    path.chars().filter(|c| !c.is_control()).collect()
}

/// Who is asked upstream. Nobody is a good answer: then every foreign name is refused at once.
#[must_use]
pub fn resolv(servers: &[IpAddr]) -> String {
    let mut out = String::from("# Who is asked for names that are not the household's.\n");
    for server in servers {
        out.push_str(&format!("nameserver {server}\n"));
    }
    out
}

/// Names that hold: an address and its names on each line.
#[must_use]
pub fn hosts(names: &[(IpAddr, Vec<String>)]) -> String {
    let mut out = String::from("# Names of the household.\n");
    for (address, names) in names {
        out.push_str(&format!("{address} {}\n", names.join(" ")));
    }
    out
}

/// The full name of a device: `laptop.kith.internal`.
#[must_use]
pub fn full_name(name: &HostName) -> String {
    format!("{name}.{DOMAIN}")
}

/// What is known about a device by its MAC address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its MAC address.
    pub mac: Mac,
    /// The address it always gets.
    pub address: Option<Ipv4Addr>,
    /// Its name.
    pub name: Option<HostName>,
}

/// Addresses and names for good, one device a line.
///
/// dnsmasq takes a bare `600`, `10d`, `infinite` or `ignore` for a time or a command, and `10.0.0.1` for an
/// address, so a name is written with its domain; one that has dots itself dnsmasq would not believe, and
/// is left to [`hosts`].
#[must_use]
pub fn dhcp_hosts(devices: &[Device]) -> String {
    let mut out = String::new();
    for device in devices {
        let name = device.name.as_ref().filter(|name| is_label(name)).map(full_name);
        let address = device.address.map(|address| address.to_string());
        let fields: Vec<String> = address.into_iter().chain(name).collect();
        if !fields.is_empty() {
            out.push_str(&format!("{},{}\n", device.mac, fields.join(",")));
        }
    }
    out
}

/// Whether a name is a single label.
#[must_use]
pub fn is_label(name: &HostName) -> bool {
    !name.as_str().contains('.')
}

/// Options for devices.
#[must_use]
pub fn dhcp_options() -> String {
    format!("option:domain-search,{DOMAIN}\noption6:domain-search,{DOMAIN}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, address: Option<[u8; 4]>) -> Device {
        Device {
            mac: Mac([2, 0, 0, 0, 0, 1]),
            address: address.map(Ipv4Addr::from),
            name: Some(name.parse().unwrap()),
        }
    }

    #[test]
    fn names_that_dnsmasq_would_take_for_something_else_stay_names() {
        for name in ["600", "10d", "ignore", "infinite", "laptop"] {
            let line = dhcp_hosts(&[device(name, Some([192, 168, 77, 20]))]);
            assert_eq!(line, format!("02:00:00:00:00:01,192.168.77.20,{name}.kith.internal\n"));
        }
        assert_eq!(
            dhcp_hosts(&[device("10.0.0.1", Some([192, 168, 77, 20]))]),
            "02:00:00:00:00:01,192.168.77.20\n"
        );
        assert_eq!(dhcp_hosts(&[device("nas.example.org", None)]), "");
    }

    #[test]
    fn a_large_pool_has_room_for_all_its_leases() {
        let pool = Pool {
            network: "10.0.0.1/20".parse().unwrap(),
            range: ([10, 0, 0, 10].into(), [10, 0, 15, 254].into()),
            lease_seconds: 600,
        };
        let served = |pool| Served {
            bridge: "br-lan",
            tag: "household",
            pool,
            advertise: true,
            router: false,
        };
        assert_eq!(lease_max(&[served(Some(pool))]), 4_085);
        assert_eq!(lease_max(&[served(None)]), 150);
    }
}
