//! From what is seen, offered and known to the facts that the plan depends on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use kith_core::time::Instant;
use kith_model::network::status::Network;
use kith_model::profile::{PortRole, Profile};
use kith_model::settings::values::Mac;
use kith_model::settings::{Settings, Uplink};

use super::uplinks::Wanted;
use super::{Control, Printed};
use crate::desire::{MeshAddresses, mesh_addresses, mesh_gateway};
use crate::facts::{Facts, Offer, RadioFacts, SetupWifi};
use crate::names::{BRIDGE_NETFILTER, MESH, STATION_PREFIX, on_radio};
use crate::seen::SeenKind;

/// How long after power-on the setup Wi-Fi is open, in milliseconds.
const SETUP_WIFI_MS: u64 = 15 * 60 * 1_000;

/// The ports of panel and peers until the node has said them.
const PORT: u16 = 8480;

impl Control {
    /// What the plan depends on besides settings and profile.
    pub(super) fn facts(&self, now: Instant) -> Facts {
        let way_out = self.uplinks.choose(now, &self.seen);
        Facts {
            node_key: self.node_key(),
            host_name: self.host_name().to_owned(),
            claimed: self.claimed(),
            safe_mode: self.safe_mode().is_some(),
            setup_wifi: self.setup_wifi(now),
            ports: self.ports(),
            radios: self.radios(),
            offers: self.uplinks.offers(),
            mesh_router: way_out.as_deref().filter(|way| *way == MESH).and_then(|_| self.router()),
            way_out,
            mesh_carriers: self.mesh_carriers(),
            mesh_address_retries: self.claims.retries(),
            mesh_held_back: self.claims.held_back(),
            panel_port: self.panel_port(),
            peer_port: self.peer_port(),
            old_lan: self.old_lan(),
            lease_storm: self.storm.on(),
            run: self.setup.run.clone(),
            bridge_netfilter: self.seen.sysctls.contains_key(BRIDGE_NETFILTER[0]),
            former_prefixes: self.uplinks.former_prefixes(now),
            visitor_pages: self.identity.as_ref().is_some_and(|identity| identity.visitor_pages),
        }
    }

    /// The same, once it is decided which of its addresses in the mesh the box may use.
    pub(super) fn settled_facts(&mut self, now: Instant) -> Facts {
        let wall = self.wall_ms(now);
        let mut wanted = self.mesh_addresses(now);
        if self.claims.see(now, &wanted, &self.seen) {
            wanted = self.mesh_addresses(now);
            self.claims.see(now, &wanted, &self.seen);
        }
        for (address, other) in self.claims.lost() {
            let now = wanted.own.map_or_else(String::new, |own| format!(", try {own}"));
            self.reconcile.remember(
                wall,
                &format!(
                    "give up the address {address} in the mesh, which the box {other} has{now}"
                ),
            );
        }
        self.facts(now)
    }

    fn mesh_addresses(&self, now: Instant) -> MeshAddresses {
        let others = self.seen.mesh.gateways.iter().filter_map(|gateway| gateway.mac.parse().ok());
        mesh_addresses(&self.target().settings, &self.facts(now), others)
    }

    /// The address of the household before a change of it: while that is tried, and for one lease more.
    fn old_lan(&self) -> Option<ipnet::Ipv4Net> {
        let tried = self.transaction.target().map(|_| self.in_force.settings.lan.address);
        let old = tried.or_else(|| self.old_lan.as_ref().map(|old| old.address));
        old.filter(|old| *old != self.target().settings.lan.address)
    }

    fn ports(&self) -> BTreeSet<String> {
        let links = self.seen.links.iter();
        let ports = links.filter(|(_, link)| matches!(link.kind, SeenKind::Port));
        ports.map(|(name, _)| name.clone()).collect()
    }

    fn radios(&self) -> BTreeMap<String, RadioFacts> {
        let wanted = self.target().settings.mesh.id.as_ref();
        let facts = |name: &String| {
            let radio = self.seen.radios.get(name).cloned().unwrap_or_default();
            let heard = || self.survey.shown().heard.iter().filter(|heard| heard.radio == *name);
            let mesh =
                wanted.and_then(|id| heard().find(|heard| heard.mesh && heard.ssid == id.as_str()));
            let load = |number: u16| {
                heard().filter(|heard| near(heard.channel, number)).map(|h| h.count).sum::<u32>()
            };
            let free = radio.channels.iter().filter(|c| !c.disabled && !c.listen_only && !c.radar);
            // Three channels of 2.4 GHz do not overlap.
            let apart = free.filter(|c| c.number > 14 || matches!(c.number, 1 | 6 | 11));
            let quiet = apart.map(|channel| channel.number).min_by_key(|number| load(*number));
            RadioFacts {
                can: radio.can,
                mesh_heard: mesh.map(|heard| heard.channel),
                quiet: quiet.filter(|_| heard().next().is_some()),
                channels: radio.channels,
            }
        };
        self.seen.radios.keys().map(|name| (name.clone(), facts(name))).collect()
    }

    /// The mesh address of the gateway in use: the chosen one's, or the best one's.
    fn router(&self) -> Option<Ipv4Addr> {
        let id = self.target().settings.mesh.id.as_ref()?;
        let gateways = self.seen.mesh.gateways.iter();
        let best = gateways.max_by_key(|gateway| (gateway.chosen, gateway.quality))?;
        Some(mesh_gateway(id, best.mac.parse().ok()?).addr())
    }

