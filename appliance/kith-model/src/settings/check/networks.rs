//! The networks: sizes, addresses, overlaps, and which port belongs to which.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use super::Findings;
use crate::settings::values::InterfaceName;
use crate::settings::{Lan, Settings, UplinkAddress};

/// The network of all meshes: each is a /16 of it, by its name.
const MESHES: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8);

/// The shortest time a device may keep its address, in seconds.
const SHORTEST_LEASE: u32 = 120;

pub(super) fn check(settings: &Settings, findings: &mut Findings) {
    let (lan, guest) = (&settings.lan, &settings.guest);
    own_network("lan.address", lan.address, findings);
    own_network("guest.address", guest.address, findings);
    if overlap(lan.address, guest.address) {
        let words = format!(
            "The visitors' network {} and the household's {} overlap: give it another one, such as {}.",
            guest.address.trunc(),
            lan.address.trunc(),
            beside(lan.address),
        );
        findings.error("guest.address", words);
    }
    meshes("lan.address", lan.address, settings.mesh.enabled, findings);
    meshes("guest.address", guest.address, settings.mesh.enabled, findings);
    dhcp(lan, findings);
    ula(lan.ula, findings);
    for (index, uplink) in settings.uplink.iter().enumerate() {
        if let Some(fixed) = &uplink.fixed {
            uplink_address(&format!("uplink.{index}.fixed"), fixed, settings, findings);
        }
    }
    ports(settings, findings);
    dns(settings, findings);
}

/// The first and the last address that devices are given.
///
/// The tenth of the network and the last but one unless the settings say otherwise; in a network too
/// small for that, all there are. At either end the box's own address is left out.
#[must_use]
pub fn pool(lan: &Lan) -> (Ipv4Addr, Ipv4Addr) {
    let network = u32::from(lan.address.network());
    let end = u32::from(lan.address.broadcast()).saturating_sub(1);
    let tenth = network.saturating_add(10);
    let begin = if tenth < end { tenth } else { network.saturating_add(1) };
    let own = u32::from(lan.address.addr());
    let first = if begin == own { begin.saturating_add(1) } else { begin };
    let last = if end == own { end.saturating_sub(1) } else { end };
    (lan.dhcp.first.unwrap_or(first.into()), lan.dhcp.last.unwrap_or(last.into()))
}

/// Whether an address can be that of a device in `network`, its own two aside.
pub(super) fn host_in(network: Ipv4Net, address: Ipv4Addr) -> bool {
    network.contains(&address) && address != network.network() && address != network.broadcast()
}

/// What kind of address it is, if no device can have it.
pub(super) fn unusable(address: IpAddr) -> Option<&'static str> {
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let reserved = match address {
        // RFC 1112, section 4; RFC 791, section 3.2.
        IpAddr::V4(address) => address.octets()[0] >= 240 || address.octets()[0] == 0,
        IpAddr::V6(_) => false,
    };
    if address.is_unspecified() {
        Some("no address at all")
    } else if address.is_loopback() {
        Some("a machine's own address for itself (loopback)")
    } else if address.is_multicast() {
        Some("an address of many (multicast)")
    } else if link_local {
        Some("an address that machines make up for one cable (link-local)")
    } else {
        reserved.then_some("a reserved address")
    }
}

fn own_network(key: &str, net: Ipv4Net, findings: &mut Findings) {
    if !(16..=30).contains(&net.prefix_len()) {
        let words = format!(
            "A network of size /{} does not do: /16 is the largest, /30 the smallest; /24 has room for \
             250 devices.",
            net.prefix_len()
        );
        findings.error(key, words);
        return;
    }
    let address = net.addr();
    if let Some(kind) = unusable(address.into()) {
        let words = format!("{address} is {kind}: take one such as 192.168.77.1/24.");
        findings.error(key, words);
    } else if !host_in(net, address) {
        let words = format!(
            "{address} names the network itself or everybody in it: give the box one of its own, such \
             as {}.",
            Ipv4Addr::from(u32::from(net.network()) + 1)
        );
        findings.error(key, words);
    } else if !address.is_private() {
        let words = format!(
            "{address} belongs to somebody on the internet, whom nobody here could reach any more: take \
             one that begins with 192.168."
        );
        findings.advice(key, words);
    }
}

fn meshes(key: &str, net: Ipv4Net, enabled: bool, findings: &mut Findings) {
    if !overlap(net, MESHES) {
        return;
    }
    let words = format!("The mesh uses addresses of {MESHES}: take one that begins with 192.168.");
    if enabled { findings.error(key, words) } else { findings.advice(key, words) }
}

