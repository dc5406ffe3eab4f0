//! The model as a whole: what was done to kernel and daemons, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::IpNet;
use kith_core::time::{Instant, UnixTime};
use kith_model::daemon::{DaemonId, Program};
use kith_model::network::ask::Heard;
use kith_model::network::status::{Mesh, Radio};
use kith_model::profile::Profile;

use super::chance::{roll, wander};
use super::conf::{self, Bss};
use super::daemons::{BEGINS, Daemons};
use super::kernel::{Iface, Kernel};
use super::people::{self, Offered, Served};
use super::{air, radios};
use crate::desired::WifiMode;
use crate::facts::{Delegated, Offer};
use crate::hands::{Event, HandsError};
use crate::names::{GUEST_BRIDGE, LAN_BRIDGE, MESH};
use crate::seen::{Seen, SeenKind, SeenLink};
use crate::step::Step;

/// How long an access point listens for radar first (ETSI EN 301 893: one minute).
const RADAR: Duration = Duration::from_secs(60);

/// How long a mesh or a station takes to join.
const JOINS: Duration = Duration::from_secs(2);

/// How long a provider takes to give an address.
const OFFERS: Duration = Duration::from_secs(2);

/// A box that is not there.
#[derive(Clone, Debug)]
pub struct World {
    seed: u64,
    ports: Vec<String>,
    plugged: BTreeSet<String>,
    /// Whether somebody behind the provider's router answers.
    internet: bool,
    mesh_secret: Option<String>,
    kernel: Kernel,
    daemons: Daemons,
    agenda: BTreeMap<(Instant, u64), Event>,
    planned: u64,
    /// Since when interfaces are as they are: joined, served, plugged.
    since: BTreeMap<String, Instant>,
}

impl World {
    /// A box that has just started, with somebody on the first port and a provider on the uplink port.
    #[must_use]
    pub fn booted(seed: u64, profile: &Profile) -> Self {
        let ports: Vec<String> =
            profile.port.iter().map(|port| port.device.as_str().to_owned()).collect();
        let plugged = ["lan1", "wan"].map(str::to_owned).into();
        Self {
            seed,
            kernel: Kernel::booted(&ports),
            ports,
            plugged,
            internet: true,
            mesh_secret: None,
            daemons: Daemons::default(),
            agenda: BTreeMap::new(),
            planned: 0,
            since: BTreeMap::new(),
        }
    }

    /// The power goes and comes back: plugs stay, all else is as new.
    pub fn reboot(&mut self) {
        self.kernel = Kernel::booted(&self.ports);
        self.daemons = Daemons::default();
        self.agenda.clear();
        self.since.clear();
    }

    /// Plugs a cable in or pulls it out.
    pub fn plug(&mut self, now: Instant, port: &str, plugged: bool) {
        if plugged {
            self.plugged.insert(port.to_owned());
        } else {
            self.plugged.remove(port);
            let event = Event::Offered { device: port.to_owned(), offer: Offer::default() };
            self.later(now, event);
        }
        self.later(now, Event::Changed);
        self.offer_soon(now);
    }

    /// The secret of the mesh in the air; without one any will do.
    pub fn set_mesh_secret(&mut self, secret: &str) {
        self.mesh_secret = Some(secret.to_owned());
    }

    /// Lets those behind the provider's router answer or not.
    pub const fn set_internet(&mut self, answers: bool) {
        self.internet = answers;
    }

    /// Switches an interface behind the box's back, and other mischief: a step that is not the box's.
    ///
    /// # Errors
    /// As [`Self::perform`].
    pub fn meddle(&mut self, now: Instant, step: &Step) -> Result<(), HandsError> {
        self.perform(now, step)?;
        self.later(now, Event::Changed);
        Ok(())
    }

    /// Lets a daemon hang.
    pub fn hang(&mut self, id: &DaemonId) {
        if let Some(daemon) = self.daemons.running.get_mut(id) {
            daemon.hung = true;
        }
    }

