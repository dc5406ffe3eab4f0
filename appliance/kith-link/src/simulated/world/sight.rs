//! What there is to be seen: it all follows from kernel, daemons and time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::IpNet;
use kith_core::time::{Instant, UnixTime};
use kith_model::daemon::{DaemonId, Program};
use kith_model::network::status::{Client, Mesh, Radio};
use kith_model::settings::values::Mac;

use super::super::chance::{roll, wander};
use super::super::conf::{self, Bss};
use super::super::kernel::Iface;
use super::super::people::{self, Offered, Served};
use super::super::{air, radios};
use super::{ANSWERS, JOINS, RADAR, World};
use crate::desired::WifiMode;
use crate::names::{GUEST_BRIDGE, LAN_BRIDGE, MESH};
use crate::seen::{Seen, SeenKind, SeenLink};

impl World {
    /// Everything that is there.
    pub fn look(&mut self, now: Instant, wall: UnixTime) -> Seen {
        let kernel = &self.kernel;
        let links: BTreeMap<String, SeenLink> = kernel
            .links
            .iter()
            .map(|(name, link)| (name.clone(), self.seen_link(now, name, link)))
            .collect();
        let mesh_device = self.mesh_device(now);
        let in_mesh = mesh_device.is_some() && links.get(MESH).is_some_and(|link| link.up);
        let mesh = match mesh_device.filter(|_| in_mesh) {
            Some((device, network)) => self.mesh(now, &device, &network),
            None => Mesh::default(),
        };
        Seen {
            country: kernel.country.clone(),
            addresses: kernel.addresses.clone(),
            routes: kernel.routes.clone(),
            sysctls: kernel.sysctls.clone(),
            ruleset: kernel.ruleset.clone(),
            files: self.daemons.seen_files(),
            daemons: self.daemons.seen(now),
            radios: [radios::LOW, radios::HIGH]
                .map(|name| (name.to_owned(), self.radio(now, name)))
                .into(),
            mesh_arp: self.mesh_arp(now, in_mesh),
            mesh,
            clients: self.clients(now, wall, &links),
            links,
        }
    }

    fn seen_link(&self, now: Instant, name: &str, link: &Iface) -> SeenLink {
        let busy = now.as_micros() / 1_000_000;
        let rate = 2_000 + roll(self.seed ^ u64::from(link.index), 60_000);
        let carrier = self.carrier(now, name);
        SeenLink {
            index: link.index,
            kind: link.kind.clone(),
            mac: Some(link.mac),
            up: link.up,
            carrier,
            master: link.master.clone(),
            mtu: link.mtu,
            isolated: link.isolated,
            received_bytes: if carrier { busy * rate * 4 } else { 0 },
            sent_bytes: if carrier { busy * rate } else { 0 },
        }
    }

    /// Whether there is a plug or a signal at the other end.
    #[must_use]
    pub fn carrier(&self, now: Instant, name: &str) -> bool {
        let Some(link) = self.kernel.links.get(name).filter(|link| link.up) else { return false };
        match &link.kind {
            SeenKind::Port => self.plugged.contains(name),
            SeenKind::Batadv(_) => true,
            SeenKind::Wifi { mode: Some(WifiMode::AccessPoint), .. } => {
                self.serving(now).iter().any(|(bss, _)| bss.interface == name)
            }
            SeenKind::Wifi { .. } => self.joined(now, name),
            SeenKind::Bridge => {
                let mut ports = self.kernel.links.iter();
                ports.any(|(port, link)| {
                    link.master.as_deref() == Some(name) && self.carrier(now, port)
                })
            }
            SeenKind::Other => false,
        }
    }

    /// Wi-Fi networks that are served right now, and by which radio.
    #[must_use]
    pub fn serving(&self, now: Instant) -> Vec<(Bss, String)> {
        let mut serving = Vec::new();
        for (id, daemon) in &self.daemons.running {
            let Some(config) = self.daemons.config(now, id) else { continue };
            if id.program != Program::Hostapd {
                continue;
            }
            let config = conf::hostapd(config);
            let radar = (52..=144).contains(&config.channel);
            if radar && now < daemon.started + RADAR {
                continue;
            }
            for bss in config.networks {
                let Some(link) = self.kernel.links.get(&bss.interface) else { continue };
                if let (SeenKind::Wifi { radio, .. }, true) = (&link.kind, link.up) {
                    serving.push((bss, radio.clone()));
                }
            }
        }
        serving
    }

