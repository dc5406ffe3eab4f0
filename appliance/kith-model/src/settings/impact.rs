//! What people will notice of a change, and whether it can cut off whoever asks for it.

use super::Settings;
use crate::sentence::patterns as say;
use crate::sentence::{Part, Sentence};

/// What people will notice when `old` becomes `new`, in sentences; `panel_port` is the panel's TCP port.
#[must_use]
pub fn impact(old: &Settings, new: &Settings, panel_port: u16) -> Vec<Sentence> {
    let mut impact: Vec<Sentence> = Vec::new();
    let wifi_restarts = old.wifi != new.wifi || radios_differ(old, new);
    let mesh_restarts = (&old.mesh.id, &old.mesh.secret, old.mesh.enabled, &old.mesh.ports)
        != (&new.mesh.id, &new.mesh.secret, new.mesh.enabled, &new.mesh.ports);
    if let Some(panel) = moves_to(old, new, panel_port) {
        impact.push(say::PANEL_MOVES.with([Part::typed(panel)]));
    }
    let (before, after) = (&old.wifi.household, &new.wifi.household);
    let loses_wifi = before.enabled && !after.enabled;
    let other_wifi =
        (&before.ssid, &before.passphrase) != (&after.ssid, &after.passphrase) && !loses_wifi;
    let other_mesh = (&old.mesh.id, &old.mesh.secret) != (&new.mesh.id, &new.mesh.secret);
    let noticed = [
        (old.lan.ports != new.lan.ports || old.mesh.ports != new.mesh.ports, say::CABLES_MOVE),
        (wifi_restarts, say::WIFI_RESTARTS),
        (loses_wifi, say::WIFI_AWAY),
        (before.enabled && other_wifi, say::JOIN_AGAIN),
        (waits_for_radar(old, new), say::RADAR_FIRST),
        (mesh_restarts || radios_differ(old, new) && new.mesh.enabled, say::MESH_RESTARTS),
        (new.mesh.enabled && old.mesh.enabled && other_mesh, say::MESH_LOSES),
        (old.uplink != new.uplink, say::INTERNET_AWAY),
        (old.guest.address != new.guest.address, say::GUESTS_ASK),
        (served(old) != served(new), say::NAMES_AWAY),
    ];
    impact.extend(noticed.into_iter().filter(|(so, _)| *so).map(|(_, what)| what.said()));
    impact
}

/// Where the panel is afterwards, if that changes: `http://…/`.
#[must_use]
pub fn moves_to(old: &Settings, new: &Settings, panel_port: u16) -> Option<String> {
    let address = new.lan.address.addr();
    if old.lan.address.addr() == address {
        return None;
    }
    Some(match panel_port {
        80 => format!("http://{address}/"),
        port => format!("http://{address}:{port}/"),
    })
}

/// Whether the change can cut off whoever asks for it, so that it needs a confirmation.
///
/// All can but what is listed here; what nobody has thought about needs one.
#[must_use]
pub fn risky(old: &Settings, new: &Settings) -> bool {
    // With these the same in both, does anything else differ?
    let mut harmless = new.clone();
    harmless.place.location.clone_from(&old.place.location);
    harmless.place.contact.clone_from(&old.place.contact);
    harmless.guest.internet = old.guest.internet;
    harmless.guest.rate_kbit = old.guest.rate_kbit;
    harmless.mesh.share_uplink = old.mesh.share_uplink;
    harmless.mesh.share_down_kbit = old.mesh.share_down_kbit;
    harmless.mesh.share_up_kbit = old.mesh.share_up_kbit;
    harmless.dns = old.dns.clone();
    harmless.firewall = old.firewall.clone();
    harmless.client = old.client.clone();
    harmless != *old
}

fn radios_differ(old: &Settings, new: &Settings) -> bool {
    (&old.radio, &old.country, old.place.outdoors) != (&new.radio, &new.country, new.place.outdoors)
}

/// Whether a radio goes to a channel on which radar comes first (DFS: 52 to 144).
fn waits_for_radar(old: &Settings, new: &Settings) -> bool {
    new.radio.iter().any(|(name, radio)| {
        let before = old.radio.get(name);
        let moved =
            before.is_none_or(|b| (b.channel, b.width_mhz) != (radio.channel, radio.width_mhz));
        moved && radio.enabled && radio.channel.is_some_and(|channel| (52..=144).contains(&channel))
    })
}

