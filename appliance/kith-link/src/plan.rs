//! From what is there to what shall be, in the right order: a pure function.
//!
//! The firewall comes first, so that nothing new is ever open before it is guarded. Daemons that shall not
//! be, or not like this, stop before their interfaces go. What is new is made before it is used: bridges,
//! members, addresses, routes, files; and daemons start last, when all they need is there. Only what the
//! box made is ever removed.

mod daemons;
mod links;
mod power;

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use kith_model::network::status::{Client, Network};

use crate::desired::{Desired, RouteSpec};
use crate::seen::Seen;
use crate::step::Step;
use crate::{flows, names};

/// What to do, in this order. Nothing when all is as it shall be.
#[must_use]
pub fn plan(desired: &Desired, seen: &Seen) -> Vec<Step> {
    let scene = Scene { desired, seen };
    let mut steps = Vec::new();
    if seen.ruleset.as_ref() != Some(&desired.ruleset) {
        steps.push(Step::LoadRuleset(desired.ruleset.clone()));
    }
    steps.extend(forgotten(&scene));
    if seen.country != desired.country {
        steps.push(Step::SetCountry(desired.country.clone()));
    }
    let gone = links::gone(&scene);
    steps.extend(daemons::stop(&scene, !gone.is_empty()));
    steps.extend(links::leave(&scene));
    steps.extend(gone.iter().map(|name| Step::RemoveLink { name: name.clone() }));
    steps.extend(links::make(&scene));
    steps.extend(sysctls(&scene));
    steps.extend(power::set(&scene));
    steps.extend(links::switch_on(&scene));
    steps.extend(missing_addresses(&scene, &gone));
    steps.extend(routes(&scene, &gone));
    steps.extend(extra_addresses(&scene, &gone));
    steps.extend(daemons::files(&scene));
    steps.extend(daemons::reload(&scene));
    steps.extend(daemons::start(&scene));
    steps.extend(daemons::rejoin(&scene));
    steps.extend(daemons::stale_files(&scene));
    steps
}

/// Both sides.
struct Scene<'a> {
    desired: &'a Desired,
    seen: &'a Seen,
}

impl Scene<'_> {
    /// Whether an interface is there once the links are done.
    fn will_be(&self, link: &str) -> bool {
        let Some(wanted) = self.desired.links.get(link) else {
            return self.seen.links.contains_key(link) && !names::is_own(link);
        };
        links::is_made(&wanted.kind) || self.seen.links.contains_key(link)
    }
}

/// Connections that are open although what allowed them is gone.
fn forgotten(scene: &Scene<'_>) -> Option<Step> {
    let Scene { desired, seen } = scene;
    let now = desired.files.get(names::ALLOWED)?;
    let addresses = |mac| {
        let of_it = seen.clients.iter().filter(|client| client.mac == mac);
        let all = |client: &Client| {
            let ipv4 = client.ipv4.map(IpAddr::V4);
            ipv4.into_iter().chain(client.ipv6.iter().map(|ipv6| IpAddr::V6(*ipv6))).collect()
        };
        of_it.flat_map(|client| -> Vec<IpAddr> { all(client) }).collect()
    };
    let over = flows::over(seen.files.get(names::ALLOWED)?, &now.content, addresses);
    (!over.is_empty()).then_some(Step::ForgetFlows(over))
}

/// Kernel settings that differ. Those that switch forwarding come first: they set others back.
fn sysctls(scene: &Scene<'_>) -> Vec<Step> {
    let differ = scene.desired.sysctls.iter().filter(|(path, value)| {
        scene.seen.sysctls.get(*path) != Some(value)
            && device(path).is_none_or(|d| scene.will_be(d))
    });
    let set = |(path, value): (&String, &String)| Step::SetSysctl {
        path: path.clone(),
        value: value.clone(),
    };
    let (first, then): (Vec<_>, Vec<_>) =
        differ.partition(|(path, _)| path.ends_with("forward") || path.ends_with("forwarding"));
    first.into_iter().chain(then).map(set).collect()
}

/// The interface that a kernel setting is about: `ipv4/conf/DEVICE/rp_filter`.
fn device(path: &str) -> Option<&str> {
    let (_, rest) = path.split_once("/conf/")?;
    let (device, _) = rest.rsplit_once('/')?;
    Some(device).filter(|device| !matches!(*device, "all" | "default"))
}

/// Addresses that are missing.
fn missing_addresses(scene: &Scene<'_>, gone: &[String]) -> Vec<Step> {
    let missing = scene.desired.addresses.iter().filter(|address| {
        let there = scene.seen.addresses.contains(*address) && !gone.contains(&address.0);
        !there && scene.will_be(&address.0)
    });
    let add = |(device, address): &(String, IpNet)| Step::AddAddress {
        device: device.clone(),
        address: *address,
    };
    missing.map(add).collect()
}

/// Addresses that are too much, of interfaces that stay. Of an uplink's IPv6 addresses none is too much:
/// routers give them and take them.
fn extra_addresses(scene: &Scene<'_>, gone: &[String]) -> Vec<Step> {
    let Scene { desired, seen } = scene;
    let given = |device: &str, address: &IpNet| {
        let wan = desired.links.get(device).is_some_and(|link| link.network == Network::Wan);
        wan && matches!(address, IpNet::V6(_))
    };
    let extra = seen.addresses.difference(&desired.addresses).filter(|(device, address)| {
        desired.links.contains_key(device) && !gone.contains(device) && !given(device, address)
    });
    let remove = |(device, address): &(String, IpNet)| Step::RemoveAddress {
        device: device.clone(),
        address: *address,
    };
    extra.map(remove).collect()
}

/// Routes: first away with those that stand in the way of new ones, then the new ones (what is on the
/// link before what is behind it), then away with the rest. What goes with its interface is gone already.
fn routes(scene: &Scene<'_>, gone: &[String]) -> Vec<Step> {
    let Scene { desired, seen } = scene;
    let there = |route: &&RouteSpec| route.device.as_ref().is_none_or(|d| scene.will_be(d));
    let stays = |route: &&RouteSpec| !route.device.as_ref().is_some_and(|d| gone.contains(d));
    let kept: BTreeSet<RouteSpec> = seen.routes.iter().filter(stays).cloned().collect();
    let mut missing: Vec<&RouteSpec> = desired.routes.difference(&kept).filter(there).collect();
    missing.sort_by_key(|route| route.via.is_some());
    let places: BTreeSet<(IpNet, u32)> =
        missing.iter().map(|route| (route.to, route.metric)).collect();
    let extra = kept.difference(&desired.routes);
    let (in_the_way, rest): (Vec<_>, Vec<_>) =
        extra.partition(|route| places.contains(&(route.to, route.metric)));
    let remove = |route: &RouteSpec| Step::RemoveRoute(route.clone());
    let mut steps: Vec<Step> = in_the_way.into_iter().map(remove).collect();
    steps.extend(missing.into_iter().cloned().map(Step::AddRoute));
    steps.extend(rest.into_iter().map(remove));
    steps
}
