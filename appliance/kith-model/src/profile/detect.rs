//! Which board a machine is, from what it says of itself: the device tree, then DMI, then its instruction
//! set alone. A pure function; reading sysfs is the caller's.

use std::fmt;

use super::board::{Arch, Dmi, Profile};

/// No machine says more names than this; a device tree that does is cut here.
const MAX_NAMES: usize = 32;

/// What a machine says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// `compatible` of the device tree's root, the most particular name first.
    pub compatible: Vec<String>,
    /// What DMI says.
    pub dmi: SeenDmi,
    /// The instruction set, if it is one that is known.
    pub arch: Option<Arch>,
}

/// What `/sys/class/dmi/id` says, empty where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenDmi {
    /// The maker.
    pub sys_vendor: String,
    /// The product.
    pub product_name: String,
    /// The kind of housing (SMBIOS 7.4.1).
    pub chassis_type: Option<u8>,
}

/// The board that was found, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The board.
    pub profile: Profile,
    /// What it was told by.
    pub how: How,
}

/// What a board was told by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// This name in the device tree.
    DeviceTree(String),
    /// What DMI says: maker, then product.
    Dmi(String, String),
    /// Nothing: nobody described this machine.
    Nothing,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.profile.name;
        match &self.how {
            How::DeviceTree(said) => write!(f, "board {name}: the device tree says {said}"),
            How::Dmi(vendor, product) => {
                write!(f, "board {name}: its firmware says {vendor} {product}")
            }
            How::Nothing => {
                write!(
                    f,
                    "no profile describes this machine, so it is {name}: all its ports are the "
                )?;
                f.write_str("household's until somebody says which leads to the internet")
            }
        }
    }
}

/// The names in a `compatible` property: bytes with a NUL after each (Devicetree Specification 2.2.4).
#[must_use]
pub fn compatible(property: &[u8]) -> Vec<String> {
    let names = property.split(|byte| *byte == 0).filter(|name| !name.is_empty()).take(MAX_NAMES);
    names.filter_map(|name| std::str::from_utf8(name).ok()).map(str::to_owned).collect()
}

/// Which of `profiles` a machine is.
#[must_use]
pub fn detect(profiles: &[Profile], seen: &Seen) -> Found {
    by_device_tree(profiles, seen)
        .or_else(|| by_dmi(profiles, seen))
        .unwrap_or_else(|| Found { profile: of_arch(profiles, seen.arch), how: How::Nothing })
}

fn by_device_tree(profiles: &[Profile], seen: &Seen) -> Option<Found> {
    seen.compatible.iter().find_map(|said| {
        let profile = profiles.iter().find(|profile| profile.detect.compatible.contains(said))?;
        Some(Found { profile: profile.clone(), how: How::DeviceTree(said.clone()) })
    })
}

fn by_dmi(profiles: &[Profile], seen: &Seen) -> Option<Found> {
    let of_arch =
        profiles.iter().filter(|profile| profile.arch.is_none() || profile.arch == seen.arch);
    let rules =
        of_arch.flat_map(|profile| profile.detect.dmi.iter().map(move |rule| (profile, rule)));
    let holding = rules.filter_map(|(profile, rule)| Some((holds(rule, &seen.dmi)?, profile)));
    let (_, profile) = holding.max_by_key(|(particular, _)| *particular)?;
    let how = How::Dmi(seen.dmi.sys_vendor.clone(), seen.dmi.product_name.clone());
    Some(Found { profile: profile.clone(), how })
}

/// How particular a rule is, if it holds. A rule that says nothing never does.
fn holds(rule: &Dmi, seen: &SeenDmi) -> Option<usize> {
    let vendor = rule.sys_vendor.as_ref().map(|vendor| *vendor == seen.sys_vendor);
    let product = rule.product_name.as_ref().map(|product| *product == seen.product_name);
    let chassis = (!rule.chassis_type.is_empty())
        .then(|| seen.chassis_type.is_some_and(|kind| rule.chassis_type.contains(&kind)));
    // A product says more than a maker, a maker more than a housing.
    let parts = [(product, 4), (vendor, 2), (chassis, 1)];
    let given: Vec<(bool, usize)> =
        parts.into_iter().filter_map(|(part, weight)| Some((part?, weight))).collect();
    let all = !given.is_empty() && given.iter().all(|(holds, _)| *holds);
    all.then(|| given.iter().map(|(_, weight)| weight).sum())
}

