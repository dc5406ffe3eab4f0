//! Radios: what each is used for, as far as it can, and what to buy where it cannot.

mod channel;
mod networks;
mod power;

use kith_model::daemon::Program;
use kith_model::network::status::Network as Zone;
use kith_model::settings::values::InterfaceName;
use kith_model::settings::{Radio as Wanted, UplinkWifi};

use super::scene::Scene;
use super::{daemon_id, interface, mesh};
use crate::desired::{Desired, LinkKind, LinkSpec, OnChange, WifiMode};
use crate::facts::RadioFacts;
use crate::names::{
    CONTROL, GUEST_AP_PREFIX, GUEST_BRIDGE, MESH_PREFIX, SETUP_AP_PREFIX, on_radio,
};
use crate::render::hostapd::{self, Channel, Network};
use crate::render::wpa_supplicant::{self, Common};
use channel::Task;

/// A radio and what it shall do.
struct Radio<'a> {
    name: InterfaceName,
    wanted: Wanted,
    facts: &'a RadioFacts,
    station: Option<(InterfaceName, &'a UplinkWifi)>,
    mesh: bool,
    networks: Vec<Network>,
}

pub(super) fn add(scene: &Scene<'_>, desired: &mut Desired) {
    let mut radios = radios(scene);
    give_mesh(scene, &mut radios, desired);
    networks::give(scene, &mut radios, desired);
    one_at_a_time(&mut radios, desired);
    nothing_for_the_mesh(scene, &radios, desired);
    for radio in &radios {
        if let Some((device, wifi)) = &radio.station {
            station(scene, radio, device, wifi, desired);
            power::limit(radio, None, desired);
        } else if radio.mesh || !radio.networks.is_empty() {
            let task = Task {
                name: radio.name.as_str(),
                wanted: &radio.wanted,
                facts: radio.facts,
                country: scene.settings.country.is_some(),
                mesh: radio.mesh,
            };
            if let Some(channel) = channel::choose(task, &mut desired.problems) {
                mesh_point(scene, radio, channel, desired);
                access_points(scene, radio, channel, desired);
                power::limit(radio, Some(channel.number), desired);
            }
        }
    }
    power::note(desired);
}

/// The radios that are on.
fn radios<'a>(scene: &Scene<'a>) -> Vec<Radio<'a>> {
    let all = scene.facts.radios.iter();
    let known = all.filter_map(|(name, facts)| {
        let name = interface(name)?;
        let wanted = scene.settings.radio.get(name.as_str()).cloned().unwrap_or_default();
        let station = scene.ways.iter().find_map(|way| {
            let (radio, wifi) = way.wifi?;
            (*radio == name).then(|| (way.device.clone(), wifi))
        });
        Some(Radio { name, wanted, facts, station, mesh: false, networks: Vec::new() })
    });
    known.filter(|radio| radio.wanted.enabled || radio.station.is_some()).collect()
}

fn give_mesh(scene: &Scene<'_>, radios: &mut [Radio<'_>], desired: &mut Desired) {
    if scene.mesh.is_none() {
        return;
    }
    if scene.settings.mesh.secret.is_none() {
        if scene.mesh_ports.is_empty() {
            desired.problem(
                "mesh-no-secret",
                "The mesh has no secret, so no radio takes part in it: write mesh.secret as the other \
                 boxes have it.",
            );
        }
        return;
    }
    for radio in radios {
        let can = radio.facts.can;
        radio.mesh = can.mesh_point && can.sae && radio.wanted.mesh && radio.station.is_none();
    }
}

/// What a radio that cannot do both at once does: people come first, unless another radio serves them.
fn one_at_a_time(radios: &mut [Radio<'_>], desired: &mut Desired) {
    let torn =
        |radio: &Radio<'_>| radio.mesh && !radio.networks.is_empty() && !radio.facts.can.both;
    let serving = radios.iter().filter(|radio| !radio.networks.is_empty()).count();
    let mut meshed = radios.iter().any(|radio| radio.mesh && !torn(radio));
    let mut left = serving;
    for radio in radios.iter_mut().filter(|radio| torn(radio)) {
        if !meshed && left > 1 {
            radio.networks.clear();
            meshed = true;
            left -= 1;
            continue;
        }
        radio.mesh = false;
        if !meshed {
            let message = format!(
                "The radio {} cannot serve Wi-Fi and mesh at the same time: it serves Wi-Fi. For the mesh \
                 plug in a second Wi-Fi adapter (one that can do 802.11s, such as those with a MediaTek \
                 MT7612U or Atheros AR9271).",
                radio.name
            );
            desired.problem("one-at-a-time", message);
        }
    }
}

fn nothing_for_the_mesh(scene: &Scene<'_>, radios: &[Radio<'_>], desired: &mut Desired) {
    let wanted = scene.mesh.is_some() && scene.settings.mesh.secret.is_some();
    let wireless = radios.iter().any(|radio| radio.mesh);
    let told = desired.problems.iter().any(|problem| problem.code == "one-at-a-time");
    if wanted && !wireless && scene.mesh_ports.is_empty() && !told {
        desired.problem(
            "no-mesh-radio",
            "No radio of this box can take part in an encrypted mesh (802.11s with SAE). Plug in a Wi-Fi \
             adapter that can, such as one with a MediaTek MT7612U or Atheros AR9271, or connect the \
             boxes by cable (mesh.ports).",
        );
    }
}

