//! The model of the kernel: interfaces, bridges, addresses, routes, settings, one ruleset.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use kith_model::settings::values::{Country, Mac};

use super::radios;
use crate::desired::{Batadv, GatewayMode, RouteSpec, WifiMode};
use crate::flows::Flows;
use crate::hands::HandsError;
use crate::seen::SeenKind;
use crate::step::Step;

/// An interface.
#[derive(Clone, Debug)]
pub(super) struct Iface {
    pub(super) index: u32,
    pub(super) kind: SeenKind,
    pub(super) mac: Mac,
    pub(super) up: bool,
    pub(super) master: Option<String>,
    pub(super) mtu: u32,
    pub(super) isolated: bool,
    /// How often it was switched off.
    pub(super) downs: u32,
}

/// What is in the kernel.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    pub(super) country: Option<Country>,
    pub(super) links: BTreeMap<String, Iface>,
    pub(super) addresses: BTreeSet<(String, IpNet)>,
    pub(super) routes: BTreeSet<RouteSpec>,
    pub(super) sysctls: BTreeMap<String, String>,
    pub(super) ruleset: Option<String>,
    /// How strongly radios were told to send, in dBm.
    pub(super) powers: BTreeMap<String, u8>,
    /// Connections that were forgotten.
    pub(super) forgotten: Vec<Flows>,
    next: u32,
}

impl Kernel {
    /// A kernel right after it has started: ports that are off, nothing else.
    pub(super) fn booted(ports: &[String]) -> Self {
        let mut kernel = Self {
            country: None,
            links: BTreeMap::new(),
            addresses: BTreeSet::new(),
            routes: BTreeSet::new(),
            sysctls: BTreeMap::new(),
            ruleset: None,
            powers: BTreeMap::new(),
            forgotten: Vec::new(),
            next: 2,
        };
        for port in ports {
            kernel.add(port, SeenKind::Port);
        }
        kernel
    }

    fn add(&mut self, name: &str, kind: SeenKind) {
        let index = self.next;
        self.next += 1;
        let mac = Mac([0x02, 0x6b, 0x74, 0, 0, u8::try_from(index % 256).unwrap_or(0)]);
        let iface = Iface {
            index,
            kind,
            mac,
            up: false,
            master: None,
            mtu: 1_500,
            isolated: false,
            downs: 0,
        };
        self.links.insert(name.to_owned(), iface);
    }

    /// Carries out a step that is the kernel's; whether it was one.
    pub(super) fn perform(&mut self, step: &Step) -> Result<bool, HandsError> {
        match step {
            Step::LoadRuleset(text) => self.ruleset = Some(text.clone()),
            Step::SetSysctl { path, value } => {
                self.sysctls.insert(path.clone(), value.clone());
            }
            Step::ForgetFlows(flows) => self.forgotten.extend(flows.iter().copied()),
            Step::SetPower { radio, dbm: Some(dbm) } => {
                self.powers.insert(radio.clone(), *dbm);
            }
            Step::SetPower { radio, dbm: None } => {
                self.powers.remove(radio);
            }
            Step::SetCountry(country) => self.country.clone_from(country),
            Step::AddBridge { name } => self.make(name, SeenKind::Bridge)?,
            Step::AddBatadv { name } => self.make(name, SeenKind::Batadv(PLAIN))?,
            Step::AddWifi { name, radio, mode } => self.add_wifi(name, radio, *mode)?,
            Step::RemoveLink { name } => self.remove(name),
            Step::SetBatadv { name, settings } => match &mut self.link(name)?.kind {
                SeenKind::Batadv(batadv) => *batadv = *settings,
                SeenKind::Port | SeenKind::Bridge | SeenKind::Wifi { .. } | SeenKind::Other => {
                    return Err(refused(format!("{name} is no mesh interface")));
                }
            },
            Step::SetMtu { name, mtu } => self.link(name)?.mtu = *mtu,
            Step::SetMaster { name, master } => self.set_master(name, master.as_deref())?,
            Step::SetIsolated { name, isolated } => {
                let link = self.link(name)?;
                if link.master.is_none() {
                    return Err(refused(format!("{name} is no port of a bridge")));
                }
                link.isolated = *isolated;
            }
            Step::SetUp { name, up } => self.set_up(name, *up)?,
            Step::AddAddress { device, address } => {
                self.link(device)?;
                self.addresses.insert((device.clone(), *address));
            }
            Step::RemoveAddress { device, address } => {
                self.addresses.remove(&(device.clone(), *address));
                self.drop_routes();
            }
            Step::AddRoute(route) => self.add_route(route)?,
            Step::RemoveRoute(route) => {
                self.routes.remove(route);
            }
            Step::WriteFile { .. }
            | Step::RemoveFile { .. }
            | Step::Reload(_)
            | Step::Rejoin(_)
            | Step::WishDaemons(_) => return Ok(false),
        }
        Ok(true)
    }

    fn link(&mut self, name: &str) -> Result<&mut Iface, HandsError> {
        let missing = || HandsError::Missing(format!("there is no interface {name}"));
        self.links.get_mut(name).ok_or_else(missing)
    }

