//! One thing to do to get from what is there to what shall be. A step can be repeated without harm.

use std::collections::BTreeSet;
use std::fmt;

use ipnet::IpNet;
use kith_model::daemon::{DaemonId, DaemonWish};
use kith_model::settings::values::Country;

use crate::desired::{Batadv, FileSpec, RouteSpec, WifiMode};
use crate::flows::Flows;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Load the whole ruleset in one transaction.
    LoadRuleset(String),
    /// Forget connections that nobody would be let begin any more.
    ForgetFlows(BTreeSet<Flows>),
    /// Set a kernel setting below `/proc/sys/net/`.
    SetSysctl {
        /// The path below.
        path: String,
        /// The value.
        value: String,
    },
    /// Choose the rules that radios follow; nothing for the world domain.
    SetCountry(Option<Country>),
    /// Let a radio send with so much power at most.
    SetPower {
        /// The radio.
        radio: String,
        /// In dBm; nothing for as much as it may.
        dbm: Option<u8>,
    },
    /// Write a file below `RUN/link/`.
    WriteFile {
        /// The path below.
        path: String,
        /// What shall be in it.
        file: FileSpec,
    },
    /// Remove a file below `RUN/link/`.
    RemoveFile {
        /// The path below.
        path: String,
    },
    /// Make a bridge.
    AddBridge {
        /// Its name.
        name: String,
    },
    /// Make a batman-adv interface.
    AddBatadv {
        /// Its name.
        name: String,
    },
    /// Make an interface on a radio.
    AddWifi {
        /// Its name.
        name: String,
        /// The radio.
        radio: String,
        /// What for.
        mode: WifiMode,
    },
    /// Remove an interface that the box made.
    RemoveLink {
        /// Its name.
        name: String,
    },
    /// Set what a batman-adv interface does.
    SetBatadv {
        /// Its name.
        name: String,
        /// What it shall do.
        settings: Batadv,
    },
    /// Set an interface's largest packet.
    SetMtu {
        /// Its name.
        name: String,
        /// In bytes.
        mtu: u32,
    },
    /// Make an interface part of a bridge or mesh, or of none.
    SetMaster {
        /// Its name.
        name: String,
        /// Of which.
        master: Option<String>,
    },
    /// Keep a bridge's port apart from other isolated ones, or not.
    SetIsolated {
        /// Its name.
        name: String,
        /// Whether.
        isolated: bool,
    },
    /// Switch an interface on or off.
    SetUp {
        /// Its name.
        name: String,
        /// On.
        up: bool,
    },
    /// Give the box an address.
    AddAddress {
        /// On which interface.
        device: String,
        /// Which, with its network's size.
        address: IpNet,
    },
    /// Take an address of the box away.
    RemoveAddress {
        /// On which interface.
        device: String,
        /// Which.
        address: IpNet,
    },
    /// Add a route.
    AddRoute(RouteSpec),
    /// Remove a route that the box made.
    RemoveRoute(RouteSpec),
    /// Tell a daemon on its control socket to read its file again.
    Reload(DaemonId),
    /// Tell a supplicant to leave and rejoin its mesh: after its interface went down it never does by
    /// itself (wpa_supplicant 2.10 stays `SCANNING`).
    Rejoin(DaemonId),
    /// Tell the supervisor which daemons shall run, all of them.
    WishDaemons(Vec<DaemonWish>),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoadRuleset(_) => write!(f, "load the firewall"),
            Self::ForgetFlows(_) => write!(f, "forget connections that are not allowed any more"),
            Self::SetPower { radio, dbm: Some(dbm) } => {
                write!(f, "let {radio} send with {dbm} dBm at most")
            }
            Self::SetPower { radio, dbm: None } => write!(f, "let {radio} send as it may"),
            Self::SetSysctl { path, value } => write!(f, "set net/{path} to {value}"),
            Self::SetCountry(Some(country)) => write!(f, "use the radio rules of {country}"),
            Self::SetCountry(None) => write!(f, "use the radio rules of the world domain"),
            Self::WriteFile { path, .. } => write!(f, "write {path}"),
            Self::RemoveFile { path } => write!(f, "remove {path}"),
            Self::AddBridge { name } => write!(f, "make the bridge {name}"),
            Self::AddBatadv { name } => write!(f, "make the mesh interface {name}"),
            Self::AddWifi { name, radio, .. } => write!(f, "make {name} on {radio}"),
            Self::RemoveLink { name } => write!(f, "remove {name}"),
            Self::SetBatadv { name, .. } => write!(f, "set up {name}"),
            Self::SetMtu { name, mtu } => write!(f, "let {name} take {mtu} bytes"),
            Self::SetMaster { name, master: Some(master) } => write!(f, "put {name} into {master}"),
            Self::SetMaster { name, master: None } => write!(f, "take {name} out of its bridge"),
            Self::SetIsolated { name, isolated: true } => write!(f, "isolate {name}"),
            Self::SetIsolated { name, isolated: false } => write!(f, "do not isolate {name}"),
            Self::SetUp { name, up: true } => write!(f, "switch {name} on"),
            Self::SetUp { name, up: false } => write!(f, "switch {name} off"),
            Self::AddAddress { device, address } => {
                write!(f, "give {device} the address {address}")
            }
            Self::RemoveAddress { device, address } => write!(f, "take {address} from {device}"),
            Self::AddRoute(route) => write!(f, "add the route to {}", route.to),
            Self::RemoveRoute(route) => write!(f, "remove the route to {}", route.to),
            Self::Reload(daemon) => write!(f, "let {daemon} read its file again"),
            Self::Rejoin(daemon) => write!(f, "let {daemon} rejoin its mesh"),
            Self::WishDaemons(_) => write!(f, "say which daemons shall run"),
        }
    }
}