/// What DHCP and DNS are started with.
fn served(settings: &Settings) -> impl PartialEq + '_ {
    (
        &settings.lan.address,
        &settings.lan.dhcp,
        &settings.lan.ula,
        &settings.guest.address,
        &settings.dns,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::edit::set;
    use crate::settings::text::parse;

    const FULL: &str = include_str!("full.toml");

    fn pair(key: &str, value: &str) -> (Settings, Settings) {
        let new = set(FULL, &[(key.to_owned(), Some(value.to_owned()))]).unwrap();
        (parse(FULL).unwrap(), parse(&new).unwrap())
    }

    fn noticed(key: &str, value: &str) -> String {
        let (old, new) = pair(key, value);
        let impact = impact(&old, &new, 80);
        impact.iter().map(ToString::to_string).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn what_people_will_notice_is_said() {
        let moved = noticed("lan.address", "\"192.168.12.1/24\"");
        assert!(
            moved.starts_with("The panel moves to http://192.168.12.1/: your device asks"),
            "{moved}"
        );
        let wifi = "Wi-Fi restarts, about 10 seconds.|Every device has to join the Wi-Fi again, this one too.";
        assert_eq!(noticed("wifi.household.passphrase", "\"eight or more\""), wifi);
        assert!(noticed("radio.phy0.channel", "100").contains("radar"));
        assert!(!noticed("radio.phy0.channel", "11").contains("radar"));
        assert!(noticed("mesh.secret", "\"eight or more\"").contains("no longer reached"));
        assert_eq!(noticed("uplink.0.ipv6", "false"), "The internet is away for some seconds.");
        assert_eq!(noticed("place.contact", "\"Bob\""), "");
        assert_eq!(noticed("firewall.forward.0.port", "80"), "");
    }

    #[test]
    fn the_panel_moves_with_the_address_of_the_box() {
        let (old, new) = pair("lan.address", "\"192.168.12.1/24\"");
        assert_eq!(moves_to(&old, &new, 80).as_deref(), Some("http://192.168.12.1/"));
        assert_eq!(moves_to(&old, &new, 8480).as_deref(), Some("http://192.168.12.1:8480/"));
        let (old, new) = pair("lan.address", "\"192.168.9.1/25\"");
        assert_eq!(moves_to(&old, &new, 80), None);
    }

    /// Every key, with a value other than that of the document: which of them are risky is one list.
    #[test]
    fn what_can_cut_off_whoever_asks_needs_a_confirmation() {
        let risky = |key, value| {
            let (old, new) = pair(key, value);
            assert_ne!(old, new, "{key}");
            risky(&old, &new)
        };
        for (key, value) in [
            ("country", "\"FR\""),
            ("place.outdoors", "false"),
            ("lan.address", "\"192.168.12.1/24\""),
            ("lan.ports", "[]"),
            ("lan.ula", "\"fd00::/48\""),
            ("lan.dhcp.enabled", "false"),
            ("guest.address", "\"192.168.13.1/24\""),
            ("mesh.enabled", "false"),
            ("mesh.id", "\"other\""),
            ("mesh.ports", "[\"lan2\"]"),
            ("wifi.household.enabled", "false"),
            ("wifi.household.security", "\"transition\""),
            ("wifi.guest.ssid", "\"other\""),
            ("radio.phy0.enabled", "false"),
            ("radio.phy0.channel", "1"),
            ("uplink.0.device", "\"lan2\""),
        ] {
            assert!(risky(key, value), "{key}");
        }
        for (key, value) in [
            ("place.location", "\"here\""),
            ("place.contact", "\"Bob\""),
            ("guest.internet", "true"),
            ("guest.rate_kbit", "1"),
            ("mesh.share_uplink", "false"),
            ("mesh.share_up_kbit", "500"),
            ("dns.upstream", "[\"1.1.1.1\"]"),
            ("firewall.forward.0.port", "80"),
            ("client.aa:bb:cc:dd:ee:04.paused", "false"),
        ] {
            assert!(!risky(key, value), "{key}");
        }
    }
}