    fn mesh_carriers(&self) -> BTreeSet<Mac> {
        let carriers = self.seen.links.values().filter(|link| link.master.as_deref() == Some(MESH));
        carriers.filter_map(|link| link.mac).collect()
    }

    fn node_key(&self) -> [u8; 32] {
        let digits = self.identity.as_ref().map_or("", |identity| &*identity.node);
        let bytes = data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap_or_default();
        bytes.try_into().unwrap_or_default()
    }

    fn host_name(&self) -> &str {
        self.identity.as_ref().map_or("kith", |identity| &*identity.host_name)
    }

    /// Whether somebody owns the box. Settings that were put in force show it as well; those of a fresh box
    /// say nothing but their version.
    pub(super) fn claimed(&self) -> bool {
        let had_settings = self.in_force.settings != Settings::default();
        self.identity.as_ref().map_or(had_settings, |identity| identity.claimed)
    }

    pub(super) fn panel_port(&self) -> u16 {
        self.identity.as_ref().map_or(PORT, |identity| identity.panel_port)
    }

    pub(super) fn peer_port(&self) -> u16 {
        self.identity.as_ref().map_or(PORT, |identity| identity.peer_port)
    }

    /// The Wi-Fi for setting up, while there is one: for the first minutes of a box that nobody owns, and in
    /// safe mode.
    fn setup_wifi(&self, now: Instant) -> Option<SetupWifi> {
        if !self.setup_wifi_open(now) && self.safe_mode().is_none() {
            return None;
        }
        match &self.setup.printed {
            Printed::None => Some(SetupWifi { passphrase: None }),
            Printed::Secret(secret) => Some(SetupWifi { passphrase: Some(secret.clone()) }),
            Printed::Unusable(_) => None,
        }
    }

    fn setup_wifi_open(&self, now: Instant) -> bool {
        !self.claimed() && self.setup.boot.ms(now) < SETUP_WIFI_MS
    }

    pub(super) fn setup_wifi_ends(&self, now: Instant) -> Option<Instant> {
        let end = self.setup.boot.instant(SETUP_WIFI_MS);
        (self.setup_wifi_open(now) && end > now).then_some(end)
    }

    /// Whether a fact has become another by the mere passing of time.
    pub(super) fn facts_expire(&self, before: Instant, now: Instant) -> bool {
        let setup = self.setup_wifi_open(before) != self.setup_wifi_open(now);
        setup || self.uplinks.hold_down_ends(before).is_some_and(|end| end <= now)
    }

    /// A moment for the graphs.
    pub(super) fn sample(&self, now: Instant) -> super::graphs::Sample {
        let way_out = self.uplinks.choose(now, &self.seen);
        let millis = |rtt: Duration| rtt.as_secs_f32() * 1_000.0;
        let on_wifi = |client: &&kith_model::network::status::Client| {
            client.here
                && client.signal_dbm.is_some()
                && matches!(client.network, Network::Household | Network::Guest)
        };
        let count = |n: usize| u16::try_from(n).map_or(f32::MAX, f32::from);
        let best = self.seen.mesh.neighbours.iter().map(|neighbour| neighbour.quality).max();
        let daemons = &self.seen.daemons;
        let well = daemons.iter().filter(|(id, daemon)| {
            daemon.state == kith_model::network::status::DaemonHealth::Running
                && !self.watch.hung(id)
        });
        [
            self.uplinks.rtt(way_out.as_deref()).map(millis),
            Some(count(self.seen.clients.iter().filter(on_wifi).count())),
            best.map(|quality| f32::from(quality) * 100.0 / 255.0),
            (!daemons.is_empty()).then(|| count(well.count()) * 100.0 / count(daemons.len())),
        ]
    }
}

/// Whether two channels disturb each other.
const fn near(a: u16, b: u16) -> bool {
    if a <= 14 && b <= 14 { a.abs_diff(b) < 5 } else { a == b }
}

/// The ways to the internet that the settings want, the preferred first.
pub(super) fn ways(settings: &Settings, profile: &Profile) -> Vec<Wanted> {
    let label = |device: &str| {
        let port = profile.port.iter().find(|port| port.device.as_str() == device);
        port.map_or_else(|| device.to_owned(), |port| port.label.as_str().to_owned())
    };
    let mut ways: Vec<Wanted> = if settings.uplink.is_empty() {
        let wan = profile.port.iter().filter(|port| port.role == PortRole::Wan);
        wan.map(|port| Wanted {
            device: port.device.as_str().to_owned(),
            label: port.label.as_str().to_owned(),
            fixed: None,
        })
        .collect()
    } else {
        let wanted = |uplink: &Uplink| match &uplink.wifi {
            Some(wifi) => Wanted {
                device: on_radio(STATION_PREFIX, uplink.device.as_str()),
                label: format!("Wi-Fi {}", wifi.ssid),
                fixed: fixed(uplink),
            },
            None => Wanted {
                device: uplink.device.as_str().to_owned(),
                label: label(uplink.device.as_str()),
                fixed: fixed(uplink),
            },
        };
        settings.uplink.iter().map(wanted).collect()
    };
    if settings.mesh.enabled {
        ways.push(Wanted { device: MESH.to_owned(), label: "The mesh".to_owned(), fixed: None });
    }
    ways
}

fn fixed(uplink: &Uplink) -> Option<Offer> {
    let address = uplink.fixed.as_ref()?;
    Some(Offer {
        ipv4: Some(address.address),
        router: Some(address.router),
        dns: address.dns.clone(),
        ..Offer::default()
    })
}
