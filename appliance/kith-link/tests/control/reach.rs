//! The oracle: whether the owner's device still reaches the panel, judged by what is in the model of the
//! kernel and what the daemons do, never by what the box wanted.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use kith_core::time::Instant;
use kith_link::names::{LAN_BRIDGE, MESH};
use kith_link::simulated::World;

/// How a device is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// By a cable in this port.
    Cable(&'static str),
    /// By this Wi-Fi with this passphrase, the only one it knows.
    Wifi(&'static str, &'static str),
    /// Through another box of the mesh, which knows the box by this address in it.
    Mesh(Option<IpAddr>),
}

/// Whoever sits in front of the panel.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) name: &'static str,
    pub(crate) link: Link,
    /// Its own address, which it keeps while nobody gives it another.
    pub(crate) address: Ipv4Addr,
}

/// The port of the panel.
pub(crate) const PANEL: u16 = 80;

impl Device {
    /// Whether it reaches the panel.
    pub(crate) fn reaches(&self, world: &World, now: Instant) -> bool {
        match &self.link {
            Link::Cable(port) => {
                world.carrier(now, port)
                    && world.master(port) == Some(LAN_BRIDGE)
                    && self.in_household(world, now)
            }
            Link::Wifi(ssid, passphrase) => {
                let known = world.serving(now).into_iter().any(|(bss, _)| {
                    bss.ssid == *ssid
                        && bss.passphrase.as_deref() == Some(passphrase)
                        && world.master(&bss.interface) == Some(LAN_BRIDGE)
                });
                known && self.in_household(world, now)
            }
            Link::Mesh(address) => {
                let address = address.expect("it was looked up");
                let joined = !world.neighbours(now).is_empty();
                let ours = world.addresses(MESH).any(|net| net.addr() == address);
                joined && ours && lets_in(world, "from_mesh", &format!("iifname \"{MESH}\""))
            }
        }
    }

    fn in_household(&self, world: &World, now: Instant) -> bool {
        let nets: Vec<Ipv4Net> = world
            .addresses(LAN_BRIDGE)
            .filter_map(|net| match net {
                IpNet::V4(net) => Some(net),
                IpNet::V6(_) => None,
            })
            .collect();
        // It takes what it is given, or goes on with what it has.
        let given = world.pool(now, LAN_BRIDGE).map(|range| range.first);
        let addresses = [given, Some(self.address)];
        let answers = addresses
            .into_iter()
            .flatten()
            .any(|own| nets.iter().any(|net| net.contains(&own) && net.addr() != own));
        let bridge_up = world.carrier(now, LAN_BRIDGE);
        answers
            && bridge_up
            && lets_in(world, "from_household", &format!("iifname \"{LAN_BRIDGE}\""))
    }
}

/// Whether the firewall sends what comes in there to a chain that accepts the panel's port.
fn lets_in(world: &World, chain: &str, from: &str) -> bool {
    let Some(ruleset) = world.ruleset() else { return false };
    let jump = format!("goto {chain}");
    let sent = ruleset.lines().any(|line| line.contains(from) && line.contains(&jump));
    let body = ruleset.split_once(&format!("chain {chain} {{")).map(|(_, after)| after);
    let body = body.and_then(|after| after.split_once("\n  }").or(after.split_once("\n\t}")));
    let accepts = body.is_some_and(|(body, _)| body.contains(&format!("tcp dport {PANEL} accept")));
    sent && accepts
}

/// The owner's three devices.
pub(crate) fn devices(world: &World) -> Vec<Device> {
    let mesh = world.addresses(MESH).map(|net| net.addr()).find(IpAddr::is_ipv4);
    vec![
        Device {
            name: "on a LAN port",
            link: Link::Cable("lan1"),
            address: Ipv4Addr::new(192, 168, 77, 23),
        },
        Device {
            name: "on the household's Wi-Fi",
            link: Link::Wifi(super::bad::SSID, super::bad::PASSPHRASE),
            address: Ipv4Addr::new(192, 168, 77, 24),
        },
        Device {
            name: "over the mesh",
            link: Link::Mesh(mesh),
            address: Ipv4Addr::new(10, 0, 0, 1),
        },
    ]
}

/// The devices that do not reach the panel.
pub(crate) fn cut_off(devices: &[Device], world: &World, now: Instant) -> Vec<&'static str> {
    devices.iter().filter(|device| !device.reaches(world, now)).map(|device| device.name).collect()
}
