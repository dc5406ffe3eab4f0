//! Wi-Fi, radios and the mesh.

use super::Findings;
use crate::settings::{AccessPoint, Radio, Security, Settings};

pub(super) fn check(settings: &Settings, findings: &mut Findings) {
    household(&settings.wifi.household, findings);
    guest(&settings.wifi.guest, &settings.wifi.household, findings);
    mesh(settings, findings);
    for (name, radio) in &settings.radio {
        self::radio(&format!("radio.\"{name}\""), radio, settings, findings);
    }
    for (index, uplink) in settings.uplink.iter().enumerate() {
        let Some(wifi) = &uplink.wifi else { continue };
        let ours = [&settings.wifi.household, &settings.wifi.guest];
        if ours.iter().any(|ours| ours.enabled && ours.ssid.as_ref() == Some(&wifi.ssid)) {
            let words = "The box's own Wi-Fi is called the same, so that it could join itself: call one of \
                         them something else.";
            findings.error(&format!("uplink.{index}.wifi.ssid"), words);
        }
    }
}

fn household(wifi: &AccessPoint, findings: &mut Findings) {
    if !wifi.enabled {
        return;
    }
    if wifi.ssid.is_none() {
        findings.error("wifi.household.ssid", "The household's Wi-Fi needs a name.");
    }
    if wifi.passphrase.is_none() {
        let words =
            "The household's Wi-Fi is never open: give it a passphrase of 8 to 63 characters.";
        findings.error("wifi.household.passphrase", words);
    }
}

fn guest(wifi: &AccessPoint, household: &AccessPoint, findings: &mut Findings) {
    if !wifi.enabled {
        return;
    }
    if wifi.ssid.is_none() {
        findings.error("wifi.guest.ssid", "The visitors' Wi-Fi needs a name.");
    } else if household.enabled && wifi.ssid == household.ssid {
        let words =
            "The household's Wi-Fi is called the same; devices could not tell one from the other.";
        findings.error("wifi.guest.ssid", words);
    }
    match (&wifi.passphrase, wifi.security) {
        (None, Security::Wpa3) => {
            let words = "WPA3 needs a passphrase: give one, or let the visitors' Wi-Fi be open.";
            findings.error("wifi.guest.passphrase", words);
        }
        (None, Security::Transition) => {
            let words = "The visitors' Wi-Fi is open: anybody in reach can use it, and listen to what is \
                         not encrypted otherwise.";
            findings.advice("wifi.guest.passphrase", words);
        }
        (Some(_), _) if household.enabled && wifi.passphrase == household.passphrase => {
            let words =
                "Visitors would know the passphrase of the household: give them another one.";
            findings.advice("wifi.guest.passphrase", words);
        }
        (Some(_), Security::Transition | Security::Wpa3) => {}
    }
}

fn mesh(settings: &Settings, findings: &mut Findings) {
    let mesh = &settings.mesh;
    if mesh.enabled && mesh.id.is_none() {
        findings
            .error("mesh.id", "The mesh needs a name: that of the neighbours' mesh, or a new one.");
    }
    if mesh.enabled && mesh.secret.is_none() {
        let words = "A mesh is never open: it needs the secret that its boxes share.";
        findings.error("mesh.secret", words);
    }
    if !mesh.share_uplink {
        return;
    }
    if !mesh.enabled {
        let words = "Nobody can use what is shared as long as this box takes part in no mesh.";
        findings.advice("mesh.share_uplink", words);
    }
    let rates = [
        ("mesh.share_down_kbit", mesh.share_down_kbit),
        ("mesh.share_up_kbit", mesh.share_up_kbit),
    ];
    for (key, _) in rates.into_iter().filter(|(_, rate)| *rate < LEAST_SHARED) {
        let words = format!(
            "Less than {LEAST_SHARED} kbit/s is of no use to anybody: share more, or switch sharing off."
        );
        findings.error(key, words);
    }
}

/// batman-adv announces units of 100 kbit/s.
const LEAST_SHARED: u32 = 100;

fn radio(key: &str, radio: &Radio, settings: &Settings, findings: &mut Findings) {
    let width = radio.width_mhz;
    if !matches!(width, 20 | 40 | 80) {
        findings.error(&format!("{key}.width_mhz"), "A channel is 20, 40 or 80 MHz wide here.");
        return;
    }
    let Some(channel) = radio.channel else { return };
    let key = &format!("{key}.channel");
    let Some(widest) = widest(channel) else {
        let words = format!(
            "There is no channel {channel}: 1 to 13 are in the 2.4 GHz band; 36, 40, 44 and so on in the 5 \
             GHz band."
        );
        findings.error(key, words);
        return;
    };
    if width > widest {
        let words = format!("Channel {channel} is at most {widest} MHz wide, not {width}.");
        findings.error(key, words);
    }
    if settings.country.is_none() && channel > WORLD {
        let words = format!(
            "Without a country only channels 1 to {WORLD} may be used: set country, such as \"DE\"."
        );
        findings.error(key, words);
    }
}

/// The last channel that may be used everywhere.
const WORLD: u16 = 11;

/// How wide in MHz a channel can be made at most (IEEE 802.11, annex E); nothing if there is no such
/// channel. Channel 14 is left out: only 802.11b may use it.
pub(super) fn widest(channel: u16) -> Option<u16> {
    match channel {
        1..=13 => Some(40),
        36..=64 | 100..=144 if channel.is_multiple_of(4) => Some(80),
        149..=161 if channel % 4 == 1 => Some(80),
        165 => Some(20),
        _ => None,
    }
}
