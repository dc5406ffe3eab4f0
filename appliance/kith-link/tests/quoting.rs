//! No value leaves its place: whatever people write into the settings, each rendered file is read back by
//! a reader that follows the rules of the program it is for, and the values in it are those of the
//! settings; and what is not a value is the same as if ordinary words stood there.
#![expect(clippy::unwrap_used, reason = "a test may fail at the first surprise")]

mod any;
mod cases;

use std::collections::BTreeMap;

use kith_link::desire::desire;
use kith_link::desired::Desired;
use kith_link::facts::Facts;
use kith_link::render::hostapd::{self, Channel, Lock, Network, Radio, Width};
use kith_link::render::wpa_supplicant::Common;
use kith_link::render::{nft, wpa_supplicant};
use kith_model::settings::Settings;
use kith_model::settings::values::{HostName, Label, Passphrase, Ssid};
use proptest::prelude::*;

/// The same settings with ordinary words.
fn tamed(settings: &Settings) -> Settings {
    let mut tame = settings.clone();
    let label: Label = "words".parse().unwrap();
    let ssid: Ssid = "words".parse().unwrap();
    let passphrase: Passphrase = "ordinary words".parse().unwrap();
    for forward in &mut tame.firewall.forward {
        forward.name = label.clone();
    }
    for pinhole in &mut tame.firewall.pinhole {
        pinhole.name = label.clone();
    }
    for network in [&mut tame.wifi.household, &mut tame.wifi.guest] {
        network.ssid = network.ssid.is_some().then(|| ssid.clone());
        network.passphrase = network.passphrase.is_some().then(|| passphrase.clone());
    }
    tame.mesh.secret = tame.mesh.secret.is_some().then(|| passphrase.clone());
    for wifi in tame.uplink.iter_mut().filter_map(|uplink| uplink.wifi.as_mut()) {
        wifi.ssid = ssid.clone();
        wifi.passphrase = wifi.passphrase.is_some().then(|| passphrase.clone());
    }
    tame
}

fn files(desired: &Desired, program: &str) -> Vec<(String, String)> {
    let files = desired.files.iter().filter(|(path, _)| path.starts_with(program));
    files.map(|(path, file)| (path.clone(), file.content.clone())).collect()
}

/// nft: strings end at the next quotation mark, `#` outside of one begins a comment, lines are lines.
/// The strings, and the text with all of them emptied and without comments.
fn read_nft(text: &str) -> (Vec<String>, String) {
    let (mut strings, mut rest) = (Vec::new(), String::new());
    for line in text.split('\n') {
        let mut parts = line.split('"').enumerate();
        let mut comment = false;
        for (number, part) in parts.by_ref() {
            if number % 2 == 1 {
                strings.push(part.to_owned());
                rest.push_str("\"\"");
            } else if let Some((before, _)) = part.split_once('#') {
                rest.push_str(before);
                comment = true;
                break;
            } else {
                rest.push_str(part);
            }
        }
        assert!(comment || line.matches('"').count() % 2 == 0, "a string does not end: {line}");
        rest.push('\n');
    }
    (strings, rest)
}

/// hostapd: `key=value` to the end of the line, which nothing but a line break ends.
fn read_hostapd(text: &str) -> Vec<(String, String)> {
    let lines = text.split('\n').filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split_once('=').unwrap()).map(|(k, v)| (k.into(), v.into())).collect()
}

/// wpa_supplicant: the same, less white space around it and what stands behind `#` outside of a pair of
/// quotation marks.
fn read_supplicant(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for line in text.split('\n').map(str::trim).filter(|line| !line.starts_with('#')) {
        let mut inside = false;
        let end = line.find(|c| {
            inside ^= c == '"';
            c == '#' && !inside
        });
        let line = line[..end.unwrap_or(line.len())].trim_end();
        if let Some((key, value)) = line.split_once('=').filter(|(_, value)| *value != "{") {
            pairs.push((key.to_owned(), value.to_owned()));
        }
    }
    pairs
}

/// A string of either: from a quotation mark to the last one, which ends it, or hexadecimal digits.
fn string(value: &str) -> String {
    match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').unwrap().to_owned(),
        None => {
            let bytes = data_encoding::HEXLOWER.decode(value.as_bytes()).unwrap();
            String::from_utf8(bytes).unwrap()
        }
    }
}

fn values<'a>(pairs: &'a [(String, String)], key: &str) -> Vec<&'a str> {
    pairs.iter().filter(|(k, _)| k == key).map(|(_, value)| &**value).collect()
}

