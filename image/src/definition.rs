//! `image/packages.toml`: what is in an image, by our own names, and what both builders call it.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use kith_model::profile::{Arch, Profile};
use serde::Deserialize;

/// Where it is written.
pub const FILE: &str = "image/packages.toml";

/// What is in an image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// About Buildroot as a whole.
    pub buildroot: Release,
    /// About Debian as a whole.
    pub debian: Debian,
    /// What follows from the instruction set.
    pub arch: BTreeMap<Arch, ArchPart>,
    /// Programs, by our name.
    pub package: BTreeMap<String, Package>,
    /// Firmware that boards name.
    pub firmware: BTreeMap<String, Package>,
}

/// Which Buildroot.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its release, as its `Makefile` says.
    pub release: String,
    /// Packages for which it records no licence, though they have one.
    pub licence_unrecorded: Vec<String>,
}

/// Which Debian, and what of its kernel.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Debian {
    /// Its release.
    pub suite: String,
    /// Packages that others ask for and no box needs, since no maintainer script ever runs.
    pub without: Vec<String>,
    /// Modules that lead to the disk.
    pub initrd_modules: Vec<String>,
    /// Modules of every image; boards and radios add theirs.
    pub modules: Vec<String>,
}

/// What follows from the instruction set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchPart {
    /// Lines of Buildroot's configuration.
    pub buildroot: Vec<String>,
    /// Debian's name of it.
    pub debian: String,
    /// Debian's kernel package.
    pub kernel: String,
}

/// Something that is in an image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Why it is there.
    pub why: String,
    /// Whether it is in all images; else boards name it.
    #[serde(default)]
    pub every_box: bool,
    /// Lines of Buildroot's configuration.
    pub buildroot: Vec<String>,
    /// Packages of Debian.
    pub debian: Vec<String>,
}

impl Definition {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it, with its line.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let definition: Self = toml::from_str(text).with_context(|| format!("{FILE} is wrong"))?;
        for (name, package) in definition.package.iter().chain(&definition.firmware) {
            if package.why.is_empty() {
                bail!("{FILE}: {name} says not why it is there");
            }
            if let Some(line) = package.buildroot.iter().find(|line| symbol(line).is_none()) {
                bail!("{FILE}: {name}: {line:?} is no line of a configuration");
            }
        }
        Ok(definition)
    }

    /// What is in the image of a board, in a fixed order.
    ///
    /// # Errors
    /// The board names something that is not defined.
    pub fn of<'d>(&'d self, board: &Profile) -> anyhow::Result<Vec<(&'d str, &'d Package)>> {
        let all = self.package.iter().filter(|(_, package)| package.every_box);
        let mut parts: Vec<(&str, &Package)> =
            all.map(|(name, package)| (name.as_str(), package)).collect();
        let image = board.image.iter();
        let named =
            image.clone().flat_map(|image| &image.packages).map(|name| (name, &self.package));
        let firmware = image.flat_map(|image| &image.firmware).map(|name| (name, &self.firmware));
        for (name, table) in named.chain(firmware) {
            let Some((name, package)) = table.get_key_value(name) else {
                bail!("{} names {name:?}, which {FILE} does not define", board.name);
            };
            parts.push((name, package));
        }
        parts.sort_by_key(|(name, _)| *name);
        Ok(parts)
    }
}

/// The symbol that a line of a configuration sets or unsets.
#[must_use]
pub fn symbol(line: &str) -> Option<&str> {
    let unset = line.strip_prefix("# ").and_then(|line| line.strip_suffix(" is not set"));
    let symbol = unset.or_else(|| line.split_once('=').map(|(symbol, _)| symbol))?;
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (symbol.starts_with("BR2_") && symbol.chars().all(sound)).then_some(symbol)
}

#[cfg(test)]
mod tests {
    use kith_model::profile;

    use super::*;

    pub(crate) fn definition() -> Definition {
        Definition::parse(include_str!("../packages.toml")).unwrap()
    }

    #[test]
    fn every_board_names_only_what_is_defined() {
        let definition = definition();
        for board in profile::all() {
            definition.of(&board).unwrap();
        }
    }

    #[test]
    fn every_firmware_is_named_by_some_board() {
        let boards = profile::all();
        let images = || boards.iter().filter_map(|board| board.image.as_ref());
        for name in definition().firmware.keys() {
            assert!(images().any(|image| image.firmware.contains(name)), "{name} is for nobody");
        }
    }

    #[test]
    fn every_instruction_set_of_a_board_is_defined() {
        let definition = definition();
        assert!(Arch::ALL.iter().all(|arch| definition.arch.contains_key(arch)));
    }

    #[test]
    fn there_is_no_way_in_and_no_second_router() {
        let text = include_str!("../packages.toml").to_ascii_lowercase();
        for unwanted in ["dropbear", "openssh", "telnet", "babeld", "avahi", "rauc", "getty=y"] {
            assert!(!text.contains(unwanted), "{unwanted}");
        }
    }

    #[test]
    fn what_is_undefined_is_told() {
        let mut board = profile::generic();
        let definition = definition();
        board.image = profile::all().into_iter().find_map(|board| board.image);
        board.image.as_mut().unwrap().firmware = vec!["unheard-of".into()];
        let error = definition.of(&board).unwrap_err().to_string();
        assert!(
            error.contains("\"unheard-of\", which image/packages.toml does not define"),
            "{error}"
        );
    }

    #[test]
    fn lines_are_read_as_kconfig_writes_them() {
        assert_eq!(symbol("BR2_A=y"), Some("BR2_A"));
        assert_eq!(symbol("# BR2_A is not set"), Some("BR2_A"));
        for line in ["", "# BR2_A", "A=y", "BR2_A", "BR2_A B=y"] {
            assert_eq!(symbol(line), None, "{line}");
        }
    }
}
