//! Ways to the internet: which there are, what each offers, and the routes by them.
//!
//! Every way that has a router gets a default route, so that its health can be checked through it; the
//! way in use has the smallest metric.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use kith_model::daemon::Program;
use kith_model::network::status::{Network, Problem};
use kith_model::profile::{PortRole, Profile};
use kith_model::settings::values::InterfaceName;
use kith_model::settings::{Settings, Uplink, UplinkAddress, UplinkWifi};

use super::scene::{Scene, missing_port, overlap};
use super::{daemon_id, interface, made, problem};
use crate::desired::{Desired, LinkKind, LinkSpec, OnChange, RouteSpec};
use crate::facts::{Facts, Offer};
use crate::names::{MESH, STATION_PREFIX, on_radio};
use crate::render::dhcpcd;

/// Metrics of default routes: the way in use, the box's own others by their place in the settings, and
/// somebody's shared one.
const IN_USE: u32 = 100;
const FIRST_OTHER: u32 = 200;
const BETWEEN_OTHERS: u32 = 10;
const SHARED: u32 = 900;

/// The metric of a route that refuses; any route to a part of the prefix is longer and wins.
const DISCARD: u32 = 1_024;

/// The shortest prefix that is believed: registries give providers /20 at most.
const SHORTEST_PREFIX: u8 = 16;

/// A way to the internet.
#[derive(Clone, Debug)]
pub(super) struct Way<'a> {
    /// Its interface.
    pub(super) device: InterfaceName,
    /// The radio and the network to join, for Wi-Fi.
    pub(super) wifi: Option<(&'a InterfaceName, &'a UplinkWifi)>,
    /// The address that was agreed upon.
    pub(super) fixed: Option<&'a UplinkAddress>,
    /// Whether to ask for IPv6.
    pub(super) ipv6: bool,
    /// What it offers, as far as the box can use it.
    pub(super) offer: Offer,
    /// Whether traffic goes this way.
    pub(super) in_use: bool,
}

/// The ways that there are, the preferred first.
pub(super) fn ways<'a>(
    settings: &'a Settings,
    profile: &'a Profile,
    facts: &Facts,
    mesh_ports: &[InterfaceName],
    problems: &mut Vec<Problem>,
) -> Vec<Way<'a>> {
    if facts.safe_mode {
        return Vec::new();
    }
    let mut ways: Vec<Way<'a>> = Vec::new();
    let mut take = |way: Option<Way<'a>>, problems: &mut Vec<Problem>| {
        let Some(way) = way else { return };
        if mesh_ports.contains(&way.device) || ways.iter().any(|other| other.device == way.device) {
            let message = format!(
                "The port {} is wanted for the internet and for something else before that: take it \
                 out of one of them.",
                way.device
            );
            problem(problems, "port-twice", message);
        } else {
            ways.push(way);
        }
    };
    if settings.uplink.is_empty() {
        let wan = profile.port.iter().filter(|port| port.role == PortRole::Wan);
        for port in wan.filter(|port| facts.ports.contains(port.device.as_str())) {
            if !mesh_ports.contains(&port.device) {
                take(Some(asking(&port.device)), problems);
            }
        }
    }
    for uplink in &settings.uplink {
        take(wanted(uplink, facts, problems), problems);
    }
    for way in &mut ways {
        settle(way, settings, facts, problems);
    }
    ways
}

/// A port that asks for everything.
fn asking<'a>(device: &InterfaceName) -> Way<'a> {
    Way {
        device: device.clone(),
        wifi: None,
        fixed: None,
        ipv6: true,
        offer: Offer::default(),
        in_use: false,
    }
}

