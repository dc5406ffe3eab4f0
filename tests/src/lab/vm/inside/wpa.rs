//! Stock wpa_supplicant and hostapd, as clients use them and as the controls of this lab.
//!
//! What the box itself writes for them is the box's business; these few lines are only for what is
//! not a box.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use super::control::Control;
use super::ns::Ns;
use super::running::Running;
use super::wait::until;

/// The country of all radios here.
pub(crate) const COUNTRY: &str = "FR";
/// 2.4 GHz channels 1 and 6, in MHz: the mesh, and the access points.
pub(crate) const MESH_MHZ: u32 = 2412;
pub(crate) const AP_MHZ: u32 = 2437;

/// A daemon at one interface, with its control socket.
#[derive(Debug)]
pub(crate) struct Radio {
    /// The daemon.
    pub(crate) daemon: Running,
    /// Its control socket.
    pub(crate) control: Control,
}

/// What wpa_supplicant is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role<'a> {
    /// Mesh with this name; encrypted if there is a password.
    Mesh { name: &'a str, password: Option<&'a str> },
    /// Join an access point with WPA3.
    Station { ssid: &'a str, password: &'a str },
    /// Join one as an old handset does, which knows WPA2 alone.
    Old { ssid: &'a str, password: &'a str },
    /// Join whichever is open.
    Guest,
}

impl Role<'_> {
    fn network(self) -> String {
        match self {
            Self::Mesh { name, password } => {
                let key = match password {
                    Some(word) => {
                        format!("key_mgmt=SAE\nsae_password=\"{word}\"\nieee80211w=2")
                    }
                    None => "key_mgmt=NONE".into(),
                };
                format!(
                    "ssid=\"{name}\"\nmode=5\nfrequency={MESH_MHZ}\n{key}\nmesh_fwding=0\n\
                     mesh_rssi_threshold=-90"
                )
            }
            Self::Station { ssid, password } => format!(
                "ssid=\"{ssid}\"\nkey_mgmt=SAE\npsk=\"{password}\"\nieee80211w=2\n\
                 scan_freq={AP_MHZ}"
            ),
            Self::Old { ssid, password } => format!(
                "ssid=\"{ssid}\"\nkey_mgmt=WPA-PSK\npsk=\"{password}\"\nieee80211w=0\n\
                 scan_freq={AP_MHZ}"
            ),
            Self::Guest => "key_mgmt=NONE".into(),
        }
    }
}

/// Starts wpa_supplicant at `interface`.
///
/// # Errors
/// When its control socket does not answer.
pub(crate) fn supplicant(ns: &Ns, interface: &str, role: Role<'_>) -> Result<Radio> {
    let (folder, name) = folder(ns, interface)?;
    // Who names a country names it for all radios of this machine.
    let country = match role {
        Role::Mesh { .. } | Role::Station { .. } | Role::Old { .. } => {
            format!("country={COUNTRY}\n")
        }
        Role::Guest => String::new(),
    };
    let config = format!(
        "ctrl_interface={}\n{country}user_mpm=1\nsae_pwe=2\nnetwork={{\n{}\n}}\n",
        folder.display(),
        role.network()
    );
    let file = folder.with_extension("conf");
    fs::write(&file, config).context("write the supplicant's settings")?;
    let mut command = ns.command("wpa_supplicant");
    command.args(["-Dnl80211", "-t", "-i", interface, "-c"]).arg(&file);
    radio(Running::start(&format!("supplicant-{name}"), &mut command)?, folder.join(interface))
}

/// Starts hostapd at `interface`, which joins `bridge`: WPA2 and WPA3 with one password.
///
/// # Errors
/// When its control socket does not answer.
pub(crate) fn access_point(
    ns: &Ns,
    interface: &str,
    bridge: &str,
    (ssid, password): (&str, &str),
) -> Result<Radio> {
    let (folder, name) = folder(ns, interface)?;
    let config = format!(
        "interface={interface}\ndriver=nl80211\nctrl_interface={}\nssid={ssid}\n\
         country_code={COUNTRY}\nieee80211d=1\nhw_mode=g\nchannel=6\nieee80211n=1\n\
         wmm_enabled=1\nbridge={bridge}\nwpa=2\nwpa_key_mgmt=SAE WPA-PSK\nrsn_pairwise=CCMP\n\
         ieee80211w=1\nsae_require_mfp=1\nsae_pwe=2\nwpa_passphrase={password}\n",
        folder.display()
    );
    let file = folder.with_extension("conf");
    fs::write(&file, config).context("write the access point's settings")?;
    let mut command = ns.command("hostapd");
    command.arg("-t").arg(&file);
    radio(Running::start(&format!("hostapd-{name}"), &mut command)?, folder.join(interface))
}

fn folder(ns: &Ns, interface: &str) -> Result<(PathBuf, String)> {
    let name = format!("{}-{interface}", ns.name());
    let folder = PathBuf::from(format!("/run/lab-{name}"));
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    Ok((folder, name))
}

fn radio(mut daemon: Running, socket: PathBuf) -> Result<Radio> {
    let (control, _) = until(Duration::from_secs(60), "the daemon answers", || {
        anyhow::ensure!(daemon.alive(), "it ended: {}", daemon.said());
        Ok(Control::open(&socket).map_err(|_| daemon.said()))
    })?;
    Ok(Radio { daemon, control })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mesh_without_a_password_is_open_and_says_so() {
        let open = Role::Mesh { name: "m", password: None }.network();
        assert!(open.contains("key_mgmt=NONE") && !open.contains("SAE"));
        let safe = Role::Mesh { name: "m", password: Some("p") }.network();
        assert!(safe.contains("key_mgmt=SAE") && safe.contains("ieee80211w=2"));
    }
}
