//! A model of kernel, files and daemons that takes steps and refuses what the real ones would refuse.

use std::collections::BTreeMap;

use ipnet::IpNet;
use kith_link::desired::{Batadv, Desired, GatewayMode, LinkKind, RouteSpec, WifiMode};
use kith_link::facts::Facts;
use kith_link::seen::{Seen, SeenKind, SeenLink};
use kith_link::step::Step;
use kith_model::daemon::{DaemonId, DaemonSeen, DaemonWish, Program};
use kith_model::network::status::DaemonHealth;

/// The world.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seen: Seen,
    /// What each daemon has been started on.
    uses: BTreeMap<DaemonId, Vec<String>>,
    next: u32,
}

type Done = Result<(), String>;

impl World {
    pub(crate) fn new(seen: Seen) -> Self {
        Self { seen, uses: BTreeMap::new(), next: 100 }
    }

    /// Ports come and go.
    pub(crate) fn replug(&mut self, facts: &Facts) {
        let ours = kith_link::names::is_own;
        self.seen.links.retain(|name, _| ours(name) || facts.ports.contains(name));
        for port in &facts.ports {
            if !self.seen.links.contains_key(port) {
                self.add(port, SeenKind::Port);
            }
        }
        let links = &self.seen.links;
        self.seen.addresses.retain(|(device, _)| links.contains_key(device));
        self.drop_routes();
    }

    pub(crate) fn strange(&mut self, name: &str) {
        self.add(name, SeenKind::Other);
    }

    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn add(&mut self, name: &str, kind: SeenKind) {
        let link = SeenLink {
            index: self.number(),
            kind,
            mac: None,
            up: false,
            carrier: false,
            master: None,
            mtu: 1_500,
            isolated: false,
            received_bytes: 0,
            sent_bytes: 0,
        };
        self.seen.links.insert(name.to_owned(), link);
    }

    fn link(&mut self, name: &str) -> Result<&mut SeenLink, String> {
        self.seen.links.get_mut(name).ok_or_else(|| format!("there is no {name}"))
    }

    pub(crate) fn perform(&mut self, step: &Step) -> Done {
        let closed = self.seen.ruleset.is_none();
        match step {
            Step::LoadRuleset(text) => self.seen.ruleset = Some(text.clone()),
            _ if closed => return Err("the firewall is not loaded".into()),
            Step::SetSysctl { path, value } => {
                let device = path.split_once("/conf/").and_then(|(_, rest)| rest.rsplit_once('/'));
                if let Some((device, _)) = device.filter(|(d, _)| !["all", "default"].contains(d)) {
                    self.link(device)?;
                }
                self.seen.sysctls.insert(path.clone(), value.clone());
            }
            Step::ForgetFlows(_) | Step::SetPower { .. } => {}
            Step::SetCountry(country) => self.seen.country = country.clone(),
            Step::WriteFile { path, file } => {
                self.seen.files.insert(path.clone(), file.content.clone());
            }
            Step::RemoveFile { path } => {
                self.seen.files.remove(path).ok_or("there is no such file")?;
            }
            Step::Reload(id) | Step::Rejoin(id) => {
                self.seen.daemons.get(id).ok_or("it does not run")?;
            }
            Step::WishDaemons(wishes) => return self.wish(wishes),
            Step::AddAddress { .. } | Step::RemoveAddress { .. } => return self.address(step),
            Step::AddRoute(route) => return self.add_route(route),
            Step::RemoveRoute(route) => {
                if !self.seen.routes.remove(route) {
                    return Err("there is no such route".into());
                }
            }
            _ => return self.change_link(step),
        }
        Ok(())
    }

