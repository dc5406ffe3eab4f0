//! The people of the house and their visitors: they come once there is a network for them.

use std::net::Ipv4Addr;
use std::time::Duration;

use kith_core::time::{Instant, UnixTime};
use kith_model::network::status::{Client, Network};
use kith_model::settings::values::Mac;

use super::air::near;
use super::chance::roll;

/// How somebody is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plug {
    /// On this port.
    Cable(&'static str),
    /// On the household's Wi-Fi.
    Household,
    /// On the visitors' Wi-Fi.
    Guest,
}

struct Device {
    mac: Mac,
    hostname: &'static str,
    plug: Plug,
    signal: i8,
    /// Whether it prefers 5 GHz.
    high: bool,
    /// How long after its network is there it comes, in seconds.
    after: u64,
}

const fn device(
    last: u8,
    hostname: &'static str,
    plug: Plug,
    (signal, high, after): (i8, bool, u64),
) -> Device {
    Device { mac: Mac([0x02, 0x70, 0x65, 0, 0, last]), hostname, plug, signal, high, after }
}

const DEVICES: [Device; 7] = [
    device(1, "desk", Plug::Cable("lan1"), (0, false, 1)),
    device(2, "pixel-8", Plug::Household, (-51, true, 4)),
    device(3, "galaxy-a3", Plug::Household, (-67, false, 7)),
    device(4, "radio-kitchen", Plug::Household, (-72, false, 15)),
    device(5, "laptop-ada", Plug::Household, (-58, true, 25)),
    device(6, "iphone", Plug::Guest, (-64, true, 12)),
    device(7, "<b>visitor</b>", Plug::Guest, (-70, false, 40)),
];

/// A Wi-Fi network that is served right now.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) interface: String,
    pub(super) guest: bool,
    pub(super) high: bool,
    /// Since when.
    pub(super) since: Instant,
}

/// What there is to be had.
#[derive(Clone, Debug, Default)]
pub(super) struct Offered {
    pub(super) served: Vec<Served>,
    /// Ports with a plug in a household's bridge, and since when.
    pub(super) ports: Vec<(String, Instant)>,
    /// The first address that is given out to the household and to visitors.
    pub(super) pools: [Option<Ipv4Addr>; 2],
}

/// Everybody who is here.
pub(super) fn clients(seed: u64, now: Instant, wall: UnixTime, offered: &Offered) -> Vec<Client> {
    DEVICES.iter().filter_map(|device| client(seed, now, wall, offered, device)).collect()
}

/// So many more devices of the household, each like the first that is here.
pub(super) fn crowd(more: u8, clients: &mut Vec<Client>) {
    let Some(like) = clients.iter().find(|client| client.network == Network::Household).cloned()
    else {
        return;
    };
    clients.extend((0..more).map(|number| Client {
        mac: Mac([0x02, 0x70, 0x65, 1, 0, number]),
        hostname: Some(format!("device-{number}")),
        ipv4: like.ipv4.map(|ip| Ipv4Addr::from(u32::from(ip) + 30 + u32::from(number))),
        ..like.clone()
    }));
}

fn client(
    seed: u64,
    now: Instant,
    wall: UnixTime,
    offered: &Offered,
    device: &Device,
) -> Option<Client> {
    let guest = device.plug == Plug::Guest;
    let (interface, band, since) = match device.plug {
        Plug::Cable(port) => {
            let (name, since) = offered.ports.iter().find(|(name, _)| name == port)?;
            (name.clone(), "cable", *since)
        }
        Plug::Household | Plug::Guest => {
            let of_it = || offered.served.iter().filter(|served| served.guest == guest);
            let wanted = of_it().find(|served| served.high == device.high);
            let served = wanted.or_else(|| of_it().next())?;
            (served.interface.clone(), if served.high { "5 GHz" } else { "2.4 GHz" }, served.since)
        }
    };
    let here = Duration::from_secs(device.after);
    let came = since + here;
    if now < came {
        return None;
    }
    let own = seed ^ u64::from(device.mac.0[5]);
    let signal = (band != "cable").then(|| near(own, now, device.signal, 5));
    let pool = offered.pools[usize::from(guest)];
    let last = u32::from(device.mac.0[5]);
    let since_wall = wall.as_millis().saturating_sub(millis(now.since(came)));
    Some(Client {
        mac: device.mac,
        name: None,
        hostname: Some(device.hostname.to_owned()),
        network: if guest { Network::Guest } else { Network::Household },
        ipv4: pool.map(|first| Ipv4Addr::from(u32::from(first) + last)),
        ipv6: Vec::new(),
        device: Some(interface),
        band: Some(band.to_owned()),
        signal_dbm: signal,
        rate_kbit: signal.map(|dbm| {
            let margin = u32::try_from((i32::from(dbm) + 95).max(1)).unwrap_or(1);
            margin * 3_000
                + u32::try_from(roll(own ^ (now.as_micros() / 5_000_000), 900)).unwrap_or(0)
        }),
        since: Some(since_wall),
        lease_until: pool.map(|_| since_wall + 12 * 3_600_000),
        fixed: false,
        paused: false,
        here: true,
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