    /// Carries out a step.
    ///
    /// # Errors
    /// What Linux would refuse.
    pub fn perform(&mut self, now: Instant, step: &Step) -> Result<(), HandsError> {
        if self.kernel.perform(step)? {
            if matches!(step, Step::SetUp { .. } | Step::SetMaster { .. }) {
                self.offer_soon(now);
            }
            return Ok(());
        }
        match step {
            Step::WriteFile { path, file } => self.daemons.write(path, file),
            Step::RemoveFile { path } => {
                self.daemons.files.remove(path);
            }
            Step::WishDaemons(wishes) => {
                let (stopped, started) = self.daemons.wish(now, wishes);
                for (id, config) in stopped {
                    self.ended(&id, &config);
                }
                for id in started {
                    self.began(now, &id);
                }
                self.later(now + BEGINS, Event::Changed);
            }
            Step::Reload(id) => {
                if !self.daemons.reload(now, id) {
                    return Err(HandsError::Missing(format!("{id} does not run")));
                }
                self.began(now, id);
            }
            Step::Rejoin(id) => {
                let downs = self.kernel.links.get(id.instance.as_str()).map(|link| link.downs);
                let Some(daemon) = self.daemons.running.get_mut(id) else {
                    return Err(HandsError::Missing(format!("{id} does not run")));
                };
                daemon.joined_at_downs = downs.unwrap_or_default();
                daemon.joins = now;
                self.later(now + JOINS, Event::Changed);
            }
            Step::LoadRuleset(_)
            | Step::SetSysctl { .. }
            | Step::SetCountry(_)
            | Step::AddBridge { .. }
            | Step::AddBatadv { .. }
            | Step::AddWifi { .. }
            | Step::RemoveLink { .. }
            | Step::SetBatadv { .. }
            | Step::SetMtu { .. }
            | Step::SetMaster { .. }
            | Step::SetIsolated { .. }
            | Step::SetUp { .. }
            | Step::AddAddress { .. }
            | Step::RemoveAddress { .. }
            | Step::AddRoute(_)
            | Step::RemoveRoute(_) => {}
        }
        Ok(())
    }

    /// A daemon was started or read its file again: what it does to the kernel, it does now.
    fn began(&mut self, now: Instant, id: &DaemonId) {
        let downs = self.kernel.links.get(id.instance.as_str()).map(|link| link.downs);
        if let Some(daemon) = self.daemons.running.get_mut(id) {
            daemon.joined_at_downs = downs.unwrap_or_default();
        }
        if id.program == Program::Hostapd {
            let config = self.daemons.running.get(id).and_then(|daemon| daemon.config.as_deref());
            self.serve(&config.map(conf::hostapd).unwrap_or_default());
        }
        for after in [Duration::from_millis(500), JOINS + Duration::from_millis(500)] {
            self.later(now + after, Event::Changed);
        }
        self.offer_soon(now);
    }

    /// hostapd makes the interfaces of all networks but the first, switches them on and puts them where
    /// they belong.
    fn serve(&mut self, config: &conf::Hostapd) {
        let first = config.networks.first().and_then(|bss| self.kernel.links.get(&bss.interface));
        let Some(SeenKind::Wifi { radio, .. }) = first.map(|link| link.kind.clone()) else { return };
        for bss in &config.networks {
            self.kernel.add_network(&bss.interface, &radio);
            if let Some(link) = self.kernel.links.get_mut(&bss.interface) {
                link.up = true;
                if bss.bridge.is_some() {
                    link.master.clone_from(&bss.bridge);
                }
            }
            self.since.remove(&bss.interface);
        }
    }

    /// A daemon was stopped, and what it made goes with it.
    fn ended(&mut self, id: &DaemonId, config: &str) {
        if id.program != Program::Hostapd {
            return;
        }
        for (at, bss) in conf::hostapd(config).networks.iter().enumerate() {
            if at > 0 {
                self.kernel.remove(&bss.interface);
            } else if let Some(link) = self.kernel.links.get_mut(&bss.interface) {
                link.up = false;
                link.master = None;
            }
        }
    }

    fn later(&mut self, at: Instant, event: Event) {
        self.planned += 1;
        self.agenda.insert((at, self.planned), event);
    }

    /// Every uplink that somebody asks through is offered something after a moment.
    fn offer_soon(&mut self, now: Instant) {
        let asks = |id: &&DaemonId| id.program == Program::Dhcpcd;
        let devices: Vec<String> =
            self.daemons.running.keys().filter(asks).map(|id| id.instance.to_string()).collect();
        for device in devices {
            let offer = Offer::default();
            self.later(now + OFFERS, Event::Offered { device, offer });
        }
    }

    /// When something happens next by itself.
    #[must_use]
    pub fn next_event(&self) -> Option<Instant> {
        self.agenda.keys().next().map(|(at, _)| *at)
    }