fn control(scene: &Scene<'_>, id: &kith_model::daemon::DaemonId) -> String {
    format!("{}/{CONTROL}/{}", scene.folder(), id.file())
}

fn mesh_point(scene: &Scene<'_>, radio: &Radio<'_>, channel: Channel, desired: &mut Desired) {
    let (Some(id), Some(secret)) = (scene.mesh, &scene.settings.mesh.secret) else { return };
    let Some(device) = interface(&on_radio(MESH_PREFIX, radio.name.as_str())) else { return };
    if !radio.mesh {
        return;
    }
    let kind = wifi(radio, WifiMode::MeshPoint);
    desired.links.insert(device.to_string(), mesh::carrier(kind));
    let daemon = daemon_id(Program::WpaSupplicant, device);
    let common = common(scene, &daemon);
    let text = wpa_supplicant::mesh(&common, id, secret, channel);
    desired.daemon(daemon, text.clone(), &text, OnChange::Restart);
}

fn station(
    scene: &Scene<'_>,
    radio: &Radio<'_>,
    device: &InterfaceName,
    uplink: &UplinkWifi,
    desired: &mut Desired,
) {
    let link = LinkSpec {
        kind: wifi(radio, WifiMode::Station),
        network: Zone::Wan,
        master: None,
        mtu: None,
        isolated: false,
    };
    desired.links.insert(device.to_string(), link);
    let daemon = daemon_id(Program::WpaSupplicant, device.clone());
    let common = common(scene, &daemon);
    if uplink.passphrase.as_ref().is_some_and(|passphrase| !wpa_supplicant::fits_wpa2(passphrase)) {
        desired.problem(
            "uplink-passphrase",
            format!(
                "The passphrase of the Wi-Fi \"{}\" has a quotation mark and # after it, which \
                 wpa_supplicant cannot take for WPA2: the box joins by WPA3 only. Change the passphrase \
                 there if it does not.",
                uplink.ssid
            ),
        );
    }
    let text = wpa_supplicant::station(&common, &uplink.ssid, uplink.passphrase.as_ref());
    desired.daemon(daemon, text.clone(), &text, OnChange::Restart);
}

fn common(scene: &Scene<'_>, daemon: &kith_model::daemon::DaemonId) -> Common {
    Common { control: control(scene, daemon), country: scene.settings.country.clone() }
}

fn access_points(scene: &Scene<'_>, radio: &Radio<'_>, channel: Channel, desired: &mut Desired) {
    if radio.networks.is_empty() {
        return;
    }
    for network in &radio.networks {
        let name = network.interface.as_str();
        let guest = network.bridge == GUEST_BRIDGE;
        let apart = [GUEST_AP_PREFIX, SETUP_AP_PREFIX].iter().any(|p| name.starts_with(p));
        let link = LinkSpec {
            kind: wifi(radio, WifiMode::AccessPoint),
            network: if guest { Zone::Guest } else { Zone::Household },
            master: Some(network.bridge.to_owned()),
            mtu: None,
            isolated: apart,
        };
        desired.links.insert(name.to_owned(), link);
    }
    let id = daemon_id(Program::Hostapd, radio.name.clone());
    let file = hostapd::file(&hostapd::Radio {
        name: radio.name.clone(),
        control: control(scene, &id),
        country: scene.settings.country.clone(),
        outdoors: scene.settings.place.outdoors,
        channel,
        networks: radio.networks.clone(),
    });
    desired.daemon(id.clone(), file.text, &file.start, OnChange::Reload(id));
}

fn wifi(radio: &Radio<'_>, mode: WifiMode) -> LinkKind {
    LinkKind::Wifi { radio: radio.name.to_string(), mode }
}
