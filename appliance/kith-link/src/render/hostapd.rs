//! hostapd: the Wi-Fi networks of one radio.
//!
//! A line of its file ends at the line's end and knows no comments and no escapes, so passphrases stand as
//! they are, and names in quotes or as hexadecimal digits. `sae_password` is not used, since its value has
//! a syntax of its own (`|mac=`, `|id=`); without it SAE takes `wpa_passphrase`.
//!
//! A new name or passphrase needs no new start. hostapd 2.10 does not read its file for that (`RELOAD`
//! takes what is in memory), so each network is told on its own socket, and then all are loaded anew:
//! see [`told`]. That makes the keys of WPA2 and of SAE afresh and keeps process and interfaces.

use kith_model::settings::values::{Country, InterfaceName, Passphrase, Ssid};

/// What the file of one radio depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Radio {
    /// Its name, for people.
    pub name: InterfaceName,
    /// The folder of its control sockets.
    pub control: String,
    /// The rules it follows; nothing for the world domain.
    pub country: Option<Country>,
    /// Whether it hangs outside.
    pub outdoors: bool,
    /// Where it sends.
    pub channel: Channel,
    /// Its networks; hostapd makes the interfaces of all but the first itself.
    pub networks: Vec<Network>,
}

/// Where a radio sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The channel's number.
    pub number: u16,
    /// Its frequency in MHz.
    pub frequency_mhz: u32,
    /// How wide it is.
    pub width: Width,
}

/// How wide a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 20 MHz.
    Twenty,
    /// 40 MHz, with the next channel above or below.
    Forty {
        /// Whether above.
        above: bool,
    },
    /// 80 MHz around this channel number.
    Eighty {
        /// Whether the second 20 MHz lie above.
        above: bool,
        /// The middle's channel number.
        centre: u16,
    },
}

/// A Wi-Fi network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its interface.
    pub interface: InterfaceName,
    /// The bridge its devices are in.
    pub bridge: &'static str,
    /// What it is called.
    pub ssid: Ssid,
    /// How it is locked.
    pub lock: Lock,
    /// Whether its devices are kept from each other.
    pub isolated: bool,
}

/// How a network is locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Not at all.
    Open,
    /// WPA2.
    Wpa2(Passphrase),
    /// WPA3 for who can, WPA2 for who cannot.
    Transition(Passphrase),
    /// WPA3 with protected management frames.
    Wpa3(Passphrase),
}

/// A rendered file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The file.
    pub text: String,
    /// What of it is read only at the start: all but names and passphrases.
    pub start: String,
}

/// The file of one radio.
#[must_use]
pub fn file(radio: &Radio) -> Rendered {
    let mut out = Rendered { text: String::new(), start: String::new() };
    out.line(format!("# The Wi-Fi networks of {}. Written from the settings.", radio.name));
    for (number, network) in radio.networks.iter().enumerate() {
        if number == 0 {
            out.line(format!("interface={}", network.interface));
            of_radio(&mut out, radio);
        } else {
            out.line(format!("\nbss={}", network.interface));
        }
        of_network(&mut out, radio, network);
    }
    out
}

impl Rendered {
    fn line(&mut self, line: impl AsRef<str>) {
        self.start.push_str(line.as_ref());
        self.start.push('\n');
        self.told(line);
    }

    /// A line that a running hostapd can be told.
    fn told(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }
}

fn of_radio(out: &mut Rendered, radio: &Radio) {
    let Channel { number, frequency_mhz, width } = radio.channel;
    let five_ghz = frequency_mhz > 4_000;
    out.line("driver=nl80211");
    if let Some(country) = &radio.country {
        out.line(format!("country_code={country}"));
        // The third letter of the country element (IEEE 802.11, 9.4.2.8): outside or inside.
        out.line(if radio.outdoors { "country3=0x4f" } else { "country3=0x49" });
        out.line("ieee80211d=1");
        if five_ghz {
            out.line("ieee80211h=1");
        }
    }
    out.line(if five_ghz { "hw_mode=a" } else { "hw_mode=g" });
    out.line(format!("channel={number}"));
    out.line("ieee80211n=1");
    match width {
        Width::Twenty => {}
        Width::Forty { above } | Width::Eighty { above, .. } => {
            out.line(if above { "ht_capab=[HT40+]" } else { "ht_capab=[HT40-]" });
        }
    }
    if let Width::Eighty { centre, .. } = width {
        out.line("ieee80211ac=1\nvht_oper_chwidth=1");
        out.line(format!("vht_oper_centr_freq_seg0_idx={centre}"));
    }
}