    /// What has happened by itself until `now`.
    pub fn event(&mut self, now: Instant) -> Option<Event> {
        let key = *self.agenda.keys().next().filter(|(at, _)| *at <= now)?;
        let event = self.agenda.remove(&key)?;
        Some(match event {
            Event::Offered { device, .. } => {
                let offer = self.offer(now, &device).unwrap_or_default();
                Event::Offered { device, offer }
            }
            Event::Changed => Event::Changed,
            Event::AddressTaken => Event::AddressTaken,
            Event::SupervisorGone => Event::SupervisorGone,
        })
    }

    /// What a provider offers through an uplink, if one is there and somebody asks.
    fn offer(&self, now: Instant, device: &str) -> Option<Offer> {
        let asks = self.daemons.running.iter().any(|(id, _)| {
            id.program == Program::Dhcpcd
                && id.instance.as_str() == device
                && self.daemons.config(now, id).is_some()
        });
        let link = self.kernel.links.get(device)?;
        let wired = self.plugged.contains(device);
        if !asks || !link.up || link.master.is_some() || !(wired || self.joined(now, device)) {
            return None;
        }
        Some(Offer {
            ipv4: "192.168.178.57/24".parse().ok(),
            router: Some(Ipv4Addr::new(192, 168, 178, 1)),
            ipv6: "2001:db8:178::57/64".parse().into_iter().collect(),
            router6: "fe80::1".parse().ok(),
            prefix: "2001:db8:178:a00::/56".parse().ok().map(|prefix| Delegated {
                prefix,
                preferred_seconds: 3_600,
                valid_seconds: 7_200,
            }),
            dns: vec![Ipv4Addr::new(192, 0, 2, 53).into(), Ipv4Addr::new(198, 51, 100, 53).into()],
        })
    }

    /// Asks somebody for a sign of life through an uplink.
    #[must_use]
    pub fn probe(&self, now: Instant, device: &str, target: IpAddr) -> Option<Duration> {
        let link = self.kernel.links.get(device).filter(|link| link.up)?;
        let there = self.plugged.contains(device) || self.joined(now, device);
        let on = self.kernel.addresses.iter().filter(|(name, _)| name == device);
        let near = on.clone().any(|(_, net)| net.contains(&target));
        if !there || link.master.is_some() || on.count() == 0 || !(near || self.internet) {
            return None;
        }
        let jitter = u64::try_from(wander(self.seed ^ 7, now, 2_000) + 2_000).unwrap_or(0);
        Some(Duration::from_micros(if near { 900 } else { 14_000 } + jitter))
    }

    /// Whether a daemon answers.
    #[must_use]
    pub fn answers(&self, now: Instant, id: &DaemonId) -> bool {
        self.daemons.config(now, id).is_some()
    }

    /// The supervisor replaces a daemon that hangs.
    pub fn replace(&mut self, now: Instant, id: &DaemonId) {
        self.daemons.replace(now, id);
        self.began(now, id);
    }

    /// What all radios hear.
    #[must_use]
    pub fn survey(&self, now: Instant) -> Vec<Heard> {
        let heard = |radio| air::survey(self.seed, now, radio);
        [radios::LOW, radios::HIGH].into_iter().flat_map(heard).collect()
    }

    /// Everything that is there.
    pub fn look(&mut self, now: Instant, wall: UnixTime) -> Seen {
        let kernel = &self.kernel;
        let links: BTreeMap<String, SeenLink> = kernel
            .links
            .iter()
            .map(|(name, link)| (name.clone(), self.seen_link(now, name, link)))
            .collect();
        let mesh_device = self.mesh_device(now);
        let of_mesh: Vec<IpNet> = kernel
            .addresses
            .iter()
            .filter(|(device, _)| device == MESH)
            .map(|(_, net)| *net)
            .collect();
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
            mesh_addresses: if mesh.neighbours.is_empty() {
                BTreeMap::new()
            } else {
                air::addresses(&of_mesh).into_iter().collect()
            },
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
    fn joined(&self, now: Instant, name: &str) -> bool {
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

    fn mesh(&self, now: Instant, device: &str, network: &conf::Network) -> Mesh {
        let wrong = self.mesh_secret.is_some() && self.mesh_secret != network.passphrase;
        let mut mesh = air::mesh(self.seed, now, &network.ssid, device);
        if wrong {
            (mesh.neighbours, mesh.nodes, mesh.gateways) = Default::default();
        }
        mesh
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
                radio.power_dbm = Some(20);
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
    ) -> Vec<kith_model::network::status::Client> {
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
        people::clients(self.seed, now, wall, &offered)
    }
}
