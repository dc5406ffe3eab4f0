//! The boxes' own network: its interface, the ports that lead to other boxes, its addresses, what is said
//! about the way to the internet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use kith_model::network::status::Network;
use kith_model::settings::Settings;
use kith_model::settings::values::Mac;

use super::made;
use super::scene::{Scene, overlap};
use crate::desired::{Batadv, Desired, GatewayMode, LinkKind, LinkSpec};
use crate::facts::Facts;
use crate::names::MESH;

/// What a frame of batman-adv adds to one of Ethernet, rounded up (`BATADV_...`: at most 32 bytes and the
/// Ethernet header within), so that what people send fits unfragmented.
pub(super) const CARRIER_MTU: u32 = 1_560;

/// What people's networks use, too.
const MESH_MTU: u32 = 1_500;

/// The kernel's default class: quality decides, with inertia.
const SELECTION_CLASS: u32 = 20;

/// The kernel's default.
const ORIGINATOR_INTERVAL_MS: u32 = 1_000;

pub(super) fn add(scene: &Scene<'_>, desired: &mut Desired) {
    let Some(id) = scene.mesh else { return };
    let batadv = Batadv {
        gateway: gateway(scene),
        // Nothing is ever bridged into the mesh.
        bridge_loop_avoidance: false,
        isolation: false,
        originator_interval_ms: ORIGINATOR_INTERVAL_MS,
    };
    desired.links.insert(
        MESH.to_owned(),
        LinkSpec {
            kind: LinkKind::Batadv(batadv),
            network: Network::Mesh,
            master: None,
            mtu: Some(MESH_MTU),
            isolated: false,
        },
    );
    for port in &scene.mesh_ports {
        desired.links.insert(port.to_string(), carrier(LinkKind::Port));
    }
    let (Some(key), Some(address)) = (scene.key, scene.mesh_ipv4()) else { return };
    let ipv6 = made::mesh_ipv6(id, key);
    desired.addresses.insert((MESH.to_owned(), ipv6.into()));
    let gateways = scene.facts.mesh_carriers.iter().map(|mac| made::mesh_gateway(id, *mac));
    let gateways = gateways.filter(|_| offers(scene));
    let ours = std::iter::once(address).chain(gateways);
    let usable = ours.filter(|address| may_use(scene, *address));
    desired.addresses.extend(usable.map(|address| (MESH.to_owned(), address.into())));
    let guest = scene.guest.then_some(scene.settings.guest.address);
    for people in std::iter::once(scene.settings.lan.address).chain(guest) {
        if overlap(people, address) {
            desired.problem(
                "mesh-overlap",
                format!(
                    "The network {} has addresses of the mesh ({}): some boxes cannot be reached from \
                     it. Choose a network of 192.168.0.0/16.",
                    people.trunc(),
                    address.trunc()
                ),
            );
        }
    }
}

/// What carries the mesh: a port or a radio's interface.
pub(super) fn carrier(kind: LinkKind) -> LinkSpec {
    LinkSpec {
        kind,
        network: Network::Mesh,
        master: Some(MESH.to_owned()),
        mtu: Some(CARRIER_MTU),
        isolated: false,
    }
}

/// A box that shares a way that works says so; every other one looks for such.
fn gateway(scene: &Scene<'_>) -> GatewayMode {
    let mesh = &scene.settings.mesh;
    if shares(scene) {
        // In units of 100 kbit/s; nothing would be no gateway.
        let units = |kbit: u32| (kbit / 100).max(1);
        GatewayMode::Server { down: units(mesh.share_down_kbit), up: units(mesh.share_up_kbit) }
    } else {
        GatewayMode::Client { selection_class: SELECTION_CLASS }
    }
}

/// Whether the box says that it shares: it has a way, and is found under the addresses that the others
/// make of its carriers'.
fn shares(scene: &Scene<'_>) -> bool {
    let Some(id) = scene.mesh else { return false };
    let mut found = scene.facts.mesh_carriers.iter().map(|mac| made::mesh_gateway(id, *mac));
    offers(scene) && found.all(|address| may_use(scene, address))
}

fn offers(scene: &Scene<'_>) -> bool {
    scene.settings.mesh.share_uplink && scene.way_out().is_some()
}

fn may_use(scene: &Scene<'_>, address: Ipv4Net) -> bool {
    !scene.facts.mesh_held_back.contains(&address.addr())
}

/// The IPv4 addresses that the box wants in the mesh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MeshAddresses {
    /// Its own.
    pub(crate) own: Option<Ipv4Addr>,
    /// Those under which its way to the internet is found.
    pub(crate) gateways: BTreeSet<Ipv4Addr>,
    /// Those under which others' ways are found, and the gateways.
    pub(crate) reserved: BTreeMap<Ipv4Addr, Mac>,
}

/// Which addresses the box has to ask for before it uses them; `others` share their way to the internet.
pub(crate) fn addresses(
    settings: &Settings,
    facts: &Facts,
    others: impl Iterator<Item = Mac>,
) -> MeshAddresses {
    let part = facts.claimed && !facts.safe_mode && settings.mesh.enabled;
    let key = Some(&facts.node_key).filter(|key| part && **key != [0; 32]);
    let (Some(id), Some(key)) = (&settings.mesh.id, key) else { return MeshAddresses::default() };
    let way_out = facts.way_out.as_deref().is_some_and(|way| way != MESH);
    let carriers = facts.mesh_carriers.iter();
    let gateways = carriers.map(|mac| made::mesh_gateway(id, *mac).addr());
    let others = others.filter(|mac| !facts.mesh_carriers.contains(mac));
    MeshAddresses {
        own: Some(made::mesh_ipv4(id, key, facts.mesh_address_retries).addr()),
        gateways: gateways.filter(|_| settings.mesh.share_uplink && way_out).collect(),
        reserved: others.map(|mac| (made::mesh_gateway(id, mac).addr(), mac)).collect(),
    }
}
