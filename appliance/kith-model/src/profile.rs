//! The hardware of a box as data: which ports and radios a board has and what they are for.
//!
//! Profiles are `profile.toml` files; no board is named in code.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::values::{InterfaceName, Label};

/// Each profile's folder and text, from `hw-profiles`.
const PROFILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/profiles.rs"));

/// Of a box whose radios and ports are simulated.
const TRYOUT: &str = "tryout";

/// Of a machine about which nothing is known.
const GENERIC: &str = "generic";

/// All boards that are known, by name.
#[must_use]
pub fn all() -> Vec<Profile> {
    PROFILES.iter().filter_map(|(_, text)| toml::from_str(text).ok()).collect()
}

/// The board of this name.
#[must_use]
pub fn by_name(name: &str) -> Option<Profile> {
    let (_, text) = PROFILES.iter().find(|(folder, _)| *folder == name)?;
    toml::from_str(text).ok()
}

/// The box that is only played.
#[must_use]
pub fn tryout() -> Profile {
    // A test loads it; without it there would be no ports to play with, and still nothing real.
    by_name(TRYOUT).unwrap_or_else(|| Profile { simulated: true, ..Profile::default() })
}

/// A machine about which nothing is known: all its ports belong to the household.
#[must_use]
pub fn generic() -> Profile {
    by_name(GENERIC).unwrap_or_else(|| Profile { other_ports_lan: true, ..Profile::default() })
}

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_profile_loads_and_is_called_as_its_folder() {
        assert!(PROFILES.len() >= 2);
        for (folder, text) in PROFILES {
            let profile: Profile = toml::from_str(text).unwrap_or_else(|e| panic!("{folder}: {e}"));
            assert_eq!(profile.name, *folder);
            assert!(!profile.title.is_empty(), "{folder}");
            let devices: BTreeSet<_> = profile.port.iter().map(|port| &port.device).collect();
            assert_eq!(devices.len(), profile.port.len(), "{folder}: a port is listed twice");
            let lan = profile.port.iter().any(|port| port.role == PortRole::Lan);
            assert!(lan || profile.other_ports_lan, "{folder}: nobody could plug in a computer");
        }
        assert_eq!(all().len(), PROFILES.len());
    }

    #[test]
    fn only_the_try_out_is_simulated() {
        let simulated: Vec<_> = all().into_iter().filter(|p| p.simulated).collect();
        assert_eq!(simulated, [tryout()]);
        let ports: Vec<_> = tryout().port.iter().map(|port| port.device.to_string()).collect();
        assert_eq!(ports, ["lan1", "lan2", "lan3", "wan"]);
        assert_eq!(by_name("generic"), Some(generic()));
        assert_eq!(by_name("../generic"), None);
    }
}