    fn make(&mut self, name: &str, kind: SeenKind) -> Result<(), HandsError> {
        if name.len() > 15 {
            return Err(refused(format!("{name} is too long a name")));
        }
        match self.links.get(name) {
            None => {
                self.add(name, kind);
                Ok(())
            }
            Some(there) if std::mem::discriminant(&there.kind) == std::mem::discriminant(&kind) => {
                Ok(())
            }
            Some(_) => Err(refused(format!("{name} is there already and something else"))),
        }
    }

    fn add_wifi(&mut self, name: &str, radio: &str, mode: WifiMode) -> Result<(), HandsError> {
        if radio != radios::LOW && radio != radios::HIGH {
            return Err(HandsError::Missing(format!("there is no radio {radio}")));
        }
        let can = radios::radio(radio, self.country.as_ref()).can;
        let of_radio = self.links.iter().filter(|(other, link)| {
            *other != name && matches!(&link.kind, SeenKind::Wifi { radio: r, .. } if r == radio)
        });
        let modes: Vec<Option<WifiMode>> = of_radio
            .filter_map(|(_, link)| match &link.kind {
                SeenKind::Wifi { mode, .. } => Some(*mode),
                SeenKind::Port | SeenKind::Bridge | SeenKind::Batadv(_) | SeenKind::Other => None,
            })
            .collect();
        let has = |wanted: WifiMode| modes.contains(&Some(wanted));
        let fits = match mode {
            WifiMode::AccessPoint => {
                let others = modes.iter().filter(|m| **m == Some(mode)).count();
                others < usize::from(can.access_points) && (!has(WifiMode::MeshPoint) || can.both)
            }
            WifiMode::MeshPoint => {
                can.mesh_point && !has(mode) && (!has(WifiMode::AccessPoint) || can.both)
            }
            WifiMode::Station => can.station && !has(mode) && !has(WifiMode::MeshPoint),
        };
        if !fits {
            return Err(refused(format!("{radio} cannot do this as well")));
        }
        self.make(name, SeenKind::Wifi { radio: radio.to_owned(), mode: Some(mode) })
    }

    /// A further network of hostapd, which makes its interface itself.
    pub(super) fn add_network(&mut self, name: &str, radio: &str) {
        let mode = Some(WifiMode::AccessPoint);
        if !self.links.contains_key(name) {
            self.add(name, SeenKind::Wifi { radio: radio.to_owned(), mode });
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.links.remove(name);
        self.addresses.retain(|(device, _)| device != name);
        self.routes.retain(|route| route.device.as_deref() != Some(name));
        for link in self.links.values_mut().filter(|link| link.master.as_deref() == Some(name)) {
            link.master = None;
            link.isolated = false;
        }
        self.drop_routes();
    }

    fn set_master(&mut self, name: &str, master: Option<&str>) -> Result<(), HandsError> {
        if let Some(master) = master {
            let is_one = |link: &Iface| matches!(link.kind, SeenKind::Bridge | SeenKind::Batadv(_));
            if !self.links.get(master).is_some_and(is_one) {
                return Err(HandsError::Missing(format!("there is no bridge {master}")));
            }
        }
        let link = self.link(name)?;
        // Linux puts neither a bridge nor a station into a bridge.
        let station = matches!(link.kind, SeenKind::Wifi { mode: Some(WifiMode::Station), .. });
        if master.is_some() && (station || link.kind == SeenKind::Bridge) {
            return Err(refused(format!("{name} cannot be part of a bridge")));
        }
        link.master = master.map(str::to_owned);
        if master.is_none() {
            link.isolated = false;
        }
        Ok(())
    }

    fn set_up(&mut self, name: &str, up: bool) -> Result<(), HandsError> {
        let link = self.link(name)?;
        if link.up && !up {
            link.downs += 1;
        }
        link.up = up;
        if !up {
            self.routes.retain(|route| route.device.as_deref() != Some(name));
        }
        Ok(())
    }

    fn add_route(&mut self, route: &RouteSpec) -> Result<(), HandsError> {
        if let Some(device) = &route.device
            && !self.link(device)?.up
        {
            return Err(refused("Network is down".to_owned()));
        }
        if !self.reachable(route) {
            return Err(refused(format!("the router of {} is not on any network here", route.to)));
        }
        self.routes.insert(route.clone());
        Ok(())
    }

    fn reachable(&self, route: &RouteSpec) -> bool {
        match (&route.via, &route.device) {
            (Some(IpAddr::V6(via)), Some(_)) if via.is_unicast_link_local() => true,
            (Some(via), device) => self.addresses.iter().any(|(on, net)| {
                device.as_ref().is_none_or(|device| on == device) && net.contains(via)
            }),
            (None, _) => true,
        }
    }

    /// Routes go with the network of their router.
    fn drop_routes(&mut self) {
        let gone: Vec<RouteSpec> =
            self.routes.iter().filter(|route| !self.reachable(route)).cloned().collect();
        for route in gone {
            self.routes.remove(&route);
        }
    }
}

/// A mesh interface as it is made.
const PLAIN: Batadv = Batadv {
    gateway: GatewayMode::Off,
    bridge_loop_avoidance: true,
    isolation: false,
    originator_interval_ms: 1_000,
};

fn refused(message: String) -> HandsError {
    HandsError::Refused(message)
}
