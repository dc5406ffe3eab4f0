//! Names and addresses for people's devices: what dnsmasq reads.

use std::net::IpAddr;

use kith_model::daemon::Program;
use kith_model::settings::values::HostName;

use super::scene::Scene;
use super::{daemon_id, interface, lan, made, uplink};
use crate::desired::{Desired, OnChange};
use crate::names::{DOMAIN, GUEST_BRIDGE, LAN_BRIDGE, MESH};
use crate::render::dnsmasq::{self, Device, Main, Served};

/// Who is asked when the way out is somebody else's, which names nobody: Quad9, a foundation under Swiss
/// law that keeps no addresses of those who ask.
const FALLBACK: [IpAddr; 2] = [
    IpAddr::V4(std::net::Ipv4Addr::new(9, 9, 9, 9)),
    IpAddr::V4(std::net::Ipv4Addr::new(149, 112, 112, 112)),
];

pub(super) fn add(scene: &Scene<'_>, desired: &mut Desired) {
    let networks = served(scene, desired);
    let main = dnsmasq::main(&Main {
        folder: scene.folder(),
        networks,
        rebind_exceptions: scene.settings.dns.rebind_exceptions.clone(),
        storm: scene.facts.lease_storm,
    });
    if let Some(instance) = interface("lan") {
        let id = daemon_id(Program::Dnsmasq, instance);
        desired.daemon(id, main.clone(), &main, OnChange::Restart);
    }
    desired.noticed(dnsmasq::HOSTS, dnsmasq::hosts(&names(scene)));
    let devices = devices(scene, desired);
    desired.noticed(dnsmasq::DHCP_HOSTS, dnsmasq::dhcp_hosts(&devices));
    desired.noticed(dnsmasq::DHCP_OPTIONS, dnsmasq::dhcp_options());
    let upstream = upstream(scene, desired);
    desired.noticed(dnsmasq::RESOLV, dnsmasq::resolv(&upstream));
}

fn served(scene: &Scene<'_>, desired: &mut Desired) -> Vec<Served> {
    let settings = scene.settings;
    let dhcp = &settings.lan.dhcp;
    let household = Served {
        bridge: LAN_BRIDGE,
        tag: "household",
        pool: if dhcp.enabled { lan::pool(settings.lan.address, dhcp, desired) } else { None },
        advertise: dhcp.enabled,
        router: scene.household.delegated.is_some() && scene.has_router6(),
    };
    let visitors = scene.guest.then(|| Served {
        bridge: GUEST_BRIDGE,
        tag: "guest",
        pool: lan::pool(settings.guest.address, &Default::default(), desired),
        advertise: true,
        router: scene.visitors.delegated.is_some()
            && scene.has_router6()
            && settings.guest.internet,
    });
    std::iter::once(household).chain(visitors).collect()
}

/// The box's names on each network, and those of devices that always have the same address.
fn names(scene: &Scene<'_>) -> Vec<(IpAddr, Vec<String>)> {
    let name: Option<HostName> = scene.facts.host_name.to_lowercase().parse().ok();
    let own: Vec<String> = std::iter::once(DOMAIN.to_owned())
        .chain(name.filter(dnsmasq::is_label).as_ref().map(dnsmasq::full_name))
        .collect();
    let mut addresses: Vec<IpAddr> = vec![scene.settings.lan.address.addr().into()];
    addresses.extend(scene.household.local.map(|net| IpAddr::V6(made::first(net).addr())));
    if scene.guest {
        addresses.push(scene.settings.guest.address.addr().into());
        addresses.extend(scene.visitors.local.map(|net| IpAddr::V6(made::first(net).addr())));
    }
    let mut names: Vec<_> = addresses.into_iter().map(|address| (address, own.clone())).collect();
    for client in scene.settings.client.values() {
        let address = client.address.filter(|address| scene.settings.lan.address.contains(address));
        if let (Some(address), Some(name)) = (address, &client.name) {
            names.push((address.into(), vec![dnsmasq::full_name(name)]));
        }
    }
    names
}

fn devices(scene: &Scene<'_>, desired: &mut Desired) -> Vec<Device> {
    let network = scene.settings.lan.address;
    let mut devices = Vec::new();
    for (mac, client) in &scene.settings.client {
        let address = client.address.filter(|address| network.contains(address));
        if let Some(outside) = client.address.filter(|_| address.is_none()) {
            desired.problem(
                "client-outside",
                format!(
                    "The device {mac} shall always get {outside}, which is not in the household's \
                     network {}: it gets another address until that is changed.",
                    network.trunc()
                ),
            );
        }
        devices.push(Device { mac: *mac, address, name: client.name.clone() });
    }
    devices
}

/// Who is asked: whom the settings name, whom the way in use names, or nobody while there is no way.
fn upstream(scene: &Scene<'_>, desired: &mut Desired) -> Vec<IpAddr> {
    let shared = scene.mesh.is_some() && scene.facts.way_out.as_deref() == Some(MESH);
    if scene.way_out().is_none() && !shared {
        return Vec::new();
    }
    // An address on a link says nothing without its link, and dnsmasq must not ask itself.
    let own = lan::addresses(scene);
    let sound = |server: &IpAddr| match server {
        IpAddr::V4(server) => !server.is_unspecified() && !own.iter().any(|a| a.addr() == *server),
        IpAddr::V6(server) => !server.is_unspecified() && !server.is_unicast_link_local(),
    };
    let chosen = &scene.settings.dns.upstream;
    if !chosen.is_empty() {
        return chosen.iter().copied().filter(sound).collect();
    }
    let offered: Vec<IpAddr> = uplink::resolvers(scene).into_iter().filter(sound).collect();
    if offered.is_empty() && shared {
        desired.problem(
            "dns-fallback",
            "The shared way to the internet names nobody to ask for names, so Quad9 (9.9.9.9) is asked. \
             Write dns.upstream to ask somebody else.",
        );
        return FALLBACK.to_vec();
    }
    offered
}