/// Keys in order, with the values of all but the named ones.
fn shape(pairs: &[(String, String)], but: &[&str]) -> Vec<String> {
    let hidden = |key: &str| but.contains(&key);
    let line =
        |(key, value): &(String, String)| format!("{key}={}", if hidden(key) { "" } else { value });
    pairs.iter().map(line).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_value_leaves_its_place(settings in any::settings(), facts in any::facts()) {
        let facts = Facts { safe_mode: false, ..facts };
        let profile = any::profile();
        let wild = desire(&settings, &profile, &facts);
        let tame = desire(&tamed(&settings), &profile, &facts);
        firewall(&settings, &wild, &tame);
        access_points(&settings, &facts, &wild, &tame);
        supplicant(&settings, &wild, &tame);
        dnsmasq(&settings, &wild);
        for (path, file) in &wild.files {
            let plain = |c: char| c == '\n' || c == '\t' || !c.is_control();
            prop_assert!(file.content.chars().all(plain), "{path}");
        }
        prop_assert!(wild.ruleset.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
        let plain = |path: &String| path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
        prop_assert!(wild.files.keys().all(plain));
        prop_assert!(wild.sysctls.keys().all(|path| plain(path) && !path.contains("..")));
    }

    #[test]
    fn a_name_and_a_passphrase_arrive_as_they_are(
        ssid in any::ssid(), passphrase in any::passphrase(), secret in any::passphrase(),
    ) {
        let common = Common { control: "/run/x".into(), country: None };
        let station = read_supplicant(&wpa_supplicant::station(&common, &ssid, Some(&passphrase)));
        prop_assert_eq!(string(values(&station, "ssid")[0]), ssid.as_str());
        let key = [values(&station, "psk"), values(&station, "sae_password")].concat();
        prop_assert_eq!(key.len(), 1);
        prop_assert_eq!(string(key[0]), passphrase.as_str());
        let channel = Channel { number: 6, frequency_mhz: 2_437, width: Width::Twenty };
        let id = "valley".parse().unwrap();
        let mesh = read_supplicant(&wpa_supplicant::mesh(&common, &id, &secret, channel));
        prop_assert_eq!(string(values(&mesh, "sae_password")[0]), secret.as_str());
        let radio = Radio {
            name: "phy0".parse().unwrap(),
            control: "/run/x".into(),
            country: None,
            outdoors: false,
            channel,
            networks: vec![Network {
                interface: "kith-ap0".parse().unwrap(),
                bridge: "br-lan",
                ssid: ssid.clone(),
                lock: Lock::Transition(passphrase.clone()),
                isolated: false,
            }],
        };
        let file = hostapd::file(&radio);
        let pairs = read_hostapd(&file.text);
        prop_assert_eq!(string(values(&pairs, "ssid2")[0]), ssid.as_str());
        prop_assert_eq!(values(&pairs, "wpa_passphrase"), [passphrase.as_str()]);
        let told = hostapd::told(&file.text);
        let commands = &told[0].1;
        prop_assert_eq!(told.len(), 1);
        prop_assert_eq!(&commands[1], &format!("SET wpa_passphrase {}", passphrase.as_str()));
        prop_assert_eq!(string(commands[0].strip_prefix("SET ssid2 ").unwrap()), ssid.as_str());
    }

    #[test]
    fn a_label_is_one_string(label in any::label()) {
        let quoted = nft::quoted(label.as_str());
        let turns = |c: char| matches!(c, '\u{200b}' | '\u{2028}' | '\u{202e}' | '\u{feff}');
        prop_assert!(!quoted.contains(turns));
        prop_assert!(quoted.len() <= nft::COMMENT_BYTES + 2);
        let (strings, rest) = read_nft(&format!("accept comment {quoted}"));
        prop_assert_eq!(rest, "accept comment \"\"\n");
        prop_assert_eq!(strings.len(), 1);
        let kept = label.as_str().chars().zip(strings[0].chars());
        for (before, after) in kept {
            prop_assert!(before == after || !before.is_alphanumeric());
        }
    }
}

fn firewall(settings: &Settings, wild: &Desired, tame: &Desired) {
    let (strings, rest) = read_nft(&wild.ruleset);
    assert_eq!(rest, read_nft(&tame.ruleset).1);
    let labels: Vec<String> = settings
        .firewall
        .forward
        .iter()
        .map(|forward| forward.name.as_str())
        .chain(settings.firewall.pinhole.iter().map(|pinhole| pinhole.name.as_str()))
        .map(|label| nft::quoted(label).trim_matches('"').to_owned())
        .collect();
    let plain =
        |text: &String| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    for string in strings {
        assert!(labels.contains(&string) || plain(&string), "{string:?}");
    }
}

fn access_points(settings: &Settings, facts: &Facts, wild: &Desired, tame: &Desired) {
    let secret = ["ssid2", "wpa_passphrase"];
    let networks = [&settings.wifi.household, &settings.wifi.guest];
    for ((path, text), (_, other)) in files(wild, "hostapd").iter().zip(files(tame, "hostapd")) {
        let pairs = read_hostapd(text);
        assert_eq!(shape(&pairs, &secret), shape(&read_hostapd(&other), &secret), "{path}");
        for ssid in values(&pairs, "ssid2").into_iter().map(string) {
            let mine = networks.iter().any(|n| n.ssid.as_ref().is_some_and(|s| s.as_str() == ssid));
            assert!(mine || ssid.starts_with("Kith setup "), "{ssid:?}");
        }
        for passphrase in values(&pairs, "wpa_passphrase") {
            let setup = facts.setup_wifi.iter().filter_map(|setup| setup.passphrase.as_ref());
            let mut all = networks.iter().filter_map(|n| n.passphrase.as_ref()).chain(setup);
            assert!(all.any(|p| p.as_str() == passphrase), "{passphrase:?}");
        }
    }
}

fn supplicant(settings: &Settings, wild: &Desired, tame: &Desired) {
    let secret = ["ssid", "psk", "sae_password", "key_mgmt", "ieee80211w"];
    let pairs_of = |desired| -> BTreeMap<String, Vec<(String, String)>> {
        let files = files(desired, "wpa_supplicant");
        files.into_iter().map(|(path, text)| (path, read_supplicant(&text))).collect()
    };
    let (wild, tame) = (pairs_of(wild), pairs_of(tame));
    assert_eq!(wild.keys().collect::<Vec<_>>(), tame.keys().collect::<Vec<_>>());
    for (path, pairs) in &wild {
        let values_apart = |pairs: &[(String, String)]| {
            let mut shape = shape(pairs, &secret);
            // A passphrase that WPA2 cannot have is written under another key.
            shape
                .iter_mut()
                .filter(|line| *line == "sae_password=")
                .for_each(|l| *l = "psk=".into());
            shape
        };
        assert_eq!(values_apart(pairs), values_apart(&tame[path]), "{path}");
        let uplinks = settings.uplink.iter().filter_map(|uplink| uplink.wifi.as_ref());
        let (mut ssids, mut secrets): (Vec<&str>, Vec<&str>) = uplinks
            .map(|wifi| {
                (wifi.ssid.as_str(), wifi.passphrase.as_ref().map_or("", Passphrase::as_str))
            })
            .unzip();
        ssids.extend(settings.mesh.id.as_ref().map(kith_model::settings::values::MeshId::as_str));
        secrets.extend(settings.mesh.secret.as_ref().map(Passphrase::as_str));
        for ssid in values(pairs, "ssid") {
            assert!(ssids.contains(&&*string(ssid)), "{ssid}");
        }
        for value in ["psk", "sae_password"].iter().flat_map(|key| values(pairs, key)) {
            assert!(secrets.contains(&&*string(value)), "{value}");
        }
    }
}

fn dnsmasq(settings: &Settings, wild: &Desired) {
    let main = &wild.files["dnsmasq-lan"].content;
    let exceptions: Vec<&str> =
        main.lines().filter_map(|line| line.strip_prefix("rebind-domain-ok=")).collect();
    let wanted: Vec<String> =
        settings.dns.rebind_exceptions.iter().map(|name| format!("/{name}/")).collect();
    assert_eq!(exceptions, wanted);
    for line in wild.files["hosts/kith"].content.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        words.next().unwrap().parse::<std::net::IpAddr>().unwrap();
        assert!(words.all(|name| name.parse::<HostName>().is_ok()), "{line}");
    }
    for line in wild.files["dhcp-hosts/kith"].content.lines() {
        let mut fields = line.split(',');
        let mac = fields.next().unwrap().parse().unwrap();
        let client = &settings.client[&mac];
        for field in fields {
            let address = field.parse::<std::net::Ipv4Addr>();
            let name = client.name.as_ref().map(|name| format!("{name}.kith.internal"));
            assert!(
                address.is_ok_and(|a| Some(a) == client.address) || name.as_deref() == Some(field)
            );
        }
    }
    for line in wild.files["resolv"].content.lines().filter(|line| !line.starts_with('#')) {
        let server = line.strip_prefix("nameserver ").unwrap();
        server.parse::<std::net::IpAddr>().unwrap();
    }
}

#[test]
fn the_readers_notice_what_breaks_out() {
    assert_eq!(read_nft("accept comment \"x\" drop").1, "accept comment \"\" drop\n");
    assert_eq!(read_hostapd("a=1\nwpa=0").len(), 2);
    let cut = read_supplicant("\tpsk=\"a\"b#c\"");
    assert_eq!(cut, [("psk".to_owned(), "\"a\"b".to_owned())]);
}
