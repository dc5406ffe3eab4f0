//! The hardware of a box as data: which ports and radios a board has, what they are for, and what its
//! image is made of.
//!
//! Profiles are `hw-profiles/<board>/profile.toml`; no board is named in code. The same files drive the
//! image builders, the box itself and the table of the documentation, so that they cannot disagree.

mod board;
pub mod check;
pub mod detect;
mod image;
mod ports;
mod read;

pub use board::{
    Arch, Band, Button, Class, Detect, Dmi, Gpio, Led, Lora, Mode, Port, PortMatch, PortRole,
    Profile, Radio, Shows, Spi, Storage, Tier,
};
pub use image::{BootChain, Buildroot, Image, Layout, Uboot};
pub use ports::{SeenPort, names};
pub use read::{ProfileError, read};

/// Each profile's folder and text, from `hw-profiles`.
const PROFILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/profiles.rs"));

/// Of a box whose radios and ports are simulated.
const TRYOUT: &str = "tryout";

/// Of a machine about which nothing is known.
const GENERIC: &str = "generic";

/// All boards that are known, by name.
#[must_use]
pub fn all() -> Vec<Profile> {
    PROFILES.iter().filter_map(|(folder, text)| read(folder, text).ok()).collect()
}

/// The board of this name.
#[must_use]
pub fn by_name(name: &str) -> Option<Profile> {
    let (folder, text) = PROFILES.iter().find(|(folder, _)| *folder == name)?;
    read(folder, text).ok()
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_profile_loads_and_is_called_as_its_folder() {
        assert!(PROFILES.len() >= 2);
        for (folder, text) in PROFILES {
            let profile = read(folder, text).unwrap_or_else(|problems| {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                panic!("{}", lines.join("\n"))
            });
            assert_eq!(profile.name, *folder);
        }
        assert_eq!(all().len(), PROFILES.len());
    }

    #[test]
    fn no_two_profiles_claim_one_machine() {
        let (mut compatible, mut dmi) = (BTreeSet::new(), BTreeSet::new());
        for profile in all() {
            for name in &profile.detect.compatible {
                assert!(compatible.insert(name.clone()), "{}: {name} is another's", profile.name);
            }
            for rule in &profile.detect.dmi {
                let rule = (profile.arch, rule.clone());
                assert!(dmi.insert(rule.clone()), "{}: {rule:?} is another's", profile.name);
            }
        }
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