/// A way as the settings want it, if what it needs is there.
fn wanted<'a>(uplink: &'a Uplink, facts: &Facts, problems: &mut Vec<Problem>) -> Option<Way<'a>> {
    let device = match &uplink.wifi {
        None if facts.ports.contains(uplink.device.as_str()) => uplink.device.clone(),
        None => {
            missing_port(&uplink.device, problems);
            return None;
        }
        Some(_) => {
            let radio = facts.radios.get(uplink.device.as_str());
            if !radio.is_some_and(|radio| radio.can.station) {
                let message = format!(
                    "There is no radio called {} that can join a Wi-Fi: plug a Wi-Fi adapter in, or \
                     choose another radio.",
                    uplink.device
                );
                problem(problems, "no-radio", message);
                return None;
            }
            interface(&on_radio(STATION_PREFIX, uplink.device.as_str()))?
        }
    };
    Some(Way {
        wifi: uplink.wifi.as_ref().map(|wifi| (&uplink.device, wifi)),
        fixed: uplink.fixed.as_ref(),
        ipv6: uplink.ipv6,
        ..asking(&device)
    })
}

/// Finds out what the way offers and whether it is in use.
fn settle(way: &mut Way<'_>, settings: &Settings, facts: &Facts, problems: &mut Vec<Problem>) {
    let radio = way.wifi.map(|(radio, _)| radio.as_str());
    let is_way = |name: &str| name == way.device.as_str() || Some(name) == radio;
    way.in_use = facts.way_out.as_deref().is_some_and(is_way);
    let offer = facts.offers.iter().find(|(name, _)| is_way(name)).map(|(_, offer)| offer);
    way.offer = offer.cloned().unwrap_or_default();
    if let Some(fixed) = way.fixed {
        way.offer.ipv4 = Some(fixed.address);
        way.offer.router = Some(fixed.router);
        if !fixed.dns.is_empty() {
            way.offer.dns.clone_from(&fixed.dns);
        }
    }
    believe(&mut way.offer);
    if !way.ipv6 {
        way.offer.ipv6.clear();
        way.offer.router6 = None;
        way.offer.prefix = None;
    }
    let guest = settings.wifi.guest.enabled.then_some(settings.guest.address);
    let own: Vec<Ipv4Net> = std::iter::once(settings.lan.address).chain(guest).collect();
    let offered = way.offer.ipv4;
    if let Some(clash) = own.iter().find(|own| offered.is_some_and(|net| overlap(**own, net))) {
        let message = format!(
            "The network at {} uses addresses of the box's own {}: the box takes none there, or nobody \
             could reach it. Choose another network for the box, such as 192.168.{}.1/24.",
            way.device,
            clash.trunc(),
            free_third_octet(offered)
        );
        problem(problems, "uplink-overlap", message);
        way.offer.ipv4 = None;
        way.offer.router = None;
    }
}

/// Leaves out what nobody can mean who offers it: whoever answers first on the internet side may be
/// anybody.
fn believe(offer: &mut Offer) {
    let host4 = |address: Ipv4Addr| {
        !(address.is_unspecified()
            || address.is_loopback()
            || address.is_multicast()
            || address.is_broadcast())
    };
    let host6 = |address: Ipv6Addr| {
        !(address.is_unspecified()
            || address.is_loopback()
            || address.is_multicast()
            || address.is_unicast_link_local()
            || address.to_ipv4_mapped().is_some())
    };
    offer.ipv4 = offer.ipv4.filter(|net| host4(net.addr()));
    let own = offer.ipv4.map(|net| net.addr());
    offer.router = offer.router.filter(|router| host4(*router) && Some(*router) != own);
    offer.ipv6.retain(|net| host6(net.addr()));
    // Routers speak with their address on the link (RFC 4861, 6.1.2).
    offer.router6 = offer.router6.filter(Ipv6Addr::is_unicast_link_local);
    offer.prefix = offer.prefix.filter(|delegated| {
        host6(delegated.prefix.addr()) && delegated.prefix.prefix_len() >= SHORTEST_PREFIX
    });
}

/// A part of 192.168.0.0/16 that the uplink does not use.
fn free_third_octet(used: Option<Ipv4Net>) -> u8 {
    let free = |third: &u8| {
        let candidate = Ipv4Net::new_assert(Ipv4Addr::new(192, 168, *third, 0), 24);
        used.is_none_or(|used| !overlap(used, candidate))
    };
    [177, 178, 77, 78].into_iter().find(free).unwrap_or(177)
}

