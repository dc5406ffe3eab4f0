//! What is in the kernel, in `RUN/link` and running, as the hands have seen it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::IpNet;
use kith_model::daemon::{DaemonId, DaemonSeen};
use kith_model::network::status::{Client, Mesh, Radio};
use kith_model::settings::values::{Country, Mac};

use crate::desired::{Batadv, RouteSpec, WifiMode};

/// What is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The rules the radios follow.
    pub country: Option<Country>,
    /// Interfaces by name.
    pub links: BTreeMap<String, SeenLink>,
    /// Addresses of the box besides link-local ones.
    pub addresses: BTreeSet<(String, IpNet)>,
    /// Routes that the box made (`RTPROT_KITH`).
    pub routes: BTreeSet<RouteSpec>,
    /// Kernel settings that the box sets: path below `/proc/sys/net/` and value.
    pub sysctls: BTreeMap<String, String>,
    /// The ruleset that the box loaded last, as it gave it; nothing when the table has been changed or
    /// removed since (its generation differs).
    pub ruleset: Option<String>,
    /// Files by path below `RUN/link/`.
    pub files: BTreeMap<String, String>,
    /// Daemons as the supervisor sees them, and whether they answer on their control sockets.
    pub daemons: BTreeMap<DaemonId, DaemonSeen>,
    /// Radios.
    pub radios: BTreeMap<String, Radio>,
    /// The mesh.
    pub mesh: Mesh,
    /// Who has answered for which address in the mesh.
    pub mesh_arp: BTreeMap<Ipv4Addr, Mac>,
    /// Devices of household and visitors.
    pub clients: Vec<Client>,
}

/// An interface that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenLink {
    /// The kernel's number.
    pub index: u32,
    /// What it is.
    pub kind: SeenKind,
    /// Its address.
    pub mac: Option<Mac>,
    /// Whether it is switched on.
    pub up: bool,
    /// Whether there is a signal or a plug at the other end.
    pub carrier: bool,
    /// The bridge or batman-adv interface it is part of.
    pub master: Option<String>,
    /// Its largest packet in bytes.
    pub mtu: u32,
    /// Whether it is an isolated port of its bridge.
    pub isolated: bool,
    /// Bytes received since it is there.
    pub received_bytes: u64,
    /// Bytes sent since it is there.
    pub sent_bytes: u64,
}

/// What an interface that is there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeenKind {
    /// A port, real or `veth`.
    Port,
    /// A bridge.
    Bridge,
    /// A batman-adv interface.
    Batadv(Batadv),
    /// An interface on a radio.
    Wifi {
        /// The radio.
        radio: String,
        /// What for, when it is one of those that the box makes.
        mode: Option<WifiMode>,
    },
    /// Something that is no business of the box.
    Other,
}