    /// Whether a mesh interface or a station has joined what its file says.
    pub(super) fn joined(&self, now: Instant, name: &str) -> bool {
        self.network(now, name).is_some_and(|network| {
            // There is no other network than the neighbours' one that a station could join.
            network.mesh || network.ssid == "Lindenhof" || network.ssid == "Lindenhof 5G"
        })
    }

    fn network(&self, now: Instant, name: &str) -> Option<conf::Network> {
        let link = self.kernel.links.get(name).filter(|link| link.up)?;
        let instance = name.parse().ok()?;
        let id = DaemonId { program: Program::WpaSupplicant, instance };
        let daemon = self.daemons.running.get(&id)?;
        // wpa_supplicant 2.10 does not rejoin a mesh after its interface went down.
        let lost = daemon.joined_at_downs != link.downs;
        let network = conf::supplicant(self.daemons.config(now, &id)?);
        (!(lost && network.mesh) && daemon.joins + JOINS <= now).then_some(network)
    }

    /// How long a box of the mesh takes to answer: the worse the way, the longer; over a bad one, not
    /// every time.
    #[must_use]
    pub fn ping(&self, now: Instant, mac: Mac) -> Option<Duration> {
        let (device, network) = self.mesh_device(now)?;
        let mesh = self.mesh(now, &device, &network);
        let node = mesh.nodes.iter().find(|node| node.mac == mac.to_string())?;
        let worse = u64::from(u8::MAX - node.quality);
        let lost = node.quality < 100 && now.as_micros().is_multiple_of(3);
        (!lost).then(|| Duration::from_micros(1_200 + 60 * worse))
    }

    fn mesh(&self, now: Instant, device: &str, network: &conf::Network) -> Mesh {
        let wrong = self.mesh_secret.is_some() && self.mesh_secret != network.passphrase;
        let mut mesh = air::mesh(self.seed, now, &network.ssid, device);
        air::crowd(self.seed, now, self.crowd.0, &mut mesh);
        if wrong {
            (mesh.neighbours, mesh.nodes, mesh.gateways) = Default::default();
        }
        mesh
    }

    /// Who has answered for which address. Whoever was asked for once is watched from then on, as the
    /// kernel does with an entry of its table of neighbours.
    fn mesh_arp(&self, now: Instant, in_mesh: bool) -> BTreeMap<Ipv4Addr, Mac> {
        let answered = |address: &Ipv4Addr| {
            self.asked.get(address).is_some_and(|asked| *asked + ANSWERS <= now)
        };
        let others = self.others.iter().filter(|(address, _)| in_mesh && answered(address));
        others.map(|(address, mac)| (*address, *mac)).collect()
    }

    /// The boxes that are heard directly.
    #[must_use]
    pub fn neighbours(&self, now: Instant) -> Vec<String> {
        let up = self.kernel.links.get(MESH).is_some_and(|link| link.up);
        let joined = self.mesh_device(now).filter(|_| up);
        let mesh = joined.map(|(device, network)| self.mesh(now, &device, &network));
        mesh.unwrap_or_default().neighbours.into_iter().map(|neighbour| neighbour.mac).collect()
    }

    /// The interface that is in a mesh, and in which.
    fn mesh_device(&self, now: Instant) -> Option<(String, conf::Network)> {
        let mut parts = self.kernel.links.iter().filter(|(_, link)| {
            link.master.as_deref() == Some(MESH)
                && matches!(link.kind, SeenKind::Wifi { mode: Some(WifiMode::MeshPoint), .. })
        });
        parts.find_map(|(name, _)| {
            let network = self.network(now, name).filter(|network| network.mesh)?;
            Some((name.clone(), network))
        })
    }

    fn radio(&self, now: Instant, name: &str) -> Radio {
        let mut radio = radios::radio(name, self.kernel.country.as_ref());
        let busy = wander(self.seed ^ 3, now, 12) + 22;
        for (link, iface) in &self.kernel.links {
            let SeenKind::Wifi { radio: of, mode: Some(mode) } = &iface.kind else { continue };
            if of != name {
                continue;
            }
            let word = match mode {
                WifiMode::AccessPoint => "ap",
                WifiMode::MeshPoint => "mesh",
                WifiMode::Station => "station",
            };
            radio.interfaces.push((link.clone(), word.to_owned()));
            if let Some(channel) = self.channel_of(now, link, name) {
                radio.channel = Some(channel);
                radio.frequency_mhz = Some(radios::frequency(channel));
                radio.width_mhz = Some(20);
                let told = self.kernel.powers.get(name).map_or(20, |dbm| 20.min(*dbm));
                radio.power_dbm = i8::try_from(told).ok();
                radio.busy_percent = u8::try_from(busy).ok();
            }
        }
        radio.radar_wait_seconds = self.radar_wait(now, name);
        radio
    }