fn dhcp(lan: &Lan, findings: &mut Findings) {
    let (first, last) = pool(lan);
    for (key, given) in [("lan.dhcp.first", lan.dhcp.first), ("lan.dhcp.last", lan.dhcp.last)] {
        if let Some(address) = given.filter(|address| !host_in(lan.address, *address)) {
            let words = format!(
                "{address} is not an address for devices in the household's network {}.",
                lan.address.trunc()
            );
            findings.error(key, words);
        }
    }
    let given = lan.dhcp.first.or(lan.dhcp.last).is_some();
    let key = if lan.dhcp.first.is_some() { "lan.dhcp.first" } else { "lan.dhcp.last" };
    if first > last {
        let words =
            format!("There is no address from {first} to {last}: the first one comes first.");
        findings.error(key, words);
    } else if given && (first..=last).contains(&lan.address.addr()) {
        let words = format!(
            "From {first} to {last} there is {}, the box's own address: begin behind it or end before it.",
            lan.address.addr()
        );
        findings.error(key, words);
    }
    if lan.dhcp.lease_seconds < SHORTEST_LEASE {
        let words = format!(
            "Devices would ask for their addresses all the time: give them at least {SHORTEST_LEASE} \
             seconds."
        );
        findings.error("lan.dhcp.lease_seconds", words);
    }
}

/// RFC 4193.
fn ula(net: Option<Ipv6Net>, findings: &mut Findings) {
    let Some(net) = net else { return };
    let local = Ipv6Net::new_assert(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7);
    if !local.contains(&net) || !(48..=64).contains(&net.prefix_len()) {
        let words = format!(
            "{net} is no local IPv6 network: one looks like fd12:3456:789a::/48, and is made from the \
             box's key when this is left out."
        );
        findings.error("lan.ula", words);
    }
}

fn uplink_address(key: &str, fixed: &UplinkAddress, settings: &Settings, findings: &mut Findings) {
    let net = fixed.address;
    let at = format!("{key}.address");
    if let Some(kind) = unusable(net.addr().into()) {
        findings.error(&at, format!("{} is {kind}: ask who runs that network.", net.addr()));
    }
    let ours = [("household's", settings.lan.address), ("visitors'", settings.guest.address)];
    for (name, ours) in ours.into_iter().filter(|(_, ours)| overlap(net, *ours)) {
        let words = format!(
            "The {name} network {} and that of this uplink overlap, so that one of them cannot be \
             reached: give ours another one, such as {}.",
            ours.trunc(),
            beside(net)
        );
        findings.error(&at, words);
    }
    if settings.mesh.enabled && overlap(net, MESHES) {
        let words = format!(
            "The mesh uses addresses of {MESHES} too; now and then one will hide the other."
        );
        findings.advice(&at, words);
    }
    if fixed.router == net.addr() || !net.contains(&fixed.router) {
        let words = format!(
            "The next router has an address of the same network {} that is not the box's own.",
            net.trunc()
        );
        findings.error(&format!("{key}.router"), words);
    }
    for (index, server) in fixed.dns.iter().enumerate() {
        if let Some(kind) = unusable(*server) {
            findings.error(&format!("{key}.dns.{index}"), format!("{server} is {kind}."));
        }
    }
}

/// Each port serves one network.
fn ports(settings: &Settings, findings: &mut Findings) {
    let mut seen: BTreeMap<&InterfaceName, String> = BTreeMap::new();
    let lan = settings.lan.ports.iter().flatten();
    let lan = lan.enumerate().map(|(i, port)| (port, format!("lan.ports.{i}")));
    let mesh = settings.mesh.ports.iter().enumerate();
    let mesh = mesh.map(|(i, port)| (port, format!("mesh.ports.{i}")));
    let uplinks = settings.uplink.iter().enumerate();
    let uplinks = uplinks.map(|(i, uplink)| (&uplink.device, format!("uplink.{i}.device")));
    for (port, key) in lan.chain(mesh).chain(uplinks) {
        if own_interface(port.as_str()) {
            let words = format!("{port} is made by the box itself: name a port or a radio.");
            findings.error(&key, words);
        }
        if let Some(first) = seen.insert(port, key.clone()) {
            let words = format!("{port} is at {first} already: a port serves one network.");
            findings.error(&key, words);
        }
    }
    let no_ports = settings.lan.ports.as_ref().is_some_and(Vec::is_empty);
    if no_ports && !settings.wifi.household.enabled {
        let words = "Nobody could reach the panel: the household has neither a port nor Wi-Fi.";
        findings.advice("lan.ports", words);
    }
}

/// Interfaces that are no ports: bridges, the mesh, and what the box makes on radios.
fn own_interface(name: &str) -> bool {
    name == "lo" || ["br-", "bat", "kith-"].iter().any(|prefix| name.starts_with(prefix))
}

fn dns(settings: &Settings, findings: &mut Findings) {
    let own: [IpAddr; 2] =
        [settings.lan.address.addr().into(), settings.guest.address.addr().into()];
    for (index, server) in settings.dns.upstream.iter().enumerate() {
        let key = format!("dns.upstream.{index}");
        if own.contains(server) {
            findings.error(&key, "The box would ask itself: name another server, or none.");
        } else if let Some(kind) = unusable(*server) {
            findings.error(&key, format!("{server} is {kind}: name a server, or none."));
        }
    }
}

fn overlap(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

/// A network of ours that does not overlap with `net`, for messages.
fn beside(net: Ipv4Net) -> Ipv4Net {
    let candidates = (77..=99).map(|n| Ipv4Net::new_assert(Ipv4Addr::new(192, 168, n, 1), 24));
    let free = |candidate: &Ipv4Net| !overlap(*candidate, net);
    let last = Ipv4Net::new_assert(Ipv4Addr::new(172, 30, 77, 1), 24);
    candidates.into_iter().find(free).unwrap_or(last)
}
