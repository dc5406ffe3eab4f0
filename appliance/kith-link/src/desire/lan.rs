//! The household: its bridge, its ports, its addresses.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use kith_model::network::status::Network;
use kith_model::settings::Dhcp;

use super::made;
use super::scene::Scene;
use crate::desired::{Desired, LinkKind, LinkSpec, RouteSpec};
use crate::names::LAN_BRIDGE;
use crate::render::dnsmasq::Pool;

/// The metric of the way back to a prefix that is over.
const FORMER: u32 = 1_024;

/// The shortest time for which an address is given out, in seconds (what dnsmasq takes).
const SHORTEST_LEASE: u32 = 120;

pub(super) fn add(scene: &Scene<'_>, desired: &mut Desired) {
    desired.links.insert(LAN_BRIDGE.to_owned(), bridge(Network::Household));
    // Whoever sets the box up over its open Wi-Fi shall reach the box and none of the household's
    // devices: isolated ports of a bridge do not hear each other.
    let isolated = scene.facts.setup_wifi.is_some();
    for port in &scene.lan_ports {
        desired.links.insert(
            port.to_string(),
            LinkSpec {
                kind: LinkKind::Port,
                network: Network::Household,
                master: Some(LAN_BRIDGE.to_owned()),
                mtu: None,
                isolated,
            },
        );
    }
    let mut give = |address: IpNet| {
        desired.addresses.insert((LAN_BRIDGE.to_owned(), address));
    };
    for address in addresses(scene) {
        give(address.into());
    }
    for prefix in scene.household.all() {
        give(made::first(prefix).into());
    }
    former(scene, LAN_BRIDGE, 0, desired);
    if scene.lan_ports.is_empty() && scene.facts.radios.is_empty() {
        desired.problem(
            "no-way-in",
            "The box has neither a port for the household nor a radio: nobody can reach it. Plug in a \
             network adapter.",
        );
    }
}

/// The box's IPv4 addresses in the household: the one in force, and the old one while it still answers.
pub(super) fn addresses(scene: &Scene<'_>) -> Vec<Ipv4Net> {
    let now = scene.settings.lan.address;
    let old = scene.facts.old_lan.filter(|old| old.addr() != now.addr());
    std::iter::once(now).chain(old).collect()
}

/// Keeps the way back to devices that still use addresses of a prefix that is over: else what tells them
/// so would go to the provider. That is all that is left of it, as dnsmasq by itself announces it as over.
pub(super) fn former(scene: &Scene<'_>, bridge: &str, number: u16, desired: &mut Desired) {
    let now: Vec<_> = scene.household.all().chain(scene.visitors.all()).collect();
    for prefix in scene.facts.former_prefixes.iter().filter(|_| scene.forwarding()) {
        let Some(subnet) = made::subnet(*prefix, number) else { continue };
        let to = IpNet::from(subnet);
        let taken = desired.routes.iter().any(|route| route.to == to);
        if !now.contains(&subnet) && !taken {
            let device = Some(bridge.to_owned());
            desired.routes.insert(RouteSpec { to, via: None, device, metric: FORMER });
        }
    }
}

/// A bridge of people's devices.
pub(super) const fn bridge(network: Network) -> LinkSpec {
    LinkSpec { kind: LinkKind::Bridge, network, master: None, mtu: None, isolated: false }
}

/// The addresses to give out in a network; nothing when it is too small for any.
pub(super) fn pool(address: Ipv4Net, dhcp: &Dhcp, desired: &mut Desired) -> Option<Pool> {
    let (network, broadcast) = (u32::from(address.network()), u32::from(address.broadcast()));
    if address.prefix_len() > 30 {
        desired.problem(
            "network-too-small",
            format!("{address} has no room for devices: choose a network of size /24."),
        );
        return None;
    }
    // Between the network's own address and its broadcast address.
    let (least, most) = (network + 1, broadcast - 1);
    let inside = |address: &Ipv4Addr| (least..=most).contains(&u32::from(*address));
    let tenth = network.saturating_add(10);
    let by_itself = (if tenth < most { tenth } else { least }, most);
    let first = dhcp.first.filter(inside).map_or(by_itself.0, u32::from);
    let last = dhcp.last.filter(inside).map_or(by_itself.1, u32::from);
    let misplaced = dhcp.first.iter().chain(&dhcp.last).any(|address| !inside(address));
    let (first, last) = if misplaced || first > last {
        desired.problem(
            "dhcp-range",
            format!(
                "The addresses to give out do not lie in {} one after the other: the box gives out {} \
                 to {}.",
                address.trunc(),
                Ipv4Addr::from(by_itself.0),
                Ipv4Addr::from(by_itself.1),
            ),
        );
        by_itself
    } else {
        (first, last)
    };
    Some(Pool {
        network: address,
        range: (first.into(), last.into()),
        lease_seconds: dhcp.lease_seconds.max(SHORTEST_LEASE),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(address: &str, first: Option<&str>, last: Option<&str>) -> Option<(String, String)> {
        let dhcp = Dhcp {
            first: first.map(|text| text.parse().unwrap()),
            last: last.map(|text| text.parse().unwrap()),
            ..Dhcp::default()
        };
        let pool = pool(address.parse().unwrap(), &dhcp, &mut Desired::default())?;
        Some((pool.range.0.to_string(), pool.range.1.to_string()))
    }

    #[test]
    fn addresses_lie_in_their_network() {
        let is = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(range("192.168.77.1/24", None, None), is("192.168.77.10", "192.168.77.254"));
        assert_eq!(range("10.0.0.1/20", None, None), is("10.0.0.10", "10.0.15.254"));
        assert_eq!(range("10.0.0.1/30", None, None), is("10.0.0.1", "10.0.0.2"));
        assert_eq!(range("10.0.0.1/31", None, None), None);
        assert_eq!(range("0.0.0.0/0", None, None), is("0.0.0.10", "255.255.255.254"));
        let chosen = range("10.0.0.1/24", Some("10.0.0.100"), Some("10.0.0.120"));
        assert_eq!(chosen, is("10.0.0.100", "10.0.0.120"));
        let turned = range("10.0.0.1/24", Some("10.0.0.120"), Some("10.0.0.100"));
        assert_eq!(turned, is("10.0.0.10", "10.0.0.254"));
        let elsewhere = range("10.0.0.1/24", Some("10.0.1.5"), None);
        assert_eq!(elsewhere, is("10.0.0.10", "10.0.0.254"));
    }
}