    fn channel_of(&self, now: Instant, link: &str, radio: &str) -> Option<u16> {
        if let Some(network) = self.network(now, link) {
            return Some(network.frequency.map_or(6, radios::channel));
        }
        let served = self.serving(now).iter().any(|(bss, on)| bss.interface == link && on == radio);
        let id = DaemonId { program: Program::Hostapd, instance: radio.parse().ok()? };
        let chosen = if radio == radios::LOW { 6 } else { 36 };
        let channel = conf::hostapd(self.daemons.config(now, &id)?).channel;
        served.then_some(if channel == 0 { chosen } else { channel })
    }

    fn radar_wait(&self, now: Instant, radio: &str) -> Option<u32> {
        let id = DaemonId { program: Program::Hostapd, instance: radio.parse().ok()? };
        let channel = conf::hostapd(self.daemons.config(now, &id)?).channel;
        let end = self.daemons.running.get(&id)?.started + RADAR;
        let waits = (52..=144).contains(&channel) && now < end;
        waits.then(|| u32::try_from(end.since(now).as_secs()).unwrap_or(0))
    }

    /// Which addresses are given out on a bridge, if any are.
    #[must_use]
    pub fn pool(&self, now: Instant, bridge: &str) -> Option<conf::Range> {
        let id = DaemonId { program: Program::Dnsmasq, instance: "lan".parse().ok()? };
        let config = conf::dnsmasq(self.daemons.config(now, &id)?);
        if !config.interfaces.iter().any(|name| name == bridge) {
            return None;
        }
        // dnsmasq serves a range on the interface that has an address in its network.
        config.ranges.into_iter().find(|range| {
            let mut own = self.kernel.addresses.iter().filter(|(device, _)| device == bridge);
            own.any(|(_, net)| {
                net.contains(&IpAddr::V4(range.first)) && net.contains(&IpAddr::V4(range.last))
            })
        })
    }

    /// The box's addresses on a device.
    pub fn addresses(&self, device: &str) -> impl Iterator<Item = IpNet> {
        self.kernel.addresses.iter().filter(move |(name, _)| name == device).map(|(_, net)| *net)
    }

    /// The bridge or mesh an interface is part of.
    #[must_use]
    pub fn master(&self, name: &str) -> Option<&str> {
        self.kernel.links.get(name)?.master.as_deref()
    }

    /// The ruleset that is loaded.
    #[must_use]
    pub fn ruleset(&self) -> Option<&str> {
        self.kernel.ruleset.as_deref()
    }

    fn clients(
        &mut self,
        now: Instant,
        wall: UnixTime,
        links: &BTreeMap<String, SeenLink>,
    ) -> Vec<Client> {
        let with_carrier =
            links.iter().filter(|(_, link)| link.carrier).map(|(name, _)| name.clone());
        let live: BTreeSet<String> = with_carrier.collect();
        self.since.retain(|name, _| live.contains(name));
        for name in &live {
            self.since.entry(name.clone()).or_insert(now);
        }
        let since = |name: &str| self.since.get(name).copied().unwrap_or(now);
        let served = self.serving(now).into_iter().filter_map(|(bss, radio)| {
            Some(Served {
                guest: match links.get(&bss.interface)?.master.as_deref()? {
                    LAN_BRIDGE => false,
                    GUEST_BRIDGE => true,
                    _ => return None,
                },
                high: radio == radios::HIGH,
                since: since(&bss.interface),
                interface: bss.interface,
            })
        });
        let in_house = |(_, link): &(&String, &SeenLink)| {
            link.carrier
                && link.kind == SeenKind::Port
                && link.master.as_deref() == Some(LAN_BRIDGE)
        };
        let offered = Offered {
            served: served.collect(),
            ports: links
                .iter()
                .filter(in_house)
                .map(|(name, _)| (name.clone(), since(name)))
                .collect(),
            pools: [LAN_BRIDGE, GUEST_BRIDGE]
                .map(|bridge| self.pool(now, bridge).map(|range| range.first)),
        };
        let mut clients = people::clients(self.seed, now, wall, &offered);
        people::crowd(self.crowd.1, &mut clients);
        clients
    }
}