pub(super) fn add(scene: &Scene<'_>, desired: &mut Desired) {
    let mut others = FIRST_OTHER;
    for way in &scene.ways {
        let metric = if way.in_use { IN_USE } else { others };
        others += BETWEEN_OTHERS;
        link(way, desired);
        addresses(way, desired);
        routes(way, metric, desired);
        asker(way, scene, desired);
    }
    let boxes = scene.mesh_ipv4();
    let shared = scene.facts.mesh_router.filter(|router| {
        boxes.is_some_and(|boxes| boxes.contains(router) && boxes.addr() != *router)
    });
    if let Some(router) = shared {
        let used = scene.facts.way_out.as_deref() == Some(MESH);
        let metric = if used { IN_USE } else { SHARED };
        desired.routes.insert(RouteSpec {
            to: everything_ipv4(),
            via: Some(router.into()),
            device: Some(MESH.to_owned()),
            metric,
        });
    }
}

fn link(way: &Way<'_>, desired: &mut Desired) {
    // The interface of a Wi-Fi uplink is the radio's business.
    if way.wifi.is_none() {
        let port = LinkSpec {
            kind: LinkKind::Port,
            network: Network::Wan,
            master: None,
            mtu: None,
            isolated: false,
        };
        desired.links.insert(way.device.to_string(), port);
    }
}

fn addresses(way: &Way<'_>, desired: &mut Desired) {
    let ipv4 = way.offer.ipv4.map(IpNet::V4).into_iter();
    let ipv6 = way.offer.ipv6.iter().copied().map(IpNet::V6);
    desired.addresses.extend(ipv4.chain(ipv6).map(|address| (way.device.to_string(), address)));
}

fn routes(way: &Way<'_>, metric: u32, desired: &mut Desired) {
    let device = || Some(way.device.to_string());
    let mut add = |route: RouteSpec| {
        desired.routes.insert(route);
    };
    if let (Some(address), Some(router)) = (way.offer.ipv4, way.offer.router) {
        if !address.contains(&router) {
            // Some providers give a single address and a router beside it.
            let to = IpNet::from(IpAddr::V4(router));
            add(RouteSpec { to, via: None, device: device(), metric });
        }
        let via = Some(router.into());
        add(RouteSpec { to: everything_ipv4(), via, device: device(), metric });
    }
    if let Some(router) = way.offer.router6 {
        let via = Some(router.into());
        add(RouteSpec { to: everything_ipv6(), via, device: device(), metric });
    }
    if let Some(delegated) = way.offer.prefix {
        // What of the prefix is not in use goes nowhere, instead of back to the provider (RFC 7084,
        // WPD-5).
        let to = delegated.prefix.trunc().into();
        add(RouteSpec { to, via: None, device: None, metric: DISCARD });
    }
}

fn everything_ipv4() -> IpNet {
    Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0).into()
}

fn everything_ipv6() -> IpNet {
    Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0).into()
}

/// The daemon that asks for what is not fixed.
fn asker(way: &Way<'_>, scene: &Scene<'_>, desired: &mut Desired) {
    if way.fixed.is_some() && !way.ipv6 {
        return;
    }
    let text = dhcpcd::file(&dhcpcd::Asker {
        device: way.device.clone(),
        ipv4: way.fixed.is_none(),
        ipv6: way.ipv6,
        duid: scene.key.map(made::duid),
    });
    let id = daemon_id(Program::Dhcpcd, way.device.clone());
    desired.daemon(id, text.clone(), &text, OnChange::Restart);
}

/// Who answers questions about names on the way in use.
pub(super) fn resolvers(scene: &Scene<'_>) -> BTreeSet<IpAddr> {
    let shared = || {
        let mesh = scene.facts.way_out.as_deref() == Some(MESH);
        scene.facts.offers.get(MESH).filter(|_| mesh).map(|offer| offer.dns.clone())
    };
    let own = scene.way_out().map(|way| way.offer.dns.clone());
    own.or_else(shared).into_iter().flatten().collect()
}
