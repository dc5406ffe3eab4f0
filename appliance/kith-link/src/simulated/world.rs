//! The model as a whole: what was done to kernel and daemons, and what follows from it.

mod sight;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use kith_core::time::Instant;
use kith_model::daemon::{DaemonId, Program};
use kith_model::network::ask::Heard;
use kith_model::profile::Profile;
use kith_model::settings::values::Mac;

use super::chance::wander;
use super::conf;
use super::daemons::{BEGINS, Daemons};
use super::kernel::Kernel;
use super::{air, radios};
use crate::facts::{Delegated, Offer};
use crate::flows::Flows;
use crate::hands::{Event, HandsError};
use crate::names::{BRIDGE_NETFILTER, MESH};
use crate::seen::SeenKind;
use crate::step::Step;

/// How long an access point listens for radar first (ETSI EN 301 893: one minute).
const RADAR: Duration = Duration::from_secs(60);

/// How long a mesh or a station takes to join.
const JOINS: Duration = Duration::from_secs(2);

/// How long another box takes to say that it has an address.
const ANSWERS: Duration = Duration::from_millis(300);

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
    /// What the provider offers instead of the usual.
    odd_offer: Option<Offer>,
    /// Addresses of other boxes of the mesh.
    others: BTreeMap<Ipv4Addr, Mac>,
    /// Addresses that were asked for in the mesh, and when they were.
    asked: BTreeMap<Ipv4Addr, Instant>,
    kernel: Kernel,
    daemons: Daemons,
    agenda: BTreeMap<(Instant, u64), Event>,
    planned: u64,
    /// Since when interfaces are as they are: joined, served, plugged.
    since: BTreeMap<String, Instant>,
    /// So many more neighbours and devices than there are by themselves.
    crowd: (u8, u8),
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
            odd_offer: None,
            others: BTreeMap::new(),
            asked: BTreeMap::new(),
            daemons: Daemons::default(),
            agenda: BTreeMap::new(),
            planned: 0,
            since: BTreeMap::new(),
            crowd: (0, 0),
        }
    }

    /// The same in a larger place: so many more neighbours in the mesh, and devices in the household.
    #[must_use]
    pub const fn crowded(mut self, neighbours: u8, devices: u8) -> Self {
        self.crowd = (neighbours, devices);
        self
    }

    /// The power goes and comes back: plugs stay, all else is as new.
    pub fn reboot(&mut self) {
        self.kernel = Kernel::booted(&self.ports);
        self.daemons = Daemons::default();
        self.agenda.clear();
        self.since.clear();
        self.asked.clear();
    }

    /// Gives another box of the mesh an address, or takes it from whoever has it.
    pub fn set_other(&mut self, now: Instant, address: Ipv4Addr, other: Option<Mac>) {
        match other {
            Some(mac) => self.others.insert(address, mac),
            None => self.others.remove(&address),
        };
        self.later(now, Event::Changed);
    }

    /// Asks everybody in the mesh who has an address.
    ///
    /// # Errors
    /// When the box is in no mesh.
    pub fn ask_for(&mut self, now: Instant, address: Ipv4Addr) -> Result<(), HandsError> {
        if !self.kernel.links.contains_key(MESH) {
            return Err(HandsError::Missing(format!("there is no interface {MESH}")));
        }
        self.asked.insert(address, now);
        self.later(now + ANSWERS, Event::Changed);
        Ok(())
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

    /// Lets the provider, or who says to be it, offer something else.
    pub fn set_offer(&mut self, now: Instant, offer: Offer) {
        self.odd_offer = Some(offer);
        self.offer_soon(now);
    }

    /// Takes a program off the machine; what runs of it ends and does not begin again.
    pub fn uninstall(&mut self, now: Instant, program: Program) {
        self.daemons.uninstalled.insert(program);
        self.later(now, Event::Changed);
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

    /// Loads `br_netfilter`, as programs for containers do: then bridges show the firewall what they pass on.
    pub fn load_bridge_netfilter(&mut self) {
        for path in BRIDGE_NETFILTER {
            self.kernel.sysctls.insert(path.to_owned(), "1".to_owned());
        }
    }

    /// What a kernel setting is.
    #[must_use]
    pub fn sysctl(&self, path: &str) -> Option<&str> {
        self.kernel.sysctls.get(path).map(String::as_str)
    }

    /// Connections that the kernel was told to forget.
    #[must_use]
    pub fn forgotten(&self) -> &[Flows] {
        &self.kernel.forgotten
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
            | Step::ForgetFlows(_)
            | Step::SetPower { .. }
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
        let Some(SeenKind::Wifi { radio, .. }) = first.map(|link| link.kind.clone()) else {
            return;
        };
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
        if let Some(odd) = &self.odd_offer {
            return Some(odd.clone());
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
}
