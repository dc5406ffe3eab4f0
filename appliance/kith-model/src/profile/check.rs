//! What cannot be true of a board, whatever the syntax: claims without a witness, radios that are said to do
//! what their driver cannot, layouts that the firmware would not find.

use std::collections::BTreeSet;

use super::board::{Class, Mode, Profile, Tier};
use super::image::{BootChain, Image, Layout};

/// Where in the document, and what to write instead.
pub type Problem = (Vec<String>, String);

/// Drivers whose radios can take part in a mesh (`NL80211_IFTYPE_MESH_POINT` in their interface modes).
/// brcmfmac, iwlwifi and mt7921e have none.
const MESH_DRIVERS: &[&str] = &[
    "ath10k_pci",
    "ath9k",
    "ath9k_htc",
    "mac80211_hwsim",
    "mt7603e",
    "mt7615e",
    "mt76x2e",
    "mt76x2u",
    "mt7915e",
];

const BUSES: &[&str] = &["pcie", "sdio", "soc", "usb", "virtual"];

/// With less, the box has no room to work in.
const MIN_MEMORY_MB: u32 = 128;

/// What of `profile` cannot be true.
#[must_use]
pub fn problems(profile: &Profile) -> Vec<Problem> {
    let mut found = Vec::new();
    names(profile, &mut found);
    claims(profile, &mut found);
    ports(profile, &mut found);
    radios(profile, &mut found);
    parts(profile, &mut found);
    if let Some(image) = &profile.image {
        boot(image, &mut found);
        buildroot(profile, image, &mut found);
    }
    found
}

fn tell(found: &mut Vec<Problem>, path: &str, words: impl Into<String>) {
    found.push((path.split('.').map(str::to_owned).collect(), words.into()));
}

fn names(profile: &Profile, found: &mut Vec<Problem>) {
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if profile.name.is_empty() || profile.name.len() > 32 || !profile.name.chars().all(sound) {
        tell(found, "name", "a board is named with 1 to 32 small letters, digits, - or _");
    }
    if profile.title.trim().is_empty() {
        tell(found, "title", "write what people call the board");
    }
}

fn claims(profile: &Profile, found: &mut Vec<Problem>) {
    if !profile.class.is_board() {
        if profile.image.is_some() || profile.tier.is_some() {
            tell(
                found,
                "class",
                "an image is for a board: write class = \"router\", \"pi\", \"pc\" or \"ci\"",
            );
        }
        return;
    }
    let missing = [
        (profile.arch.is_none(), "arch", "write arch = \"x86_64\", \"aarch64\" or \"armv7\""),
        (
            profile.tier.is_none(),
            "tier",
            "write tier = \"experimental\" until somebody has seen more",
        ),
        (profile.image.is_none(), "image", "write how it boots: a section [image]"),
        (
            profile.storage.is_empty(),
            "storage",
            "write where an image can be kept, storage = [\"sd\"]",
        ),
    ];
    for (_, key, words) in missing.into_iter().filter(|(missing, ..)| *missing) {
        tell(found, key, words);
    }
    if profile.memory_mb < MIN_MEMORY_MB {
        let words =
            format!("write the megabytes of memory; with less than {MIN_MEMORY_MB} nothing runs");
        tell(found, "memory_mb", words);
    }
    let dated = profile.seen.as_deref().is_some_and(is_date);
    match (profile.tier == Some(Tier::SeenOnHardware), &profile.seen) {
        (true, _) if !dated => {
            tell(found, "tier", "write the day it was seen, seen = \"2026-11-20\"")
        }
        (false, Some(_)) => {
            tell(found, "seen", "a day is only given with tier = \"seen-on-hardware\"");
        }
        (true | false, _) => {}
    }
}

fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut number = |digits: usize, from: u32, to: u32| {
        let part = parts.next().filter(|part| part.len() == digits);
        part.and_then(|part| part.parse().ok()).is_some_and(|n: u32| (from..=to).contains(&n))
    };
    number(4, 2026, 9999) && number(2, 1, 12) && number(2, 1, 31) && parts.next().is_none()
}

fn ports(profile: &Profile, found: &mut Vec<Problem>) {
    let mut devices = BTreeSet::new();
    for (i, port) in profile.port.iter().enumerate() {
        if !devices.insert(&port.device) {
            tell(found, &format!("port.{i}.device"), format!("{} is listed twice", port.device));
        }
        let empty = |rule: &super::PortMatch| rule.driver.is_none() && rule.path.is_none();
        if port.found_by.as_ref().is_some_and(empty) {
            tell(found, &format!("port.{i}.match"), "write a driver or a path, or leave match out");
        }
    }
    let lan = profile.port.iter().any(|port| port.role == super::PortRole::Lan);
    let serves = profile.radio.iter().any(|radio| radio.modes.contains(&Mode::AccessPoint));
    if !lan && !profile.other_ports_lan && !serves {
        tell(
            found,
            "port",
            "nobody could reach the panel: write a port with role = \"lan\", or \
                             other_ports_lan = true",
        );
    }
}