fn of_network(out: &mut Rendered, radio: &Radio, network: &Network) {
    out.line(format!("ctrl_interface={}", to_the_end(&radio.control)));
    out.line(format!("bridge={}", network.bridge));
    out.told(format!("ssid2={}", name(network.ssid.as_str())));
    out.line("utf8_ssid=1\nwmm_enabled=1\nauth_algs=1");
    let passphrase = match &network.lock {
        Lock::Open => None,
        Lock::Wpa2(passphrase) => {
            out.line("wpa=2\nwpa_key_mgmt=WPA-PSK\nrsn_pairwise=CCMP");
            Some(passphrase)
        }
        Lock::Transition(passphrase) => {
            out.line("wpa=2\nwpa_key_mgmt=WPA-PSK SAE\nrsn_pairwise=CCMP");
            out.line("ieee80211w=1\nsae_require_mfp=1\nsae_pwe=2");
            Some(passphrase)
        }
        Lock::Wpa3(passphrase) => {
            out.line("wpa=2\nwpa_key_mgmt=SAE\nrsn_pairwise=CCMP\nieee80211w=2\nsae_pwe=2");
            Some(passphrase)
        }
    };
    if let Some(passphrase) = passphrase {
        out.told(format!("wpa_passphrase={}", to_the_end(passphrase.as_str())));
    }
    if network.isolated {
        out.line("ap_isolate=1");
    }
}

/// A value that goes to the end of its line.
fn to_the_end(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// The name of a network for hostapd and wpa_supplicant: in quotes where people can read it and nothing in
/// it means anything to the format, else as hexadecimal digits.
#[must_use]
pub fn name(ssid: &str) -> String {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'#');
    if ssid.bytes().all(plain) {
        format!("\"{ssid}\"")
    } else {
        data_encoding::HEXLOWER.encode(ssid.as_bytes())
    }
}

/// What a running hostapd is told when its file has changed and its start has not: for each network the
/// interface, which is its socket's name, and the commands to send there in order. `RELOAD` then goes to
/// one of them, after all have been told.
#[must_use]
pub fn told(text: &str) -> Vec<(String, Vec<String>)> {
    let mut networks: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        match line.split_once('=') {
            Some(("interface" | "bss", interface)) => {
                networks.push((interface.to_owned(), Vec::new()));
            }
            Some((key @ ("ssid2" | "wpa_passphrase"), value)) => {
                if let Some((_, commands)) = networks.last_mut() {
                    commands.push(format!("SET {key} {value}"));
                }
            }
            Some(_) | None => {}
        }
    }
    networks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn radio(ssid: &str, passphrase: &str) -> Radio {
        Radio {
            name: "phy0".parse().unwrap(),
            control: "/run/kith/link/ctrl/hostapd-phy0".into(),
            country: None,
            outdoors: false,
            channel: Channel { number: 6, frequency_mhz: 2_437, width: Width::Twenty },
            networks: vec![Network {
                interface: "kith-ap0".parse().unwrap(),
                bridge: "br-lan",
                ssid: ssid.parse().unwrap(),
                lock: Lock::Transition(passphrase.parse().unwrap()),
                isolated: false,
            }],
        }
    }

    #[test]
    fn a_new_name_or_passphrase_needs_no_new_start() {
        let before = file(&radio("Valley", "correct horse"));
        let after = file(&radio("Hill", "battery staple"));
        assert_ne!(before.text, after.text);
        assert_eq!(before.start, after.start);
        let mut other = radio("Valley", "correct horse");
        other.channel.number = 11;
        assert_ne!(before.start, file(&other).start);
    }

    #[test]
    fn a_running_hostapd_is_told_names_and_passphrases() {
        let told = told(&file(&radio("Hill", "battery = staple ")).text);
        let commands = ["SET ssid2 \"Hill\"", "SET wpa_passphrase battery = staple "];
        assert_eq!(told, [("kith-ap0".to_owned(), commands.map(str::to_owned).to_vec())]);
    }

    #[test]
    fn names_that_mean_something_to_the_format_are_digits() {
        assert_eq!(name("Valley Mesh"), "\"Valley Mesh\"");
        assert_eq!(name("a\"b"), "612262");
        assert_eq!(name("Café"), "436166c3a9");
        assert_eq!(name("#1"), "2331");
    }
}
