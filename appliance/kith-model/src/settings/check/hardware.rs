//! What the settings want and this hardware cannot do, in words. Advice only.

use std::collections::BTreeMap;

use super::Findings;
use crate::network::change::Finding;
use crate::network::status::RadioAbilities;
use crate::profile::Profile;
use crate::settings::values::InterfaceName;
use crate::settings::{Protocol, Radio, Security, Settings};

/// What is known about the box beside its settings.
#[derive(Clone, Copy, Debug)]
pub struct Hardware<'h> {
    /// The board.
    pub profile: &'h Profile,
    /// The radios that are there, by name.
    pub radios: &'h BTreeMap<String, RadioAbilities>,
    /// The panel's TCP port.
    pub panel_port: u16,
    /// The peers' UDP port.
    pub peer_port: u16,
}

/// What of `settings` this hardware cannot do. All of it is advice.
#[must_use]
pub fn hardware(settings: &Settings, box_: &Hardware<'_>) -> Vec<Finding> {
    let mut findings = Findings::default();
    names(settings, box_, &mut findings);
    let mut serves = false;
    for (name, can) in box_.radios {
        let radio = settings.radio.iter().find(|(key, _)| key.as_str() == name);
        let radio = radio.map_or_else(Radio::default, |(_, radio)| radio.clone());
        if radio.enabled {
            serves |= radio.access_point && can.access_point;
            one_radio(name, &radio, *can, settings, &mut findings);
        }
    }
    let wifi = &settings.wifi;
    if (wifi.household.enabled || wifi.guest.enabled) && !serves {
        let key =
            if wifi.household.enabled { "wifi.household.enabled" } else { "wifi.guest.enabled" };
        let words = if box_.radios.is_empty() {
            "No radio found: plug in a USB adapter whose chip can be an access point (mt7921 or mt76 \
             families)."
        } else {
            "No radio that is switched on here can be an access point."
        };
        findings.advice(key, words);
    }
    own_ports(settings, box_, &mut findings);
    findings.0
}

fn names(settings: &Settings, box_: &Hardware<'_>, findings: &mut Findings) {
    let there: Vec<&str> = box_.radios.keys().map(String::as_str).collect();
    let list = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    for name in settings.radio.keys().filter(|name| !there.contains(&name.as_str())) {
        let words = format!("There is no radio {name} here now; there is {list}.");
        findings.advice(&format!("radio.\"{name}\""), words);
    }
    let profile = box_.profile;
    let listed = |port: &InterfaceName| profile.port.iter().any(|known| known.device == *port);
    let known = |port: &InterfaceName| profile.other_ports_lan || listed(port);
    let ports: Vec<&str> = profile.port.iter().map(|port| port.device.as_str()).collect();
    let lan = settings.lan.ports.iter().flatten().enumerate();
    let lan = lan.map(|(i, port)| (port, format!("lan.ports.{i}")));
    let mesh = settings.mesh.ports.iter().enumerate();
    let mesh = mesh.map(|(i, port)| (port, format!("mesh.ports.{i}")));
    for (port, key) in lan.chain(mesh).filter(|(port, _)| !known(port)) {
        let words = format!("This board has no port {port}; it has {}.", ports.join(", "));
        findings.advice(&key, words);
    }
    for (index, uplink) in settings.uplink.iter().enumerate() {
        let name = uplink.device.as_str();
        let key = format!("uplink.{index}.device");
        match box_.radios.get(name) {
            Some(can) if uplink.wifi.is_some() && !can.station => {
                let words = format!("{name} cannot join somebody's Wi-Fi.");
                findings.advice(&key, words);
            }
            None if uplink.wifi.is_some() => {
                let words = format!("There is no radio {name} here now; there is {list}.");
                findings.advice(&key, words);
            }
            Some(_) if uplink.wifi.is_none() => {
                let words = format!("{name} is a radio: say which Wi-Fi it shall join.");
                findings.advice(&key, words);
            }
            None if !known(&uplink.device) => {
                let words = format!("This board has no port {name}; it has {}.", ports.join(", "));
                findings.advice(&key, words);
            }
            Some(_) | None => {}
        }
    }
}

fn one_radio(
    name: &str,
    radio: &Radio,
    can: RadioAbilities,
    settings: &Settings,
    findings: &mut Findings,
) {
    let wifi = &settings.wifi;
    let access_points = u8::from(wifi.household.enabled) + u8::from(wifi.guest.enabled);
    let access_point = radio.access_point && access_points > 0;
    let mesh = radio.mesh && settings.mesh.enabled;
    let key = |field: &str| format!("radio.\"{name}\".{field}");
    let wpa3 = |wanted: Security, enabled: bool| enabled && wanted == Security::Wpa3;
    let needs_wpa3 = wpa3(wifi.household.security, wifi.household.enabled)
        || wpa3(wifi.guest.security, wifi.guest.enabled);
    let can_both = can.access_point && can.mesh_point;
    let band = |channel: u16| if channel <= 14 { can.band_2ghz } else { can.band_5ghz };
    let complaints = [
        (mesh && !can.mesh_point, "mesh", "cannot take part in a mesh (802.11s)"),
        (mesh && can.mesh_point && !can.sae, "mesh", "cannot encrypt a mesh (SAE)"),
        (access_point && !can.access_point, "access_point", "cannot be an access point"),
        (
            mesh && access_point && can_both && !can.both,
            "mesh",
            "cannot serve mesh and Wi-Fi at once: switch one of them off here, or plug in a second radio",
        ),
        (
            access_point && can.access_point && can.access_points < access_points,
            "access_point",
            "can serve one Wi-Fi network only: visitors or the household go without",
        ),
        (access_point && needs_wpa3 && !can.sae, "access_point", "cannot do WPA3 (SAE)"),
        (
            radio.channel.is_some_and(|c| !band(c)),
            "channel",
            "does not have the band of this channel",
        ),
        (
            radio.width_mhz > 40 && !can.band_5ghz,
            "width_mhz",
            "has no band in which a channel can be 80 MHz wide",
        ),
    ];
    for (_, field, words) in complaints.into_iter().filter(|(wrong, ..)| *wrong) {
        findings.advice(&key(field), format!("{name} {words}."));
    }
}

/// Forwards that take a port which the box uses itself.
fn own_ports(settings: &Settings, box_: &Hardware<'_>, findings: &mut Findings) {
    for (index, forward) in settings.firewall.forward.iter().enumerate() {
        let key = format!("firewall.forward.{index}.port");
        if (forward.protocol, forward.port) == (Protocol::Udp, box_.peer_port) {
            let words = "Neighbours' boxes reach this one at this port; they would reach the device \
                         instead: take another one.";
            findings.advice(&key, words);
        }
        if (forward.protocol, forward.port) == (Protocol::Tcp, box_.panel_port) {
            let words = "The panel has this port inside the house. It stays closed to the internet; from \
                         there one reaches the device.";
            findings.advice(&key, words);
        }
    }
}