    fn change_link(&mut self, step: &Step) -> Done {
        match step {
            Step::AddBridge { name } => self.make(name, SeenKind::Bridge)?,
            Step::AddBatadv { name } => {
                let fresh = Batadv {
                    gateway: GatewayMode::Off,
                    bridge_loop_avoidance: true,
                    isolation: false,
                    originator_interval_ms: 1_000,
                };
                self.make(name, SeenKind::Batadv(fresh))?;
            }
            Step::AddWifi { name, radio, mode } => {
                let kind = SeenKind::Wifi { radio: radio.clone(), mode: Some(*mode) };
                self.make(name, kind)?;
            }
            Step::RemoveLink { name } => self.remove(name)?,
            Step::SetBatadv { name, settings } => {
                self.link(name)?.kind = SeenKind::Batadv(*settings);
            }
            Step::SetMtu { name, mtu } => self.link(name)?.mtu = *mtu,
            Step::SetMaster { name, master } => {
                if let Some(master) = master {
                    let kind = self.link(master)?.kind.clone();
                    let takes = matches!(kind, SeenKind::Bridge | SeenKind::Batadv(_));
                    takes.then_some(()).ok_or("it takes no members")?;
                }
                let link = self.link(name)?;
                link.master.clone_from(master);
                link.isolated = false;
            }
            Step::SetIsolated { name, isolated } => {
                let link = self.link(name)?;
                link.master.as_ref().ok_or("it is in no bridge")?;
                link.isolated = *isolated;
            }
            Step::SetUp { name, up } => self.link(name)?.up = *up,
            other => return Err(format!("{other} is none of a link's")),
        }
        Ok(())
    }

