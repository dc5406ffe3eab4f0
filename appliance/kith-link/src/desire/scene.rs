//! The scene: what all rooms need to know, found out once. Which port belongs to whom, which ways to the
//! internet there are, which prefixes the networks have.

use std::collections::BTreeSet;

use ipnet::{Ipv4Net, Ipv6Net};
use kith_model::network::status::Problem;
use kith_model::profile::{PortRole, Profile};
use kith_model::settings::Settings;
use kith_model::settings::values::{InterfaceName, MeshId};

use super::uplink::{self, Way};
use super::{interface, made, problem};
use crate::facts::Facts;
use crate::names::RUN;

/// What all rooms need to know.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) settings: &'a Settings,
    pub(super) facts: &'a Facts,
    /// The box's key; nothing until the node has said it.
    pub(super) key: Option<&'a [u8; 32]>,
    /// Ports of the household.
    pub(super) lan_ports: Vec<InterfaceName>,
    /// Ports that lead to other boxes.
    pub(super) mesh_ports: Vec<InterfaceName>,
    /// Ways to the internet, the preferred first.
    pub(super) ways: Vec<Way<'a>>,
    /// Whether there is a network for visitors.
    pub(super) guest: bool,
    /// The mesh, when the box takes part in one.
    pub(super) mesh: Option<&'a MeshId>,
    /// The networks' prefixes over IPv6, those of household and visitors.
    pub(super) household: Prefixes,
    pub(super) visitors: Prefixes,
}

/// The /64 prefixes of one network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Prefixes {
    /// The local one.
    pub(super) local: Option<Ipv6Net>,
    /// Of what the way in use delegates.
    pub(super) delegated: Option<Ipv6Net>,
}

impl Prefixes {
    pub(super) fn all(&self) -> impl Iterator<Item = Ipv6Net> {
        self.local.into_iter().chain(self.delegated)
    }
}

impl<'a> Scene<'a> {
    pub(super) fn set(
        settings: &'a Settings,
        profile: &'a Profile,
        facts: &'a Facts,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let ports: BTreeSet<InterfaceName> =
            facts.ports.iter().filter_map(|port| interface(port)).collect();
        let mesh = which_mesh(settings, facts, problems);
        let wanted: &[InterfaceName] = if mesh.is_some() { &settings.mesh.ports } else { &[] };
        let mesh_ports = present(wanted, &ports, problems);
        let ways = uplink::ways(settings, profile, facts, &mesh_ports, problems);
        let taken: BTreeSet<&InterfaceName> =
            mesh_ports.iter().chain(ways.iter().map(|way| &way.device)).collect();
        let lan_ports = lan_ports(settings, profile, &ports, &taken, problems);
        let mut scene = Self {
            settings,
            facts,
            key: Some(&facts.node_key).filter(|key| **key != [0; 32]),
            lan_ports,
            mesh_ports,
            ways,
            guest: visitors(settings, facts, problems),
            mesh,
            household: Prefixes::default(),
            visitors: Prefixes::default(),
        };
        scene.divide(problems);
        scene
    }

