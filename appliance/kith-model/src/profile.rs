//! The hardware of a box as data: which ports and radios a board has and what they are for.
//!
//! Profiles are `profile.toml` files; no board is named in code.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::values::{InterfaceName, Label};

/// What is known about a board before looking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its short name, which is its folder's.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Ethernet ports in the order in which they are seen from behind.
    #[serde(default)]
    pub port: Vec<Port>,
    /// Whether ports that are not listed belong to the household (else they stay unused).
    #[serde(default)]
    pub other_ports_lan: bool,
    /// Megabytes of memory.
    #[serde(default)]
    pub memory_mb: u32,
    /// Whether its radios and ports are only simulated.
    #[serde(default)]
    pub simulated: bool,
}

/// An Ethernet port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// The kernel's name of it.
    pub device: InterfaceName,
    /// What is printed beside it.
    pub label: Label,
    /// What it is for unless the settings say otherwise.
    pub role: PortRole,
}

/// What a port is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum PortRole {
    /// The household.
    Lan,
    /// The internet.
    Wan,
}
