//! Reads what is rendered for the daemons, as far as their doings in the model follow from it.

use std::net::Ipv4Addr;

/// A network of hostapd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bss {
    /// Its interface.
    pub interface: String,
    /// The bridge it is put into.
    pub bridge: Option<String>,
    /// What it is called.
    pub ssid: String,
    /// Its passphrase, if it has one.
    pub passphrase: Option<String>,
}

/// What a file of hostapd says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hostapd {
    /// The channel; 0 lets it choose.
    pub channel: u16,
    /// The networks, the first one first.
    pub networks: Vec<Bss>,
}

/// What a file of wpa_supplicant says about its first network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// What it is called.
    pub ssid: String,
    /// Whether it is a mesh.
    pub mesh: bool,
    /// Its passphrase, if it has one.
    pub passphrase: Option<String>,
    /// Its frequency in MHz, if it is said.
    pub frequency: Option<u32>,
}

/// A range of dnsmasq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first address.
    pub first: Ipv4Addr,
    /// The last one.
    pub last: Ipv4Addr,
}

/// What a file of dnsmasq says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dnsmasq {
    /// On which interfaces it serves.
    pub interfaces: Vec<String>,
    /// Which addresses it gives out.
    pub ranges: Vec<Range>,
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    // A space at the end belongs to a passphrase.
    let lines = text.lines().map(str::trim_start).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('='))
}

/// A text as wpa_supplicant writes it: in quotes, as `P"…"` with escapes, or as hexadecimal digits.
fn quoted(value: &str) -> String {
    if let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) {
        return inner.to_owned();
    }
    if let Some(inner) = value.strip_prefix("P\"").and_then(|v| v.strip_suffix('"')) {
        return unescaped(inner);
    }
    hex(value).unwrap_or_else(|| value.to_owned())
}

fn hex(value: &str) -> Option<String> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(value.as_bytes()).ok()?;
    String::from_utf8(bytes).ok()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let Some((kind, after)) = rest.split_first() else { break };
        rest = after;
        match kind {
            b'n' => bytes.push(b'\n'),
            b't' => bytes.push(b'\t'),
            b'x' if rest.len() >= 2 => {
                let (digits, after) = rest.split_at(2);
                let digits = data_encoding::HEXLOWER_PERMISSIVE.decode(digits);
                bytes.extend(digits.unwrap_or_default());
                rest = after;
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads a file of hostapd.
#[must_use]
pub fn hostapd(text: &str) -> Hostapd {
    let mut read = Hostapd::default();
    for (key, value) in pairs(text) {
        match key {
            "channel" => read.channel = value.parse().unwrap_or(0),
            "interface" | "bss" => {
                read.networks.push(Bss { interface: value.to_owned(), ..Bss::default() });
            }
            _ => {
                if let Some(bss) = read.networks.last_mut() {
                    of_bss(bss, key, value);
                }
            }
        }
    }
    read
}

fn of_bss(bss: &mut Bss, key: &str, value: &str) {
    match key {
        "bridge" => bss.bridge = Some(value.to_owned()),
        "ssid" => bss.ssid = value.to_owned(),
        "ssid2" => bss.ssid = quoted(value),
        "wpa_passphrase" | "sae_password" => bss.passphrase = Some(value.to_owned()),
        _ => {}
    }
}

/// Reads a file of wpa_supplicant.
#[must_use]
pub fn supplicant(text: &str) -> Network {
    let mut network = Network::default();
    for (key, value) in pairs(text) {
        match key {
            "ssid" => network.ssid = quoted(value),
            "mode" => network.mesh = value == "5",
            "sae_password" | "psk" => network.passphrase = Some(quoted(value)),
            "frequency" => network.frequency = value.parse().ok(),
            _ => {}
        }
    }
    network
}

/// Reads a file of dnsmasq.
#[must_use]
pub fn dnsmasq(text: &str) -> Dnsmasq {
    let mut read = Dnsmasq::default();
    for (key, value) in pairs(text) {
        match key {
            "interface" => read.interfaces.push(value.to_owned()),
            "dhcp-range" => {
                let mut addresses = value.split(',').filter_map(|part| part.parse().ok());
                if let (Some(first), Some(last)) = (addresses.next(), addresses.next()) {
                    read.ranges.push(Range { first, last });
                }
            }
            _ => {}
        }
    }
    read
}
