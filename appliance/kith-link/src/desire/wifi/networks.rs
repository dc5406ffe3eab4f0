//! Which Wi-Fi networks there are, and which radio serves which.

use kith_model::settings::values::{Passphrase, Ssid};
use kith_model::settings::{AccessPoint, Security};

use super::super::scene::Scene;
use super::super::{interface, made};
use super::Radio;
use crate::desired::Desired;
use crate::names::{
    AP_PREFIX, GUEST_AP_PREFIX, GUEST_BRIDGE, LAN_BRIDGE, SETUP_AP_PREFIX, on_radio,
};
use crate::render::hostapd::{Lock, Network};

/// A Wi-Fi network as the settings want it.
struct Offered<'a> {
    what: &'static str,
    prefix: &'static str,
    bridge: &'static str,
    ssid: Ssid,
    passphrase: Option<&'a Passphrase>,
    security: Security,
    isolated: bool,
    /// One radio is enough.
    once: bool,
}

/// Gives every radio the networks it can serve.
pub(super) fn give(scene: &Scene<'_>, radios: &mut [Radio<'_>], desired: &mut Desired) {
    let offered = offered(scene, desired);
    if offered.is_empty() {
        return;
    }
    let can_serve = |radio: &Radio<'_>| radio.facts.can.access_point && radio.station.is_none();
    if scene.facts.radios.is_empty() {
        desired.problem(
            "no-radio",
            "No radio found, so there is no Wi-Fi: plug in a Wi-Fi adapter that can serve one (access \
             point mode), or connect devices by cable.",
        );
    } else if !radios.iter().any(|radio| can_serve(radio) && radio.wanted.access_point) {
        desired.problem(
            "no-access-point",
            "No radio of this box is free to serve Wi-Fi: switch radio.*.access_point on, or plug in a \
             second Wi-Fi adapter that can serve one (access point mode).",
        );
    }
    let mut served: Vec<&str> = Vec::new();
    for radio in radios.iter_mut().filter(|r| can_serve(r) && r.wanted.access_point) {
        let room = usize::from(radio.facts.can.access_points.max(1));
        for network in &offered {
            // Setting up is done by handset, and every handset has 2.4 GHz.
            let elsewhere =
                network.once && (served.contains(&network.prefix) || !radio.facts.can.band_2ghz);
            if elsewhere {
                continue;
            }
            if radio.networks.len() >= room {
                desired.problem(
                    "too-many-networks",
                    format!(
                        "The radio {} can serve {room} Wi-Fi network(s) at once, so it does without {}: \
                         plug in a second Wi-Fi adapter.",
                        radio.name, network.what
                    ),
                );
            } else if let Some(made) = on(radio, network, desired) {
                radio.networks.push(made);
                served.push(network.prefix);
            }
        }
    }
}

fn offered<'a>(scene: &Scene<'a>, desired: &mut Desired) -> Vec<Offered<'a>> {
    let setup = scene.facts.setup_wifi.as_ref().and_then(|setup| {
        let ssid = made::setup_name(&scene.facts.node_key).parse().ok()?;
        if setup.passphrase.is_none() {
            desired.problem(
                "setup-open",
                format!(
                    "The Wi-Fi for setting up, \"{ssid}\", is open, since no secret was printed for this \
                     box: whoever is near can come in by it. It ends fifteen minutes after the start, or as \
                     soon as somebody owns the box."
                ),
            );
        }
        Some(Offered {
            what: "the Wi-Fi for setting up",
            prefix: SETUP_AP_PREFIX,
            bridge: LAN_BRIDGE,
            ssid,
            passphrase: setup.passphrase.as_ref(),
            security: Security::Transition,
            isolated: true,
            once: true,
        })
    });
    let wifi = &scene.settings.wifi;
    let household = named("household", &wifi.household, desired).and_then(|ssid| {
        if wifi.household.passphrase.is_none() {
            desired.problem(
                "household-open",
                "The household's Wi-Fi has no passphrase and stays off: only visitors' may be open. \
                 Write wifi.household.passphrase.",
            );
            return None;
        }
        Some(Offered {
            what: "the household's",
            prefix: AP_PREFIX,
            bridge: LAN_BRIDGE,
            ssid,
            passphrase: wifi.household.passphrase.as_ref(),
            security: wifi.household.security,
            isolated: false,
            once: false,
        })
    });
    let visitors = if scene.guest { named("guest", &wifi.guest, desired) } else { None };
    let visitors = visitors.map(|ssid| Offered {
        what: "the visitors'",
        prefix: GUEST_AP_PREFIX,
        bridge: GUEST_BRIDGE,
        ssid,
        passphrase: wifi.guest.passphrase.as_ref(),
        security: wifi.guest.security,
        isolated: true,
        once: false,
    });
    setup.into_iter().chain(household).chain(visitors).collect()
}

/// The name of a network that is on.
fn named(key: &str, network: &AccessPoint, desired: &mut Desired) -> Option<Ssid> {
    if !network.enabled {
        return None;
    }
    if network.ssid.is_none() {
        let message = format!("The Wi-Fi {key} is on but has no name: write wifi.{key}.ssid.");
        desired.problem("wifi-unnamed", message);
    }
    network.ssid.clone()
}

/// A network on a radio, if the radio can lock it as wanted.
fn on(radio: &Radio<'_>, network: &Offered<'_>, desired: &mut Desired) -> Option<Network> {
    let name = on_radio(network.prefix, radio.name.as_str());
    let wpa3 = radio.facts.can.sae && radio.facts.can.pmf;
    let lock = match (network.passphrase.cloned(), network.security) {
        (None, Security::Transition | Security::Wpa3) => Lock::Open,
        (Some(passphrase), Security::Transition) if wpa3 => Lock::Transition(passphrase),
        (Some(passphrase), Security::Transition) => Lock::Wpa2(passphrase),
        (Some(passphrase), Security::Wpa3) if wpa3 => Lock::Wpa3(passphrase),
        (Some(_), Security::Wpa3) => {
            desired.problem(
                "no-wpa3",
                format!(
                    "The radio {} cannot do WPA3 and does not serve {} Wi-Fi: choose \"transition\", or \
                     plug in a Wi-Fi adapter that can.",
                    radio.name, network.what
                ),
            );
            return None;
        }
    };
    Some(Network {
        interface: interface(&name)?,
        bridge: network.bridge,
        ssid: network.ssid.clone(),
        lock,
        isolated: network.isolated,
    })
}
