//! Who may talk to whom: the settings and the scene as the firewall's rules.

use std::collections::BTreeSet;

use kith_model::settings::Protocol;

use super::lan;
use super::scene::Scene;
use crate::desired::Desired;
use crate::flows;
use crate::names::{ALLOWED, MESH};
use crate::render::nft::{self, Guest, Mesh, Rules, Uplink, WayOut};

pub(super) fn add(scene: &Scene<'_>, desired: &mut Desired) {
    let rules = rules(scene, desired);
    desired.ruleset = nft::ruleset(&rules);
    desired.noticed(ALLOWED, flows::allowed(&rules, scene.visitors.all()));
}

fn rules(scene: &Scene<'_>, desired: &mut Desired) -> Rules {
    let settings = scene.settings;
    let facts = scene.facts;
    let uplinks = scene.ways.iter().map(|way| Uplink {
        device: way.device.clone(),
        prefix: way.offer.prefix.filter(|_| way.in_use).map(|prefix| prefix.prefix.trunc()),
    });
    let guest = scene.guest.then_some(Guest {
        address: settings.guest.address,
        internet: settings.guest.internet,
        rate_kbit: settings.guest.rate_kbit,
    });
    let share = settings.mesh.share_uplink && facts.claimed;
    let mesh = scene.mesh_ipv4().map(|address| Mesh {
        address,
        share: share.then_some((settings.mesh.share_down_kbit, settings.mesh.share_up_kbit)),
        pages: facts.visitor_pages,
    });
    let paused = settings.client.iter().filter(|(_, client)| client.paused);
    Rules {
        forwarding: scene.forwarding(),
        uplinks: uplinks.collect(),
        way_out: way_out(scene),
        household: lan::addresses(scene),
        guest,
        mesh,
        own_ipv6: scene.household.all().chain(scene.visitors.all()).collect(),
        panel_port: facts.panel_port,
        peer_port: facts.claimed.then_some(facts.peer_port),
        paused: paused.map(|(mac, _)| *mac).collect(),
        forwards: forwards(scene, desired),
        pinholes: settings
            .firewall
            .pinhole
            .iter()
            .filter(|pinhole| pinhole.port != 0)
            .cloned()
            .collect(),
    }
}

fn way_out(scene: &Scene<'_>) -> WayOut {
    match scene.way_out() {
        Some(way) => WayOut::Uplink(way.device.clone()),
        None if scene.mesh.is_some() && scene.facts.way_out.as_deref() == Some(MESH) => {
            WayOut::Mesh
        }
        None => WayOut::None,
    }
}

/// The forwards that can be made: to a device of the household, each port once, and not the peers' own.
fn forwards(scene: &Scene<'_>, desired: &mut Desired) -> Vec<kith_model::settings::Forward> {
    let network = scene.settings.lan.address;
    let mut taken: BTreeSet<(Protocol, u16)> = BTreeSet::new();
    let mut made = Vec::new();
    for forward in &scene.settings.firewall.forward {
        let device = network.contains(&forward.to)
            && forward.to != network.addr()
            && forward.port != 0
            && forward.to_port != Some(0);
        let peers = forward.protocol == Protocol::Udp && forward.port == scene.facts.peer_port;
        if !device {
            desired.problem(
                "forward-outside",
                format!(
                    "The forward \"{}\" leads to {}, which is no device of the household's network {}: \
                     it is left out. Give it the device's address.",
                    forward.name,
                    forward.to,
                    network.trunc()
                ),
            );
        } else if peers || !taken.insert((forward.protocol, forward.port)) {
            desired.problem(
                "forward-taken",
                format!(
                    "The forward \"{}\" wants port {}, which {}: it is left out. Choose another port.",
                    forward.name,
                    forward.port,
                    if peers { "other boxes use to reach this one" } else { "another one has" }
                ),
            );
        } else {
            made.push(forward.clone());
        }
    }
    made
}