    /// The way in use, when it is the box's own.
    pub(super) fn way_out(&self) -> Option<&Way<'a>> {
        self.ways.iter().find(|way| way.in_use)
    }

    /// Whether what uses the provider's IPv6 prefix has a next router (RFC 7084, G-4 and G-5).
    pub(super) fn has_router6(&self) -> bool {
        self.way_out().is_some_and(|way| way.offer.router6.is_some())
    }

    /// Whether anything passes through the box.
    pub(super) const fn forwarding(&self) -> bool {
        self.facts.claimed
    }

    /// `RUN/link`, as daemons read it.
    pub(super) fn folder(&self) -> String {
        let run = if self.facts.run.is_empty() { RUN } else { &self.facts.run };
        format!("{run}/link")
    }

    /// The box's address in the mesh.
    pub(super) fn mesh_ipv4(&self) -> Option<Ipv4Net> {
        let retries = self.facts.mesh_address_retries;
        Some(made::mesh_ipv4(self.mesh?, self.key?, retries))
    }

    /// Gives each network its prefixes: the first of what there is to the household, the second to
    /// visitors.
    fn divide(&mut self, problems: &mut Vec<Problem>) {
        let made = self.key.map(made::household_ula);
        let local = self.settings.lan.ula.map(|ula| ula.trunc());
        let subnet = |number| {
            let of = |prefix: Option<Ipv6Net>| made::subnet(prefix?, number);
            of(local).or_else(|| of(made))
        };
        self.household.local = subnet(0);
        self.visitors.local = subnet(1);
        if local.is_some_and(|local| local.prefix_len() > 64) {
            let message = "A device needs a network of size /64 for IPv6: lan.ula is smaller, so the \
                           box uses one made of its key. Take its line out, or write a /48.";
            problem(problems, "ula-too-small", message);
        }
        if !self.forwarding() {
            return;
        }
        if let Some(prefix) = self.way_out().and_then(|way| way.offer.prefix.map(|p| p.prefix)) {
            self.household.delegated = made::subnet(prefix, 0);
            self.visitors.delegated = made::subnet(prefix, 1);
            if self.household.delegated.is_none() {
                let message = format!(
                    "The provider delegates {prefix}, which is too small for a network: devices have \
                     no IPv6 internet. Ask the provider for a /56."
                );
                problem(problems, "prefix-too-small", message);
            } else if self.guest && self.visitors.delegated.is_none() {
                let message = format!(
                    "The provider delegates {prefix}, which is one network only: visitors have no \
                     IPv6 internet. Ask the provider for a /56."
                );
                problem(problems, "prefix-for-one", message);
            }
        }
    }
}

fn visitors(settings: &Settings, facts: &Facts, problems: &mut Vec<Problem>) -> bool {
    let (visitors, household) = (settings.guest.address, settings.lan.address);
    if !facts.claimed || !settings.wifi.guest.enabled {
        return false;
    }
    if overlap(visitors, household) {
        let message = format!(
            "Visitors and household share addresses ({} and {}): visitors have no network until one \
             of them is moved.",
            visitors.trunc(),
            household.trunc()
        );
        problem(problems, "guest-overlap", message);
        return false;
    }
    true
}

/// Whether two networks have an address in common.
pub(super) fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

fn which_mesh<'a>(
    settings: &'a Settings,
    facts: &Facts,
    problems: &mut Vec<Problem>,
) -> Option<&'a MeshId> {
    if !facts.claimed || !settings.mesh.enabled {
        return None;
    }
    if settings.mesh.id.is_none() {
        let message = "The mesh is on but has no name: write mesh.id as the other boxes have it.";
        problem(problems, "mesh-unnamed", message);
    }
    settings.mesh.id.as_ref()
}

/// Those of the wanted ports that are there.
fn present(
    wanted: &[InterfaceName],
    ports: &BTreeSet<InterfaceName>,
    problems: &mut Vec<Problem>,
) -> Vec<InterfaceName> {
    let mut found = Vec::new();
    for port in wanted {
        if !ports.contains(port) {
            missing_port(port, problems);
        } else if !found.contains(port) {
            found.push(port.clone());
        }
    }
    found
}

pub(super) fn missing_port(port: &InterfaceName, problems: &mut Vec<Problem>) {
    let message = format!(
        "There is no port called {port}: plug the adapter in, or choose one of the ports that are there."
    );
    problem(problems, "no-port", message);
}

fn lan_ports(
    settings: &Settings,
    profile: &Profile,
    ports: &BTreeSet<InterfaceName>,
    taken: &BTreeSet<&InterfaceName>,
    problems: &mut Vec<Problem>,
) -> Vec<InterfaceName> {
    if let Some(wanted) = &settings.lan.ports {
        for port in wanted.iter().filter(|port| taken.contains(port)) {
            let message = format!(
                "The port {port} is wanted for the household and for something else: the household \
                 does without it."
            );
            problem(problems, "port-twice", message);
        }
        let found = present(wanted, ports, problems);
        return found.into_iter().filter(|port| !taken.contains(port)).collect();
    }
    let role = |port: &InterfaceName| {
        profile.port.iter().find(|known| known.device == *port).map(|known| known.role)
    };
    let belongs = |port: &&InterfaceName| match role(port) {
        Some(PortRole::Lan) => true,
        Some(PortRole::Wan) => false,
        None => profile.other_ports_lan,
    };
    ports.iter().filter(belongs).filter(|port| !taken.contains(port)).cloned().collect()
}
