//! The network of the pretended box: what it shows, and a draft that is kept.

use kith_model::log::{LogLevel, LogLine, LogPage};
use kith_model::network::ask::*;
use kith_model::network::change::*;
use kith_model::network::status::{Network as Of, *};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::role::{RoleState, RoleStatus, Supervision};
use kith_model::settings::values::Mac;
use kith_model::status::NetworkGlance;

use super::{HOUR, NOW};

/// The one-time token of every change.
pub(crate) const CHANGE_TOKEN: &str = "change-token";

/// What is reviewed, always.
pub(crate) const DIGEST: &str = "0011223344556677";

/// The network of the pretended box.
#[derive(Default)]
pub(crate) struct Network {
    pub(crate) status: NetworkStatus,
    pub(crate) text: String,
    pub(crate) draft: Option<String>,
    pub(crate) surveyed: Surveyed,
    /// Whether whoever drives the network does not answer.
    pub(crate) silent: bool,
}

impl Network {
    /// One with everything in it.
    pub(crate) fn lively(name: &str) -> Self {
        let status = NetworkStatus {
            simulated: true,
            managed: true,
            board: "A pretended box".into(),
            country: Some("DE".into()),
            links: vec![link("lan1", Of::Household, true), link("wan", Of::Wan, true)],
            radios: vec![radio("phy0", false), radio("phy1", true)],
            uplinks: vec![uplink()],
            internet: Internet::Own,
            mesh: mesh(name),
            clients: vec![client(name, 1), client("laptop", 2)],
            daemons: vec![daemon("hostapd", "phy0", DaemonHealth::Running)],
            repairs: vec![Repair { at: NOW - HOUR, what: "br-lan was switched off".into() }],
            problems: vec![Problem {
                code: "radar".into(),
                message: "phy1 waits for radar".into(),
            }],
            revision: 1,
            ..NetworkStatus::default()
        };
        let heard = vec![
            Heard { ssid: "Valley Mesh".into(), mesh: true, count: 3, ..heard("phy0", -48) },
            Heard { ssid: name.into(), ..heard("phy1", -80) },
        ];
        let text = "version = 1\n\n[wifi.household]\nenabled = true\nssid = \"Home\"\npassphrase = \"correct horse\"\n";
        let surveyed = Surveyed { at: Some(NOW - HOUR), heard, ..Surveyed::default() };
        Self { status, text: text.into(), surveyed, ..Self::default() }
    }

    fn settings(&self) -> SettingsText {
        let text = self.draft.clone().unwrap_or_else(|| self.text.clone());
        let changes = u32::from(self.draft.is_some());
        let revision = "aabbccddeeff0011".into();
        SettingsText { text, revision, draft: self.draft.is_some(), changes, findings: Vec::new() }
    }

    fn review(&self) -> Review {
        Review {
            digest: DIGEST.into(),
            base: "aabbccddeeff0011".into(),
            words: self.draft.iter().map(|_| "The Wi-Fi is called “Valley”".into()).collect(),
            diff: "-ssid = \"Home\"\n+ssid = \"Valley\"\n".into(),
            impact: vec!["Wi-Fi restarts, about 10 seconds".into()],
            risky: true,
            moves_to: None,
            findings: Vec::new(),
        }
    }

    pub(crate) fn change(state: ChangeState) -> ChangeStatus {
        ChangeStatus {
            id: 7,
            state,
            who: "Ada".into(),
            applied_at: Some(NOW),
            seconds_left: (state == ChangeState::Applied).then_some(117),
            ended_at: (state >= ChangeState::Confirmed).then_some(NOW),
            words: vec!["The Wi-Fi is called “Valley”".into()],
            reason: (state == ChangeState::Reverted).then(|| "nobody confirmed it in time".into()),
            moves_to: None,
        }
    }

    fn end(&mut self, state: ChangeState) -> NetworkReply {
        self.status.change = Some(Self::change(state));
        NetworkReply::Change(self.status.change.clone())
    }