fn radios(profile: &Profile, found: &mut Vec<Problem>) {
    for (i, radio) in profile.radio.iter().enumerate() {
        let key = |field: &str| format!("radio.{i}.{field}");
        let bands: BTreeSet<_> = radio.bands.iter().collect();
        if bands.is_empty() || bands.len() != radio.bands.len() {
            tell(found, &key("bands"), "write each band once: \"2.4\", \"5\" or \"6\"");
        }
        let modes: BTreeSet<_> = radio.modes.iter().collect();
        if modes.is_empty() || modes.len() != radio.modes.len() {
            tell(
                found,
                &key("modes"),
                "write each mode once: \"access-point\", \"station\", \"mesh-point\"",
            );
        }
        if !BUSES.contains(&&*radio.bus) {
            tell(found, &key("bus"), format!("write one of {}", BUSES.join(", ")));
        }
        if radio.mesh_capable() && !MESH_DRIVERS.contains(&&*radio.driver) {
            let words = format!(
                "{} is not known to do 802.11s: leave \"mesh-point\" out (these can: {})",
                radio.driver,
                MESH_DRIVERS.join(", ")
            );
            tell(found, &key("modes"), words);
        }
    }
}

fn parts(profile: &Profile, found: &mut Vec<Problem>) {
    let module = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    for (i, name) in profile.modules.iter().enumerate() {
        if name.is_empty() || !name.chars().all(module) {
            tell(found, &format!("modules.{i}"), "a module is named as by lsmod");
        }
    }
    let mut lights = BTreeSet::new();
    for (i, led) in profile.led.iter().enumerate() {
        if led.name.is_empty() || led.name.contains('/') || !lights.insert(&led.name) {
            tell(found, &format!("led.{i}.name"), "write its name under /sys/class/leds, once");
        }
    }
    if let Some(button) = &profile.button {
        let prefixed = button.key.starts_with("KEY_") || button.key.starts_with("BTN_");
        if !prefixed {
            tell(found, "button.key", "write the kernel's name of the key, such as KEY_RESTART");
        }
    }
    let dmi = &profile.detect.dmi;
    for (i, _) in dmi.iter().enumerate().filter(|(_, rule)| **rule == super::Dmi::default()) {
        tell(found, &format!("detect.dmi.{i}"), "a rule that says nothing would fit no machine");
    }
}

fn boot(image: &Image, found: &mut Vec<Problem>) {
    let layouts: &[Layout] = match image.boot {
        BootChain::Efi => &[Layout::GptAb],
        BootChain::RpiFirmware => &[Layout::MbrAb],
        BootChain::UBoot => &[Layout::GptAb, Layout::MbrAb],
        BootChain::Existing => &[Layout::None],
    };
    if !layouts.contains(&image.layout) {
        let words = match image.boot {
            BootChain::Efi => "UEFI boots from layout = \"gpt-ab\"",
            BootChain::RpiFirmware => "the firmware of a Pi boots from layout = \"mbr-ab\"",
            BootChain::UBoot => {
                "write layout = \"gpt-ab\", or \"mbr-ab\" where U-Boot needs the second sector"
            }
            BootChain::Existing => "a loader that is not ours knows no slots: layout = \"none\"",
        };
        tell(found, "image.layout", words);
    }
    if (image.layout == Layout::None) != (image.slot_mb == 0) {
        tell(
            found,
            "image.slot_mb",
            "write the megabytes of a slot where the layout has slots, and only there",
        );
    }
    if (image.boot == BootChain::UBoot) == image.uboot.is_empty() {
        tell(
            found,
            "image.uboot",
            "write where U-Boot lies, where it is part of the image, and only there",
        );
    }
    for (i, part) in image.uboot.iter().enumerate() {
        let reserved = if image.layout == Layout::GptAb { 34 * 512 } else { 512 };
        if part.offset < reserved || !part.offset.is_multiple_of(512) {
            let words =
                format!("the partition table is there: whole sectors from byte {reserved} on");
            tell(found, &format!("image.uboot.{i}.offset"), words);
        }
    }
}