fn of_arch(profiles: &[Profile], arch: Option<Arch>) -> Profile {
    let name = arch.map(|arch| format!("{}-{arch}", super::GENERIC));
    let known = name.and_then(|name| profiles.iter().find(|profile| profile.name == name));
    known.cloned().unwrap_or_else(super::generic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(names: &[&str]) -> Seen {
        let compatible = names.iter().map(|name| (*name).to_owned()).collect();
        Seen { compatible, arch: Some(Arch::Aarch64), ..Seen::default() }
    }

    fn board(name: &str, compatible: &[&str], dmi: Vec<Dmi>) -> Profile {
        let mut profile = Profile { name: name.into(), ..Profile::default() };
        profile.detect.compatible = compatible.iter().map(|name| (*name).to_owned()).collect();
        profile.detect.dmi = dmi;
        profile
    }

    fn pc(vendor: &str, product: &str, chassis: u8) -> Seen {
        let dmi = SeenDmi {
            sys_vendor: vendor.into(),
            product_name: product.into(),
            chassis_type: Some(chassis),
        };
        Seen { dmi, arch: Some(Arch::X86_64), ..Seen::default() }
    }

    #[test]
    fn the_most_particular_name_of_the_device_tree_decides() {
        let profiles =
            [board("soc", &["maker,soc"], vec![]), board("board", &["maker,board"], vec![])];
        let found = detect(&profiles, &tree(&["maker,board", "maker,soc"]));
        assert_eq!(found.profile.name, "board");
        assert_eq!(found.to_string(), "board board: the device tree says maker,board");
        assert_eq!(detect(&profiles, &tree(&["maker,new", "maker,soc"])).profile.name, "soc");
    }

    #[test]
    fn the_device_tree_comes_before_dmi() {
        let any = Dmi { sys_vendor: Some("Maker".into()), ..Dmi::default() };
        let profiles = [board("firmware", &[], vec![any]), board("tree", &["maker,tree"], vec![])];
        let both = Seen { compatible: vec!["maker,tree".into()], ..pc("Maker", "x", 3) };
        assert_eq!(detect(&profiles, &both).profile.name, "tree");
        let found = detect(&profiles, &pc("Maker", "x", 3));
        assert_eq!(found.profile.name, "firmware");
        assert_eq!(found.to_string(), "board firmware: its firmware says Maker x");
    }

    #[test]
    fn the_rule_that_says_more_wins_whatever_comes_first() {
        let housing = Dmi { chassis_type: vec![3, 35], ..Dmi::default() };
        let maker = Dmi { sys_vendor: Some("Maker".into()), ..Dmi::default() };
        let product = Dmi { product_name: Some("One".into()), ..maker.clone() };
        let mut profiles = vec![
            board("any", &[], vec![housing]),
            board("made", &[], vec![maker]),
            board("one", &[], vec![product]),
        ];
        for _ in 0..2 {
            assert_eq!(detect(&profiles, &pc("Maker", "One", 3)).profile.name, "one");
            assert_eq!(detect(&profiles, &pc("Maker", "Two", 3)).profile.name, "made");
            assert_eq!(detect(&profiles, &pc("Other", "One", 35)).profile.name, "any");
            assert_eq!(detect(&profiles, &pc("Other", "One", 1)).how, How::Nothing);
            profiles.reverse();
        }
    }

    #[test]
    fn a_rule_that_says_nothing_fits_nothing() {
        let profiles = [board("empty", &[], vec![Dmi::default()])];
        assert_eq!(detect(&profiles, &pc("", "", 3)).how, How::Nothing);
    }

    #[test]
    fn an_unknown_machine_is_generic_and_that_is_said() {
        let all = super::super::all();
        for arch in Arch::ALL {
            let unknown = Seen { arch: Some(arch), ..tree(&["maker,unheard-of"]) };
            let found = detect(&all, &unknown);
            assert_eq!(found.profile.name, format!("generic-{arch}"));
            assert!(found.to_string().starts_with("no profile describes this machine"));
            assert!(found.profile.other_ports_lan);
        }
        let nothing = detect(&all, &Seen::default());
        assert_eq!((&*nothing.profile.name, nothing.how), ("generic", How::Nothing));
    }

    #[test]
    fn every_board_finds_itself_by_each_of_its_names() {
        let all = super::super::all();
        for board in &all {
            for name in &board.detect.compatible {
                let machine = Seen { arch: board.arch, ..tree(&[name, "soc,of-many"]) };
                assert_eq!(detect(&all, &machine).profile.name, board.name);
            }
            for rule in &board.detect.dmi {
                let chassis = rule.chassis_type.first().copied().unwrap_or_default();
                let vendor = rule.sys_vendor.as_deref().unwrap_or("Anybody");
                let product = rule.product_name.as_deref().unwrap_or("Anything");
                let machine = Seen { arch: board.arch, ..pc(vendor, product, chassis) };
                assert_eq!(detect(&all, &machine).profile.name, board.name);
            }
        }
    }

    #[test]
    fn a_property_is_split_at_its_zeros_and_bounded() {
        assert_eq!(compatible(b"maker,board\0maker,soc\0"), ["maker,board", "maker,soc"]);
        assert_eq!(compatible(b"\0\0\xff\xfe\0a"), ["a"]);
        assert!(compatible(b"").is_empty());
        assert_eq!(compatible(&b"x\0".repeat(10_000)).len(), MAX_NAMES);
    }
}