    pub(crate) fn ask(&mut self, ask: NetworkAsk) -> Result<NetworkReply, Refusal> {
        if self.silent {
            let refusal = Refusal::new(RefusalKind::Unavailable, "nobody drives the network");
            return Err(Refusal { retry_after: Some(5), ..refusal });
        }
        Ok(match ask {
            NetworkAsk::Status | NetworkAsk::Aim => {
                NetworkReply::Status(Box::new(self.status.clone()))
            }
            NetworkAsk::Settings => {
                let in_force = Self { text: self.text.clone(), ..Self::default() };
                NetworkReply::Settings(in_force.settings())
            }
            NetworkAsk::Draft => NetworkReply::Settings(self.settings()),
            NetworkAsk::DraftSet { .. } => {
                self.draft = Some(self.text.replace("Home", "Valley"));
                NetworkReply::Settings(self.settings())
            }
            NetworkAsk::DraftReplace { text } => {
                self.draft = Some(text);
                NetworkReply::Settings(self.settings())
            }
            NetworkAsk::Restore { .. } => {
                self.draft = Some(self.text.clone());
                NetworkReply::Settings(self.settings())
            }
            NetworkAsk::DraftDiscard => {
                self.draft = None;
                NetworkReply::Done
            }
            NetworkAsk::Review | NetworkAsk::Check { .. } => NetworkReply::Review(self.review()),
            NetworkAsk::Apply { digest, .. } if digest == DIGEST => {
                self.text = self.draft.take().unwrap_or_else(|| self.text.clone());
                let change = Self::change(ChangeState::Applied);
                self.status.change = Some(change.clone());
                NetworkReply::Applied { change, token: Some(CHANGE_TOKEN.into()) }
            }
            NetworkAsk::Apply { .. } => return Err(conflict()),
            NetworkAsk::Confirm { token } if token == CHANGE_TOKEN => {
                self.end(ChangeState::Confirmed)
            }
            NetworkAsk::Confirm { .. } => {
                return Err(Refusal::new(
                    RefusalKind::WrongSecret,
                    "this is not the change that waits",
                ));
            }
            NetworkAsk::Revert => self.end(ChangeState::Reverted),
            NetworkAsk::Extend => self.end(ChangeState::Applied),
            NetworkAsk::Change => NetworkReply::Change(self.status.change.clone()),
            NetworkAsk::History => NetworkReply::History(vec![PastSettings {
                revision: "0123456789abcdef".into(),
                since: NOW - 50 * HOUR,
                who: "Ada".into(),
                words: vec!["The Wi-Fi was switched on".into()],
            }]),
            NetworkAsk::Survey => {
                self.surveyed.listening = true;
                NetworkReply::Surveyed(self.surveyed.clone())
            }
            NetworkAsk::Surveyed => NetworkReply::Surveyed(self.surveyed.clone()),
            NetworkAsk::Graphs => NetworkReply::Graphs(vec![Graph {
                name: "internet".into(),
                unit: "ms".into(),
                until: NOW,
                step_ms: 60_000,
                samples: (0..200_u8).map(|i| (i % 50 != 7).then(|| f32::from(i % 17))).collect(),
            }]),
            NetworkAsk::Ping { mac } => {
                let rtt_us = vec![Some(1_900), None];
                let pinged = Pinged { mac: mac.to_string(), running: true, rtt_us, error: None };
                self.status.pinged = Some(pinged);
                NetworkReply::Done
            }
            NetworkAsk::ClientSet { .. } | NetworkAsk::Identify(_) => NetworkReply::Done,
        })
    }
}

pub(super) fn supervision() -> Supervision {
    let role = |role: &str| RoleStatus {
        role: role.into(),
        state: RoleState::Ready,
        pid: Some(42),
        since: NOW - 9 * HOUR,
        restarts: 0,
        last_end: None,
    };
    let roles = vec![role("node"), role("link")];
    Supervision { pid: 41, since: NOW - 9 * HOUR, roles, ..Supervision::default() }
}

fn conflict() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "the draft has changed since it was reviewed: review it again",
    )
}

fn link(name: &str, network: Of, carrier: bool) -> Link {
    Link {
        name: name.into(),
        index: 3,
        kind: "ethernet".into(),
        network: Some(network),
        label: Some(name.to_uppercase()),
        mac: Some(Mac([2, 0, 0, 0, 0, 9])),
        up: true,
        carrier,
        ..Link::default()
    }
}

