//! The system daemons a box lives with, as the link role wishes for them and the supervisor runs them.
//!
//! A wish names a program of a fixed list and an instance. The supervisor alone knows which arguments,
//! user and limits a program gets; nothing that is wished for can change them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::network::status::DaemonHealth;
use crate::settings::values::InterfaceName;

/// The programs a box lives with.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// Access points; one for each radio.
    Hostapd,
    /// 802.11s and Wi-Fi uplinks; one for each interface.
    WpaSupplicant,
    /// DHCP, router advertisements and DNS; one.
    Dnsmasq,
    /// DHCP and IPv6 towards the internet; one for each uplink.
    Dhcpcd,
}

impl Program {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hostapd, Self::WpaSupplicant, Self::Dnsmasq, Self::Dhcpcd];

    /// The name of its file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hostapd => "hostapd",
            Self::WpaSupplicant => "wpa_supplicant",
            Self::Dnsmasq => "dnsmasq",
            Self::Dhcpcd => "dhcpcd",
        }
    }
}

/// One daemon.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct DaemonId {
    /// The program.
    pub program: Program,
    /// The interface or radio it looks after; `lan` for dnsmasq.
    pub instance: InterfaceName,
}

impl DaemonId {
    /// The name of its configuration in `RUN/link/`, of its process file in `RUN/daemons/` and of its
    /// control group: `hostapd-phy0`.
    #[must_use]
    pub fn file(&self) -> String {
        format!("{}-{}", self.program.name(), self.instance)
    }
}

impl fmt::Display for DaemonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {}", self.program.name(), self.instance)
    }
}

/// A daemon that shall run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonWish {
    /// Which.
    pub id: DaemonId,
    /// A digest of all it reads only at its start: when this changes it is started anew.
    pub generation: u64,
}

/// A daemon as the supervisor sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DaemonSeen {
    /// Which.
    pub id: DaemonId,
    /// The generation it was started with.
    pub generation: u64,
    /// Its process, while there is one.
    pub pid: Option<u32>,
    /// How it is, as far as a process shows it.
    pub state: DaemonHealth,
    /// How often it was started again.
    pub restarts: u64,
    /// How it ended the last time, or why it could not be started, in English.
    pub error: Option<String>,
}