fn buildroot(profile: &Profile, image: &Image, found: &mut Vec<Problem>) {
    let experimental = matches!(profile.tier, Some(Tier::Experimental | Tier::SeenOnHardware));
    if image.boot == BootChain::Existing && !experimental {
        tell(
            found,
            "tier",
            "with a loader that is not ours it stays \"experimental\" until it was seen",
        );
    }
    let Some(buildroot) = &image.buildroot else {
        if profile.tier == Some(Tier::Resolves) {
            tell(found, "tier", "nothing resolves without [image.buildroot]");
        }
        return;
    };
    for (i, line) in buildroot.lines.iter().enumerate() {
        let off = line.starts_with("# BR2_") && line.ends_with(" is not set");
        let on = line.starts_with("BR2_") && line.contains('=');
        if line.contains('\n') || !(on || off) {
            let words = "write BR2_SYMBOL=value or # BR2_SYMBOL is not set";
            tell(found, &format!("image.buildroot.lines.{i}"), words);
        }
    }
    if profile.class == Class::Ci && image.layout == Layout::None {
        tell(found, "image.layout", "a machine for tests is there to test the slots");
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Class, Tier, all, read};

    /// A sound board to be spoilt.
    const BOARD: &str = r##"
name = "one"
title = "One"
class = "router"
arch = "aarch64"
tier = "resolves"
memory_mb = 1024
storage = ["sd"]
modules = ["mv88e6xxx"]

[[port]]
device = "lan"
label = "LAN"
role = "lan"

[[radio]]
driver = "mt7915e"
bus = "pcie"
bands = ["2.4", "5"]
modes = ["access-point", "mesh-point"]

[button]
label = "reset"
key = "KEY_RESTART"

[image]
boot = "u-boot"
layout = "gpt-ab"
slot_mb = 128
console = "ttyS0,115200"

[[image.uboot]]
file = "u-boot.bin"
offset = 32768

[image.buildroot]
lines = ["BR2_aarch64=y", "# BR2_X is not set"]
"##;

    fn said(from: &str, to: &str) -> Vec<String> {
        assert!(BOARD.contains(from), "{from}");
        match read("one", &BOARD.replace(from, to)) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_sound_board_is_sound() {
        assert_eq!(said("One", "One"), Vec::<String>::new());
    }

    #[test]
    fn every_lie_is_told_alone() {
        let lies = [
            ("arch = \"aarch64\"\n", "", "write arch"),
            ("tier = \"resolves\"\n", "", "write tier"),
            ("memory_mb = 1024", "memory_mb = 16", "megabytes of memory"),
            ("storage = [\"sd\"]", "storage = []", "where an image can be kept"),
            ("\"resolves\"", "\"seen-on-hardware\"", "write the day"),
            ("\"resolves\"", "\"resolves\"\nseen = \"2026-11-20\"", "a day is only given"),
            ("\"resolves\"", "\"seen-on-hardware\"\nseen = \"2026-13-20\"", "write the day"),
            ("role = \"lan\"", "role = \"wan\"", ""),
            ("role = \"lan\"", "role = \"lan\"\nmatch = {}", "a driver or a path"),
            ("\"mt7915e\"", "\"iwlwifi\"", "iwlwifi is not known to do 802.11s"),
            ("[\"2.4\", \"5\"]", "[\"5\", \"5\"]", "each band once"),
            ("\"pcie\"", "\"isa\"", "write one of pcie"),
            ("\"mv88e6xxx\"", "\"../x\"", "named as by lsmod"),
            ("\"KEY_RESTART\"", "\"restart\"", "the kernel's name of the key"),
            ("\"gpt-ab\"", "\"none\"", "write layout"),
            ("slot_mb = 128\n", "", "megabytes of a slot"),
            ("offset = 32768", "offset = 512", "the partition table is there"),
            ("offset = 32768", "offset = 32769", "whole sectors"),
            ("\"BR2_aarch64=y\"", "\"aarch64\"", "write BR2_SYMBOL"),
            ("\"BR2_aarch64=y\"", "\"BR2_A=y\\nBR2_B=y\"", "write BR2_SYMBOL"),
            ("class = \"router\"", "class = \"generic\"", "an image is for a board"),
        ];
        for (from, to, words) in lies {
            let said = said(from, to).join("\n");
            // A port towards the internet alone is no lie while a radio serves the household.
            assert_eq!(words.is_empty(), said.is_empty(), "{to}: {said}");
            assert!(said.contains(words), "{to}: {said}");
        }
    }

    #[test]
    fn a_loader_that_is_not_ours_keeps_a_board_experimental() {
        let spoilt = said("boot = \"u-boot\"", "boot = \"existing\"").join("\n");
        assert!(spoilt.contains("stays \"experimental\""), "{spoilt}");
    }

    #[test]
    fn no_board_claims_more_than_was_seen() {
        // Who sees more writes it here and into the profile: a claim is not raised in passing.
        let seen: &[(&str, Tier)] = &[];
        for board in all().into_iter().filter(|board| board.tier > Some(Tier::Resolves)) {
            let known =
                seen.iter().any(|(name, tier)| *name == board.name && Some(*tier) == board.tier);
            assert!(known, "{} claims {:?}", board.name, board.tier);
        }
    }

    #[test]
    fn no_radio_of_a_pi_takes_part_in_a_mesh() {
        let radios: Vec<_> = all()
            .into_iter()
            .filter(|b| b.class == Class::Pi)
            .flat_map(|board| board.radio)
            .collect();
        assert!(radios.len() >= 4 && radios.iter().all(|radio| !radio.mesh_capable()));
    }
}
