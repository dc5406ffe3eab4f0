//! The network as people see it: what was seen, with names, verdicts and the change under way.

use kith_core::time::Instant;
use kith_model::daemon::DaemonSeen;
use kith_model::network::status::{
    Client, Daemon, DaemonHealth, Link, Mesh, Network, NetworkStatus, Problem,
};

use super::{Control, Printed};
use crate::desired::{GatewayMode, LinkKind};
use crate::names::MESH;
use crate::seen::{SeenKind, SeenLink};

impl Control {
    /// How it all is. Its revision grows with whatever a page would show.
    pub(super) fn status(&mut self, now: Instant) -> NetworkStatus {
        let way_out = self.uplinks.choose(now, &self.seen);
        let mut status = NetworkStatus {
            simulated: self.setup.simulated,
            managed: true,
            safe_mode: self.safe_mode().map(str::to_owned),
            board: self.setup.profile.title.clone(),
            country: self.seen.country.as_ref().map(ToString::to_string),
            links: self.links(),
            radios: self.seen.radios.values().cloned().collect(),
            listening: self.survey.wanted(),
            uplinks: self.uplinks.status(&self.seen, way_out.as_deref()),
            internet: self.uplinks.internet(way_out.as_deref()),
            mesh: self.mesh(way_out.as_deref()),
            pinged: self.pings.shown(),
            clients: self.clients(),
            daemons: self.daemons(),
            repairs: self.reconcile.repairs(),
            problems: self.problems(),
            change: self.transaction.status(now),
            revision: self.shown.revision,
        };
        if status != self.shown {
            status.revision += 1;
            self.shown.clone_from(&status);
        }
        status
    }

    fn links(&self) -> Vec<Link> {
        let ours = self.seen.links.iter().filter(|(_, link)| link.kind != SeenKind::Other);
        ours.map(|(name, link)| self.link(name, link)).collect()
    }

    fn link(&self, name: &str, link: &SeenLink) -> Link {
        let kind = match link.kind {
            SeenKind::Port => "ethernet",
            SeenKind::Bridge => "bridge",
            SeenKind::Batadv(_) => "batadv",
            SeenKind::Wifi { .. } => "wifi",
            SeenKind::Other => "other",
        };
        let port = self.setup.profile.port.iter().find(|port| port.device.as_str() == name);
        let of_it = self.seen.addresses.iter().filter(|(device, _)| device == name);
        Link {
            name: name.to_owned(),
            index: link.index,
            kind: kind.to_owned(),
            network: self.desired.links.get(name).map(|spec| spec.network),
            label: port.map(|port| port.label.as_str().to_owned()),
            mac: link.mac,
            up: link.up,
            carrier: link.carrier,
            master: link.master.clone(),
            addresses: of_it.map(|(_, address)| address.to_string()).collect(),
            received_bytes: link.received_bytes,
            sent_bytes: link.sent_bytes,
        }
    }

    fn mesh(&self, way_out: Option<&str>) -> Mesh {
        let wanted = &self.target().settings.mesh;
        let shares = |kind: &LinkKind| match kind {
            LinkKind::Batadv(batadv) => matches!(batadv.gateway, GatewayMode::Server { .. }),
            LinkKind::Port | LinkKind::Bridge | LinkKind::Wifi { .. } => false,
        };
        let mut mesh = Mesh {
            enabled: wanted.enabled,
            id: wanted.id.as_ref().map(|id| id.as_str().to_owned()),
            sharing: self.desired.links.get(MESH).is_some_and(|spec| shares(&spec.kind)),
            ..self.seen.mesh.clone()
        };
        if mesh.addresses.is_empty() {
            let of_mesh = self.seen.addresses.iter().filter(|(device, _)| device == MESH);
            mesh.addresses = of_mesh.map(|(_, address)| address.to_string()).collect();
        }
        if way_out != Some(MESH) {
            mesh.gateways.iter_mut().for_each(|gateway| gateway.chosen = false);
        }
        mesh
    }

    fn clients(&self) -> Vec<Client> {
        let known = &self.target().settings.client;
        let named = |client: &Client| {
            let mut client = client.clone();
            if let Some(known) = known.get(&client.mac) {
                client.name = known.name.as_ref().map(ToString::to_string);
                client.fixed = known.address.is_some();
                client.paused = known.paused;
            }
            client
        };
        let mut clients: Vec<Client> = self.seen.clients.iter().map(named).collect();
        // Who is known but was never seen since the start can be let go of all the same.
        for (mac, known) in known {
            if !clients.iter().any(|client| client.mac == *mac) {
                clients.push(Client {
                    mac: *mac,
                    name: known.name.as_ref().map(ToString::to_string),
                    hostname: None,
                    network: Network::Household,
                    ipv4: known.address,
                    ipv6: Vec::new(),
                    device: None,
                    band: None,
                    signal_dbm: None,
                    rate_kbit: None,
                    since: None,
                    lease_until: None,
                    fixed: known.address.is_some(),
                    paused: known.paused,
                    here: false,
                });
            }
        }
        clients
    }

    fn daemons(&self) -> Vec<Daemon> {
        let show = |(id, daemon): (&kith_model::daemon::DaemonId, &_)| {
            let daemon: &DaemonSeen = daemon;
            let hung = daemon.state == DaemonHealth::Running && self.watch.hung(id);
            Daemon {
                program: id.program.name().to_owned(),
                instance: id.instance.to_string(),
                pid: daemon.pid,
                state: if hung { DaemonHealth::Hung } else { daemon.state },
                restarts: daemon.restarts,
                error: daemon.error.clone(),
            }
        };
        self.seen.daemons.iter().map(show).collect()
    }

    fn problems(&self) -> Vec<Problem> {
        let unreadable = self.complaints.iter().map(|complaint| Problem {
            code: "settings-unreadable".to_owned(),
            message: complaint.clone(),
        });
        let owed = self.owed.iter().map(|_| Problem {
            code: "disk-failed".to_owned(),
            message: "A change was taken back, but the disk does not take that down yet."
                .to_owned(),
        });
        let printed = match &self.setup.printed {
            Printed::Unusable(why) => Some(Problem {
                code: "setup-secret".to_owned(),
                message: format!(
                    "The secret that was printed for this box cannot be used, so there is no Wi-Fi for \
                     setting up ({why}). Come by cable, or write the image again."
                ),
            }),
            Printed::None | Printed::Secret(_) => None,
        };
        let ended = self.seen.daemons.values().filter_map(ended);
        let wanted = self.desired.problems.iter().cloned().chain(printed).chain(ended);
        let wanted = wanted.chain(self.claims.problems());
        wanted.chain(self.reconcile.problems()).chain(unreadable).chain(owed).collect()
    }
}

/// A daemon that is not there, or does not stay, for people: what works without it goes on.
fn ended(daemon: &DaemonSeen) -> Option<Problem> {
    let why = daemon.error.as_deref().unwrap_or("it did not say why");
    let id = &daemon.id;
    let (code, message) = match daemon.state {
        DaemonHealth::Missing => {
            ("daemon-missing", format!("What needs {id} does not work: {why}."))
        }
        DaemonHealth::Failing => (
            "daemon-failing",
            format!(
                "What needs {id} does not work, since it ends again and again: {why}. It is tried once \
                 a minute; undo the last change, or look at the log."
            ),
        ),
        DaemonHealth::Starting
        | DaemonHealth::Running
        | DaemonHealth::Hung
        | DaemonHealth::Waiting => return None,
    };
    Some(Problem { code: code.to_owned(), message })
}
