//! Devices of household and visitors: from leases, neighbours, bridges and radios to one list.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use kith_core::time::UnixTime;
use kith_model::network::status::{Client, Network};
use kith_model::settings::values::Mac;

use super::leases::{Lease, is_worth_showing};
use super::neighbours::{Bridged, Neighbour};
use super::wifi::{self, Air};
use crate::names::{GUEST_BRIDGE, LAN_BRIDGE};
use crate::seen::SeenLink;

/// More addresses of one device than anybody reads: privacy addresses come and go.
const MOST_ADDRESSES: usize = 8;

/// More devices than a household's network holds.
const MOST: usize = 2_048;

/// What is known of devices.
#[derive(Clone, Debug)]
pub(crate) struct Sources<'a> {
    pub(crate) links: &'a BTreeMap<String, SeenLink>,
    pub(crate) addresses: &'a BTreeSet<(String, IpNet)>,
    pub(crate) leases: &'a [Lease],
    pub(crate) neighbours: &'a [Neighbour],
    pub(crate) bridged: &'a [Bridged],
    pub(crate) air: &'a Air,
    pub(crate) now: UnixTime,
}

/// The devices, by their addresses.
pub(crate) fn gather(sources: &Sources<'_>) -> Vec<Client> {
    let names: BTreeMap<u32, &String> =
        sources.links.iter().map(|(name, link)| (link.index, name)).collect();
    let mut clients: BTreeMap<Mac, Client> = BTreeMap::new();
    for bridged in sources.bridged {
        let Some(port) = names.get(&bridged.port) else { continue };
        let master = sources.links.get(*port).and_then(|link| link.master.as_deref());
        let Some(client) = note(&mut clients, bridged.mac, master.and_then(network)) else {
            continue;
        };
        client.here = true;
        client.device = Some((*port).clone());
        client.band = Some("cable".into());
    }
    for neighbour in sources.neighbours {
        let bridge = names.get(&neighbour.device).and_then(|name| network(name));
        let Some(client) = note(&mut clients, neighbour.mac, bridge) else { continue };
        match neighbour.ip {
            IpAddr::V4(ip) => client.ipv4 = Some(ip),
            IpAddr::V6(ip) => {
                if is_worth_showing(&ip) && client.ipv6.len() < MOST_ADDRESSES {
                    client.ipv6.push(ip);
                }
            }
        }
    }
    for lease in sources.leases {
        let bridge = network_of(sources, lease);
        let Some(client) = note(&mut clients, lease.mac, bridge) else { continue };
        client.ipv4 = Some(lease.ip);
        client.hostname.clone_from(&lease.hostname);
        client.lease_until = lease.until;
    }
    for client in clients.values_mut() {
        listen(client, sources);
        client.ipv6.sort_unstable();
    }
    // The bridges' own addresses are nobody's device.
    clients.retain(|mac, _| !sources.links.values().any(|link| link.mac == Some(*mac)));
    clients.into_values().collect()
}

/// The entry of a device; made if it is new and its network is known.
fn note(
    clients: &mut BTreeMap<Mac, Client>,
    mac: Mac,
    network: Option<Network>,
) -> Option<&mut Client> {
    if !clients.contains_key(&mac) {
        let network = network.filter(|_| clients.len() < MOST)?;
        clients.insert(mac, stranger(mac, network));
    }
    clients.get_mut(&mac)
}

const fn stranger(mac: Mac, network: Network) -> Client {
    Client {
        mac,
        name: None,
        hostname: None,
        network,
        ipv4: None,
        ipv6: Vec::new(),
        device: None,
        band: None,
        signal_dbm: None,
        rate_kbit: None,
        since: None,
        lease_until: None,
        fixed: false,
        paused: false,
        here: false,
    }
}