    fn make(&mut self, name: &str, kind: SeenKind) -> Done {
        if self.seen.links.contains_key(name) {
            return Err(format!("{name} is there"));
        }
        self.add(name, kind);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Done {
        let used = self.uses.values().flatten().any(|link| link == name);
        if used {
            return Err(format!("a daemon uses {name}"));
        }
        self.link(name)?;
        self.seen.links.remove(name);
        for link in self.seen.links.values_mut().filter(|l| l.master.as_deref() == Some(name)) {
            link.master = None;
            link.isolated = false;
        }
        self.seen.addresses.retain(|(device, _)| device != name);
        self.seen.sysctls.retain(|path, _| !path.contains(&format!("/conf/{name}/")));
        self.drop_routes();
        Ok(())
    }

    fn address(&mut self, step: &Step) -> Done {
        match step {
            Step::AddAddress { device, address } => {
                self.link(device)?;
                if !self.seen.addresses.insert((device.clone(), *address)) {
                    return Err("it is there".into());
                }
            }
            Step::RemoveAddress { device, address } => {
                if !self.seen.addresses.remove(&(device.clone(), *address)) {
                    return Err("it is not there".into());
                }
                self.drop_routes();
            }
            other => return Err(format!("{other} is none of an address's")),
        }
        Ok(())
    }

    fn add_route(&mut self, route: &RouteSpec) -> Done {
        let same = |other: &&RouteSpec| other.to == route.to && other.metric == route.metric;
        if let Some(other) = self.seen.routes.iter().find(same) {
            return Err(format!("{other:?} is in its place"));
        }
        if !self.reaches(route) {
            return Err("nobody there".into());
        }
        self.seen.routes.insert(route.clone());
        Ok(())
    }

    /// Whether a route's next router is on its link.
    fn reaches(&self, route: &RouteSpec) -> bool {
        let Some(device) = &route.device else { return true };
        let on_link = |net: &IpNet, via| net.contains(&via);
        let addressed =
            |via| self.seen.addresses.iter().any(|(d, net)| d == device && on_link(net, via));
        let routed = |via| {
            let mut routes = self.seen.routes.iter();
            routes.any(|r| {
                r.via.is_none() && r.device.as_ref() == Some(device) && r.to.contains(&via)
            })
        };
        self.seen.links.contains_key(device)
            && route.via.is_none_or(|via| match via {
                std::net::IpAddr::V6(via) if via.is_unicast_link_local() => true,
                via => addressed(via) || routed(via),
            })
    }

    /// The kernel drops routes whose next router is not on a link any more.
    fn drop_routes(&mut self) {
        let stay = self.seen.routes.iter().filter(|route| self.reaches(route)).cloned().collect();
        self.seen.routes = stay;
    }

    /// The supervisor starts and stops; what starts needs its file and its interfaces.
    fn wish(&mut self, wishes: &[DaemonWish]) -> Done {
        let old = std::mem::take(&mut self.seen.daemons);
        self.uses.retain(|id, _| wishes.iter().any(|wish| wish.id == *id));
        for wish in wishes {
            let same = old.get(&wish.id).filter(|old| old.generation == wish.generation);
            let pid = match same {
                Some(daemon) => daemon.pid,
                None => Some(self.start(wish)?),
            };
            let seen = DaemonSeen {
                id: wish.id.clone(),
                generation: wish.generation,
                pid,
                state: DaemonHealth::Running,
                restarts: 0,
                error: None,
            };
            self.seen.daemons.insert(wish.id.clone(), seen);
        }
        Ok(())
    }

    fn start(&mut self, wish: &DaemonWish) -> Result<u32, String> {
        let text = self.seen.files.get(&wish.id.file()).ok_or("its file is not there")?.clone();
        let mut uses = vec![wish.id.instance.to_string()];
        match wish.id.program {
            Program::Hostapd => {
                uses = bridges(&text).into_iter().map(|(interface, _)| interface).collect();
                for (interface, bridge) in bridges(&text) {
                    self.link(&bridge)?;
                    let link = self.link(&interface)?;
                    link.up = true;
                    link.carrier = true;
                    if link.master.as_ref() != Some(&bridge) {
                        link.master = Some(bridge);
                        link.isolated = false;
                    }
                }
            }
            Program::WpaSupplicant => self.link(wish.id.instance.as_str())?.up = true,
            Program::Dhcpcd => drop(self.link(wish.id.instance.as_str())?),
            Program::Dnsmasq => {
                for bridge in text.lines().filter_map(|line| line.strip_prefix("interface=")) {
                    self.link(bridge)?;
                }
            }
        }
        self.uses.insert(wish.id.clone(), uses);
        Ok(self.number())
    }

    /// Whether all is as it shall be, told apart from "the plan is empty".
    pub(crate) fn check(&self, desired: &Desired) {
        assert_eq!(self.seen.ruleset.as_ref(), Some(&desired.ruleset));
        assert_eq!(self.seen.country, desired.country);
        for (name, wanted) in &desired.links {
            let link = &self.seen.links[name];
            assert_eq!(link.master, wanted.master, "{name}");
            assert_eq!(link.isolated, wanted.isolated, "{name}");
            assert!(link.up, "{name} is off");
            if let Some(mtu) = wanted.mtu {
                assert_eq!(link.mtu, mtu, "{name}");
            }
            assert_eq!(matches!(wanted.kind, LinkKind::Bridge), link.kind == SeenKind::Bridge);
            let mesh = matches!(wanted.kind, LinkKind::Wifi { mode: WifiMode::MeshPoint, .. });
            assert!(!mesh || link.master.is_some());
        }
        for name in self.seen.links.keys().filter(|name| kith_link::names::is_own(name)) {
            assert!(desired.links.contains_key(name), "{name} is left over");
        }
        assert_eq!(self.seen.routes, desired.routes);
        assert!(desired.addresses.is_subset(&self.seen.addresses));
        let files: BTreeMap<&String, &String> =
            desired.files.iter().map(|(path, file)| (path, &file.content)).collect();
        assert_eq!(self.seen.files.iter().collect::<BTreeMap<_, _>>(), files);
        let daemons: BTreeMap<_, _> =
            self.seen.daemons.iter().map(|(id, seen)| (id.clone(), seen.generation)).collect();
        assert_eq!(daemons, desired.daemons);
    }
}

/// The interfaces of a file of hostapd and their bridges.
fn bridges(text: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match line.split_once('=') {
            Some(("interface" | "bss", name)) => pairs.push((name.to_owned(), String::new())),
            Some(("bridge", bridge)) => {
                if let Some((_, last)) = pairs.last_mut() {
                    bridge.clone_into(last);
                }
            }
            _ => {}
        }
    }
    pairs
}
