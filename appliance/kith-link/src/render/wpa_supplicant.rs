//! wpa_supplicant: a radio's part in the mesh (802.11s with SAE), or in somebody's Wi-Fi.
//!
//! In its file `#` begins a comment unless it stands between a pair of quotation marks of its line, so a
//! value that holds either is written as hexadecimal digits. A passphrase for WPA2 has no such form: its
//! digits would be the key itself.

use kith_model::settings::values::{Country, MeshId, Passphrase, Ssid};

use super::hostapd::{Channel, Width, name};

/// Neighbours that are heard worse are not taken, in dBm: a link that breaks all the time harms more than
/// none.
const MESH_THRESHOLD_DBM: i8 = -90;

/// What all its files have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Common {
    /// The folder of its control sockets.
    pub control: String,
    /// The rules it follows; nothing for the world domain.
    pub country: Option<Country>,
}

/// The file of a mesh interface. All of it is read only at the start.
///
/// The mesh forwards nothing by itself (`mesh_fwding=0`): batman-adv does, above it.
#[must_use]
pub fn mesh(common: &Common, id: &MeshId, secret: &Passphrase, channel: Channel) -> String {
    let mut network = vec![
        format!("ssid={}", name(id.as_str())),
        "mode=5".to_owned(),
        format!("frequency={}", channel.frequency_mhz),
        "key_mgmt=SAE".into(),
        format!("sae_password={}", name(secret.as_str())),
        "ieee80211w=2".into(),
        "mesh_fwding=0".into(),
        format!("mesh_rssi_threshold={MESH_THRESHOLD_DBM}"),
        // As the access points of hostapd: a radio that serves both beacons at one interval, or refuses
        // the second (EBUSY).
        "beacon_int=100".into(),
    ];
    match channel.width {
        Width::Twenty => network.extend(["disable_ht40=1".into(), "disable_vht=1".into()]),
        Width::Forty { .. } => network.push("disable_vht=1".into()),
        Width::Eighty { .. } => {}
    }
    file("The mesh on this radio", common, &["user_mpm=1", "sae_pwe=1"], &network)
}

/// The file of a Wi-Fi uplink. All of it is read only at the start.
#[must_use]
pub fn station(common: &Common, ssid: &Ssid, passphrase: Option<&Passphrase>) -> String {
    let mut network = vec![format!("ssid={}", name(ssid.as_str())), "scan_ssid=1".to_owned()];
    match passphrase {
        None => network.push("key_mgmt=NONE".into()),
        Some(passphrase) if fits_wpa2(passphrase) => network.extend([
            "key_mgmt=SAE WPA-PSK".into(),
            format!("psk=\"{}\"", passphrase.as_str()),
            "ieee80211w=1".into(),
        ]),
        Some(passphrase) => network.extend([
            "key_mgmt=SAE".into(),
            format!("sae_password={}", name(passphrase.as_str())),
            "ieee80211w=2".into(),
        ]),
    }
    file("Somebody's Wi-Fi as a way to the internet", common, &["sae_pwe=2"], &network)
}

fn file(what: &str, common: &Common, own: &[&str], network: &[String]) -> String {
    let control: String = common.control.chars().filter(|c| !c.is_control()).collect();
    let mut lines = vec![
        format!("# {what}. Written from the settings."),
        format!("ctrl_interface={control}"),
        "update_config=0".into(),
        "p2p_disabled=1".into(),
    ];
    lines.extend(common.country.iter().map(|country| format!("country={country}")));
    lines.extend(own.iter().map(|line| (*line).to_owned()));
    lines.push("network={".into());
    lines.extend(network.iter().map(|line| format!("\t{line}")));
    lines.push("}\n".into());
    lines.join("\n")
}

/// Whether a passphrase can be written for WPA2: `#` after a quotation mark would cut it off.
#[must_use]
pub fn fits_wpa2(passphrase: &Passphrase) -> bool {
    let text = passphrase.as_str();
    text.find('"').is_none_or(|quote| !text.get(quote..).is_some_and(|rest| rest.contains('#')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_that_would_be_cut_off_is_not_written_for_wpa2() {
        let common = Common { control: "/run".into(), country: None };
        let line = |text: &str, key: &str| {
            let passphrase = text.parse().unwrap();
            let file = station(&common, &"x".parse().unwrap(), Some(&passphrase));
            file.lines().find_map(|line| line.trim().strip_prefix(key).map(str::to_owned))
        };
        assert_eq!(line("a#b\"cdefgh", "psk="), Some("\"a#b\"cdefgh\"".into()));
        assert_eq!(line("a\"b#cdefgh", "psk="), None);
        assert_eq!(
            line("a\"b#cdefgh", "sae_password="),
            Some("6122622363646566".to_owned() + "6768")
        );
    }
}