/// What is heard of it by radio.
fn listen(client: &mut Client, sources: &Sources<'_>) {
    let Some((interface, station)) = wifi::place(sources.air, client.mac) else { return };
    client.here = true;
    client.device = Some(interface.name.clone());
    client.band = interface.frequency_mhz.map(|mhz| wifi::band(mhz).to_owned());
    client.signal_dbm = station.signal_dbm;
    client.rate_kbit = station.rate_kbit;
    client.since = station.connected_seconds.map(|seconds| {
        sources.now.as_millis().saturating_sub(u64::from(seconds).saturating_mul(1_000))
    });
}

/// The network of a bridge.
fn network(bridge: &str) -> Option<Network> {
    match bridge {
        LAN_BRIDGE => Some(Network::Household),
        GUEST_BRIDGE => Some(Network::Guest),
        _ => None,
    }
}

/// The network that a lease's address is of.
fn network_of(sources: &Sources<'_>, lease: &Lease) -> Option<Network> {
    let ip = IpAddr::V4(lease.ip);
    let here = sources.addresses.iter().filter(|(_, net)| net.contains(&ip));
    here.filter_map(|(device, _)| network(device)).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seen::SeenKind;

    fn link(index: u32, kind: SeenKind, master: Option<&str>) -> SeenLink {
        SeenLink {
            index,
            kind,
            mac: Some(Mac([2, 0, 0, 0, 0, u8::try_from(index).unwrap()])),
            up: true,
            carrier: true,
            master: master.map(ToOwned::to_owned),
            mtu: 1_500,
            isolated: false,
            received_bytes: 0,
            sent_bytes: 0,
        }
    }

    #[test]
    fn what_is_known_of_a_device_comes_together() {
        let links = BTreeMap::from([
            ("br-lan".to_owned(), link(1, SeenKind::Bridge, None)),
            ("br-guest".to_owned(), link(2, SeenKind::Bridge, None)),
            ("lan1".to_owned(), link(3, SeenKind::Port, Some("br-lan"))),
            ("wan".to_owned(), link(4, SeenKind::Port, None)),
        ]);
        let [laptop, visitor, gone, router] =
            [0xa, 0xb, 0xc, 0xd].map(|last| Mac([6, 0, 0, 0, 0, last]));
        let near = |device, ip: &str, mac| Neighbour { device, ip: ip.parse().unwrap(), mac };
        let lease = |mac, ip: &str, name: &str| Lease {
            mac,
            ip: ip.parse().unwrap(),
            hostname: Some(name.to_owned()),
            until: Some(9),
        };
        let own = |device: &str, net: &str| (device.to_owned(), net.parse().unwrap());
        let sources = Sources {
            links: &links,
            addresses: &BTreeSet::from([
                own("br-lan", "192.168.77.1/24"),
                own("br-guest", "192.168.78.1/24"),
            ]),
            leases: &[lease(laptop, "192.168.77.9", "laptop"), lease(gone, "192.168.78.7", "old")],
            neighbours: &[
                near(1, "192.168.77.9", laptop),
                near(1, "fe80::9", laptop),
                near(1, "fd00::9", laptop),
                near(2, "192.168.78.5", visitor),
                near(4, "192.0.2.1", router),
            ],
            bridged: &[
                Bridged { port: 3, mac: laptop },
                Bridged { port: 3, mac: Mac([2, 0, 0, 0, 0, 1]) },
            ],
            air: &Air::default(),
            now: UnixTime::from_millis(50_000),
        };
        let clients = gather(&sources);
        let seen: Vec<_> = clients.iter().map(|c| (c.mac, c.network, c.here)).collect();
        assert_eq!(
            seen,
            [
                (laptop, Network::Household, true),
                (visitor, Network::Guest, false),
                (gone, Network::Guest, false)
            ],
            "the provider's router is no device of ours, nor is the bridge itself"
        );
        let laptop = &clients[0];
        assert_eq!(laptop.hostname.as_deref(), Some("laptop"));
        assert_eq!(
            (laptop.device.as_deref(), laptop.band.as_deref()),
            (Some("lan1"), Some("cable"))
        );
        assert_eq!(laptop.ipv6, ["fd00::9".parse::<std::net::Ipv6Addr>().unwrap()]);
    }
}