fn radio(name: &str, five: bool) -> Radio {
    let can = RadioAbilities {
        access_point: true,
        mesh_point: !five,
        both: !five,
        access_points: 4,
        station: true,
        sae: true,
        pmf: true,
        band_2ghz: !five,
        band_5ghz: five,
        band_6ghz: false,
    };
    let channel = |number, frequency_mhz, radar| Channel {
        number,
        frequency_mhz,
        radar,
        max_dbm: 20,
        ..Channel::default()
    };
    Radio {
        name: name.into(),
        driver: Some("pretended".into()),
        can,
        channels: if five {
            vec![channel(36, 5180, false), channel(52, 5260, true)]
        } else {
            vec![channel(1, 2412, false), channel(6, 2437, false)]
        },
        channel: Some(if five { 36 } else { 1 }),
        frequency_mhz: Some(if five { 5180 } else { 2412 }),
        width_mhz: Some(20),
        power_dbm: Some(20),
        busy_percent: Some(12),
        interfaces: vec![("kith-ap0".into(), "ap".into())],
        radar_wait_seconds: None,
        advice: if five { vec!["phy1 cannot take part in a mesh.".into()] } else { Vec::new() },
    }
}

fn uplink() -> Uplink {
    Uplink {
        device: "wan".into(),
        label: "WAN".into(),
        carrier: true,
        addresses: vec!["203.0.113.7/24".into()],
        routers: vec!["203.0.113.1".parse().unwrap()],
        dns: vec!["203.0.113.53".parse().unwrap()],
        prefix: Some("2001:db8:7::/56".into()),
        healthy: true,
        in_use: true,
        rtt_us: Some(9_000),
        lost_percent: 1,
        since: NOW - 5 * HOUR,
        error: None,
    }
}

fn mesh(name: &str) -> Mesh {
    Mesh {
        enabled: true,
        id: Some("Valley Mesh".into()),
        addresses: vec!["10.7.1.2/16".into()],
        neighbours: vec![MeshNeighbour {
            mac: "02:00:00:00:01:01".into(),
            name: Some(name.into()),
            device: "kith-mesh0".into(),
            signal_dbm: Some(-58),
            quality: 240,
            rate_kbit: Some(65_000),
            heard_ms: 300,
            secured: true,
        }],
        nodes: vec![MeshNode {
            mac: "02:00:00:00:01:02".into(),
            name: None,
            through: "02:00:00:00:01:01".into(),
            quality: 180,
            heard_ms: 900,
        }],
        gateways: Vec::new(),
        sharing: false,
    }
}

fn client(name: &str, number: u8) -> Client {
    Client {
        mac: Mac([2, 0, 0, 0, 5, number]),
        name: Some(name.into()),
        hostname: Some(name.into()),
        network: Of::Household,
        ipv4: Some([192, 168, 77, 20 + number].into()),
        ipv6: Vec::new(),
        device: Some("kith-ap0".into()),
        band: Some("2.4 GHz".into()),
        signal_dbm: Some(-61),
        rate_kbit: Some(72_000),
        since: Some(NOW - 3 * HOUR),
        lease_until: Some(NOW + 9 * HOUR),
        fixed: false,
        paused: number == 2,
        here: true,
    }
}

fn daemon(program: &str, instance: &str, state: DaemonHealth) -> Daemon {
    Daemon {
        program: program.into(),
        instance: instance.into(),
        pid: Some(99),
        state,
        restarts: 0,
        error: None,
    }
}

fn heard(radio: &str, signal_dbm: i8) -> Heard {
    Heard {
        radio: radio.into(),
        secured: true,
        count: 1,
        signal_dbm,
        channel: 1,
        ..Heard::default()
    }
}

/// The same in short.
pub(super) fn glance(name: &str) -> NetworkGlance {
    NetworkGlance {
        simulated: true,
        managed: true,
        internet: Internet::Own,
        radios: 2,
        devices: 2,
        visitors: 1,
        mesh: Some(name.into()),
        neighbours: 1,
        nodes: 1,
        problems: 1,
        revision: 1,
        ..NetworkGlance::default()
    }
}

/// What was said lately.
pub(super) fn logs(name: &str) -> LogPage {
    let line = |seq, level, text: &str| LogLine {
        seq,
        time: NOW - HOUR,
        source: "hostapd-phy0".into(),
        level,
        text: text.into(),
    };
    let lines = vec![line(1, LogLevel::Info, "AP-ENABLED"), line(2, LogLevel::Warn, name)];
    LogPage { lines, next: 2, missed: 0 }
}
