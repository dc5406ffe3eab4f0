//! What shall be in the kernel, in `RUN/link` and running: the outcome of settings, profile and facts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use kith_model::daemon::DaemonId;
use kith_model::network::status::{Network, Problem};
use kith_model::settings::values::Country;

/// What shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// The rules the radios follow; nothing for the world domain.
    pub country: Option<Country>,
    /// Interfaces by name. What the box once made and is not in here is removed; ports and radios that it
    /// did not make are left alone when they are not in here.
    pub links: BTreeMap<String, LinkSpec>,
    /// Addresses of the box: which interface, which address with its network's size.
    pub addresses: BTreeSet<(String, IpNet)>,
    /// Routes besides those that addresses bring.
    pub routes: BTreeSet<RouteSpec>,
    /// Kernel settings: path below `/proc/sys/net/` and value.
    pub sysctls: BTreeMap<String, String>,
    /// How strongly radios may send at most, in dBm; all others as strongly as they may.
    pub powers: BTreeMap<String, u8>,
    /// The whole ruleset as one nft transaction.
    pub ruleset: String,
    /// Files by path below `RUN/link/`.
    pub files: BTreeMap<String, FileSpec>,
    /// Daemons and the generation they shall run with (see `kith_model::daemon::DaemonWish`).
    pub daemons: BTreeMap<DaemonId, u64>,
    /// What cannot be done as wanted.
    pub problems: Vec<Problem>,
}

/// An interface that shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSpec {
    /// What it is.
    pub kind: LinkKind,
    /// Which of the four networks it belongs to.
    pub network: Network,
    /// The bridge or batman-adv interface it is part of. An access point is put into its bridge by
    /// hostapd; it is named here too, so that drift is seen.
    pub master: Option<String>,
    /// Its largest packet in bytes, where the default does not do.
    pub mtu: Option<u32>,
    /// Whether ports of the same bridge that are isolated too do not hear it.
    pub isolated: bool,
}

/// What an interface is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// A port that is there; only its master and its state are set.
    Port,
    /// A bridge without spanning tree; made and removed by the box.
    Bridge,
    /// A batman-adv interface with its settings; made and removed by the box.
    Batadv(Batadv),
    /// An interface on a radio; made and removed by the box.
    Wifi {
        /// The radio, `phy0`.
        radio: String,
        /// What for.
        mode: WifiMode,
    },
}

/// What a Wi-Fi interface is for (nl80211 interface types).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WifiMode {
    /// `NL80211_IFTYPE_AP`.
    AccessPoint,
    /// `NL80211_IFTYPE_MESH_POINT`.
    MeshPoint,
    /// `NL80211_IFTYPE_STATION`.
    Station,
}

/// The settings of a batman-adv interface (`BATADV_ATTR_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batadv {
    /// What it says about ways to the internet.
    pub gateway: GatewayMode,
    /// Whether loops through bridges are avoided (bridge loop avoidance).
    pub bridge_loop_avoidance: bool,
    /// Whether clients of one node are kept apart (AP isolation).
    pub isolation: bool,
    /// Milliseconds between originator messages.
    pub originator_interval_ms: u32,
}

/// `BATADV_ATTR_GW_MODE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayMode {
    /// Neither shares nor uses a shared way.
    Off,
    /// Uses one; switches to another by this class (`BATADV_ATTR_GW_SEL_CLASS`).
    Client {
        /// 20 is the kernel's default.
        selection_class: u32,
    },
    /// Shares its own, in units of 100 kbit/s.
    Server {
        /// Towards the box.
        down: u32,
        /// Away from it.
        up: u32,
    },
}

/// A route that shall be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteSpec {
    /// Where to.
    pub to: IpNet,
    /// By whom; nothing for what is directly there.
    pub via: Option<IpAddr>,
    /// Through which interface; nothing for a route that refuses (`unreachable`), such as the discard
    /// route of a delegated prefix (RFC 7084, WPD-5).
    pub device: Option<String>,
    /// The smaller the sooner.
    pub metric: u32,
}

/// A file that a daemon reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSpec {
    /// What is in it.
    pub content: String,
    /// Whether it holds secrets: then only the daemon's user may read it.
    pub secret: bool,
    /// What has to happen when it changed and its daemon was not started anew.
    pub on_change: OnChange,
}

/// What has to happen when a file changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnChange {
    /// Nothing: it is only read at the start, and the daemon's generation covers it.
    Restart,
    /// The daemon sees it by itself (`inotify`, dnsmasq's `hostsdir` family).
    Noticed,
    /// hostapd or wpa_supplicant is told on its control socket: `RELOAD_BSS`, `RECONFIGURE`.
    Reload(DaemonId),
}
