//! One document for each rule, and the same one mended.

use std::collections::BTreeMap;

use super::*;
use crate::network::status::RadioAbilities;
use crate::profile::Profile;
use crate::settings::Lan;

const FULL: &str = include_str!("../full.toml");

fn said(text: &str) -> Vec<String> {
    let (settings, findings) = document(text);
    assert!(settings.is_some(), "{findings:?}");
    let mark = |finding: &Finding| if finding.advice { "advice" } else { "error" };
    findings.iter().map(|f| format!("{} {} {}", mark(f), f.key, f.message)).collect()
}

#[track_caller]
fn finds(text: &str, begin: &str) {
    let said = said(text);
    assert!(said.iter().any(|line| line.starts_with(begin)), "{text}\nsays {said:#?}\nnot {begin}");
}

#[track_caller]
fn sound(text: &str) {
    assert_eq!(said(text), [""; 0], "{text}");
}

#[test]
fn sound_settings_have_no_findings() {
    sound("");
    sound(FULL);
}

#[test]
fn the_sizes_of_networks_are_bounded() {
    for net in ["192.168.9.1/31", "192.168.9.1/32", "172.16.0.1/15", "192.168.9.1/0"] {
        finds(&format!("[lan]\naddress = \"{net}\""), "error lan.address A network of size");
        finds(&format!("[guest]\naddress = \"{net}\""), "error guest.address A network of size");
    }
    sound("[lan]\naddress = \"192.168.9.1/30\"");
    sound("[lan]\naddress = \"172.16.0.1/16\"");
}

#[test]
fn the_box_has_an_address_that_a_box_can_have() {
    let lan = |address: &str| format!("[lan]\naddress = \"{address}/24\"");
    for (address, kind) in [
        ("127.0.0.1", "loopback"),
        ("224.0.0.1", "multicast"),
        ("169.254.3.1", "link-local"),
        ("240.0.0.1", "reserved"),
        ("0.1.2.3", "reserved"),
    ] {
        let said = said(&lan(address));
        assert!(said[0].starts_with("error lan.address") && said[0].contains(kind), "{said:?}");
    }
    finds(&lan("192.168.9.0"), "error lan.address 192.168.9.0 names the network itself");
    finds(&lan("192.168.9.255"), "error lan.address 192.168.9.255 names");
    finds(&lan("8.8.8.1"), "advice lan.address 8.8.8.1 belongs to somebody");
}

#[test]
fn networks_do_not_overlap() {
    finds("[guest]\naddress = \"192.168.77.129/25\"", "error guest.address The visitors' network");
    finds("[lan]\naddress = \"192.168.0.1/16\"", "error guest.address");
    let uplink = |net: &str| {
        format!(
            "[[uplink]]\ndevice = \"wan\"\nfixed = {{ address = \"{net}\", router = \"192.168.77.254\" }}"
        )
    };
    finds(&uplink("192.168.77.9/24"), "error uplink.0.fixed.address The household's network");
    finds(&uplink("192.168.0.9/16"), "error uplink.0.fixed.address The visitors' network");
    finds(&uplink("192.168.79.9/24"), "error uplink.0.fixed.router");
}

#[test]
fn the_addresses_of_the_mesh_are_left_to_it() {
    let lan = "[lan]\naddress = \"10.1.2.1/24\"\n";
    finds(lan, "advice lan.address The mesh uses");
    let mesh = "[mesh]\nenabled = true\nid = \"valley\"\nsecret = \"the valley\"\n";
    finds(&format!("{lan}{mesh}"), "error lan.address The mesh uses");
}

#[test]
fn what_dhcp_gives_out_is_in_the_network_and_not_the_box() {
    let dhcp = |range: &str| format!("[lan.dhcp]\n{range}");
    finds(&dhcp("first = \"192.168.78.9\""), "error lan.dhcp.first 192.168.78.9 is not an address");
    finds(&dhcp("last = \"192.168.77.255\""), "error lan.dhcp.last 192.168.77.255 is not");
    let inverted = "first = \"192.168.77.90\"\nlast = \"192.168.77.20\"";
    finds(&dhcp(inverted), "error lan.dhcp.first There is no address from");
    finds(&dhcp("first = \"192.168.77.1\""), "error lan.dhcp.first From 192.168.77.1 to");
    finds(&dhcp("lease_seconds = 119"), "error lan.dhcp.lease_seconds");
    sound(&dhcp("first = \"192.168.77.2\"\nlast = \"192.168.77.2\"\nlease_seconds = 120"));
}

#[test]
fn the_pool_is_the_tenth_to_the_last_but_one() {
    let pool = |address: &str| {
        let (first, last) = pool(&Lan { address: address.parse().unwrap(), ..Lan::default() });
        format!("{first} {last}")
    };
    assert_eq!(pool("192.168.77.1/24"), "192.168.77.10 192.168.77.254");
    assert_eq!(pool("192.168.77.10/24"), "192.168.77.11 192.168.77.254");
    assert_eq!(pool("192.168.77.254/24"), "192.168.77.10 192.168.77.253");
    assert_eq!(pool("192.168.77.1/30"), "192.168.77.2 192.168.77.2");
    assert_eq!(pool("172.16.0.1/16"), "172.16.0.10 172.16.255.254");
}

#[test]
fn a_port_serves_one_network() {
    finds("[lan]\nports = [\"lan1\", \"lan1\"]", "error lan.ports.1 lan1 is at lan.ports.0");
    finds(
        "[lan]\nports = [\"a\"]\n[mesh]\nports = [\"a\"]",
        "error mesh.ports.0 a is at lan.ports.0",
    );
    finds("[mesh]\nports = [\"a\"]\n[[uplink]]\ndevice = \"a\"", "error uplink.0.device a is at");
    for own in ["br-lan", "bat0", "kith-ap0", "lo"] {
        finds(&format!("[lan]\nports = [\"{own}\"]"), "error lan.ports.0");
    }
}

#[test]
fn a_household_that_nobody_reaches_is_advised_against() {
    finds("[lan]\nports = []", "advice lan.ports Nobody could reach the panel");
    let wifi = "[wifi.household]\nenabled = true\nssid = \"a\"\npassphrase = \"eight or more\"";
    sound(&format!("[lan]\nports = []\n{wifi}"));
}

#[test]
fn the_box_does_not_ask_itself_for_names() {
    finds("[dns]\nupstream = [\"192.168.77.1\"]", "error dns.upstream.0 The box would ask itself");
    finds("[dns]\nupstream = [\"::1\"]", "error dns.upstream.0 ::1 is a machine's own");
    finds("[lan]\nula = \"2001:db8::/48\"", "error lan.ula");
    finds("[lan]\nula = \"fd00::/7\"", "error lan.ula");
}

#[test]
fn the_households_wifi_is_never_open() {
    finds("[wifi.household]\nenabled = true\nssid = \"a\"", "error wifi.household.passphrase");
    finds(
        "[wifi.household]\nenabled = true\npassphrase = \"12345678\"",
        "error wifi.household.ssid",
    );
    sound("[wifi.household]\nssid = \"a\"");
}

#[test]
fn the_visitors_wifi_may_be_open_and_it_is_said() {
    let open = "[wifi.guest]\nenabled = true\nssid = \"a\"\n";
    finds(open, "advice wifi.guest.passphrase The visitors' Wi-Fi is open");
    finds(&format!("{open}security = \"wpa3\""), "error wifi.guest.passphrase WPA3 needs");
    let both = format!(
        "{open}[wifi.household]\nenabled = true\nssid = \"a\"\npassphrase = \"eight or more\""
    );
    finds(&both, "error wifi.guest.ssid The household's Wi-Fi is called the same");
}

#[test]
fn a_mesh_has_a_name_and_a_secret() {
    finds("[mesh]\nenabled = true\nid = \"a\"", "error mesh.secret");
    finds("[mesh]\nenabled = true\nsecret = \"12345678\"", "error mesh.id");
    finds("[mesh]\nshare_uplink = true", "advice mesh.share_uplink Nobody can use");
    finds("[mesh]\nshare_uplink = true\nshare_up_kbit = 99", "error mesh.share_up_kbit");
}

#[test]
fn channels_are_those_there_are_in_widths_they_have() {
    let radio = |line: &str| format!("country = \"DE\"\n[radio.phy0]\n{line}");
    for line in ["channel = 0", "channel = 14", "channel = 37", "channel = 68", "channel = 169"] {
        finds(&radio(line), "error radio.phy0.channel There is no channel");
    }
    finds(&radio("width_mhz = 30"), "error radio.phy0.width_mhz");
    finds(
        &radio("channel = 6\nwidth_mhz = 80"),
        "error radio.phy0.channel Channel 6 is at most 40",
    );
    finds(
        &radio("channel = 165\nwidth_mhz = 40"),
        "error radio.phy0.channel Channel 165 is at most 20",
    );
    for line in ["channel = 13\nwidth_mhz = 40", "channel = 144\nwidth_mhz = 80", "channel = 165"] {
        sound(&radio(line));
    }
    finds("[radio.phy0]\nchannel = 36", "error radio.phy0.channel Without a country");
    finds("[radio.phy0]\nchannel = 12", "error radio.phy0.channel Without a country");
    sound("[radio.phy0]\nchannel = 11");
}

#[test]
fn the_box_does_not_join_its_own_wifi() {
    let own = "[wifi.guest]\nenabled = true\nssid = \"a\"\npassphrase = \"eight or more\"\n";
    let uplink = "[[uplink]]\ndevice = \"phy0\"\nwifi = { ssid = \"a\" }\n";
    finds(&format!("{own}{uplink}"), "error uplink.0.wifi.ssid");
    sound(&format!("{own}{}", uplink.replace("\"a\"", "\"b\"")));
}

#[test]
fn forwards_lead_to_devices_of_the_household() {
    let forward = |to: &str| {
        format!(
            "[[firewall.forward]]\nname = \"x\"\nprotocol = \"tcp\"\nport = 80\nto = \"{to}\"\n"
        )
    };
    finds(&forward("192.168.77.1"), "error firewall.forward.0.to This is the box itself");
    finds(
        &forward("192.168.78.9"),
        "error firewall.forward.0.to 192.168.78.9 is not an address for",
    );
    finds(&forward("192.168.77.255"), "error firewall.forward.0.to");
    finds(&forward("127.0.0.1"), "error firewall.forward.0.to 127.0.0.1 is a machine's own");
    let twice = forward("192.168.77.9").repeat(2);
    finds(&twice, "error firewall.forward.1.port firewall.forward.0 takes this port");
    sound(&twice.replacen("tcp", "udp", 1));
    finds(&forward("192.168.77.9").replace("80", "0"), "error firewall.forward.0.port Ports");
}

#[test]
fn pinholes_lead_to_what_the_internet_can_reach() {
    let pinhole = |to: &str| {
        format!(
            "[[firewall.pinhole]]\nname = \"x\"\nprotocol = \"tcp\"\nport = 80\nto = \"{to}\"\n"
        )
    };
    for to in ["::", "::1", "fe80::1", "fd00::1", "ff02::1", "64:ff9b::1"] {
        finds(&pinhole(to), "error firewall.pinhole.0.to");
    }
    sound(&pinhole("::2"));
    sound(&pinhole("2001:db8::2"));
    finds(&pinhole("::2").repeat(2), "error firewall.pinhole.1 firewall.pinhole.0 says the same");
}

#[test]
fn devices_have_addresses_and_names_of_their_own() {
    let client = |mac: &str, line: &str| format!("[client.\"{mac}\"]\n{line}\n");
    let (a, b) = ("aa:bb:cc:dd:ee:02", "aa:bb:cc:dd:ee:04");
    finds(&client(a, "address = \"192.168.78.9\""), &format!("error client.\"{a}\".address"));
    finds(
        &client(a, "address = \"192.168.77.1\""),
        &format!("error client.\"{a}\".address This is"),
    );
    for line in ["address = \"192.168.77.9\"", "name = \"nas\""] {
        let both = client(a, line) + &client(b, line);
        finds(&both, &format!("error client.\"{b}\".{}", line.split(' ').next().unwrap()));
    }
    finds(&client(a, "name = \"a.b\""), &format!("error client.\"{a}\".name The name"));
    finds(&client(a, "name = \"kith\""), &format!("error client.\"{a}\".name kith is the box"));
    finds(&client("01:00:5e:00:00:01", ""), "error client.\"01:00:5e:00:00:01\"");
}

#[test]
fn findings_of_a_document_have_lines() {
    let (_, findings) = document("[wifi.household]\nenabled = true\nssid = \"a\"\n");
    assert_eq!((findings[0].line, &*findings[0].key), (1, "wifi.household.passphrase"));
}

fn able() -> RadioAbilities {
    RadioAbilities {
        access_point: true,
        mesh_point: true,
        both: true,
        access_points: 8,
        station: true,
        sae: true,
        pmf: true,
        band_2ghz: true,
        band_5ghz: true,
        band_6ghz: false,
    }
}

#[track_caller]
fn advised(text: &str, radios: &[RadioAbilities]) -> Vec<String> {
    let settings = text::parse(text).unwrap();
    let named = |(i, can): (usize, &RadioAbilities)| (format!("phy{i}"), *can);
    let radios: BTreeMap<_, _> = radios.iter().enumerate().map(named).collect();
    let profile = Profile { other_ports_lan: true, ..Profile::default() };
    let box_ = Hardware { profile: &profile, radios: &radios, panel_port: 80, peer_port: 8480 };
    let findings = hardware(&settings, &box_);
    assert!(!any_error(&findings), "hardware never keeps a change from being applied");
    findings.iter().map(|f| format!("{} {}", f.key, f.message)).collect()
}

#[test]
fn what_a_radio_cannot_do_is_said_in_words() {
    assert_eq!(advised(FULL, &[able(), able(), able()]), [""; 0]);
    let cases = [
        (RadioAbilities { both: false, ..able() }, "phy0 cannot serve mesh and Wi-Fi at once"),
        (RadioAbilities { mesh_point: false, ..able() }, "phy0 cannot take part in a mesh"),
        (RadioAbilities { sae: false, ..able() }, "phy0 cannot encrypt a mesh"),
        (RadioAbilities { sae: false, ..able() }, "phy0 cannot do WPA3"),
        (RadioAbilities { access_point: false, ..able() }, "phy0 cannot be an access point"),
        (RadioAbilities { access_points: 1, ..able() }, "phy0 can serve one Wi-Fi network only"),
        (RadioAbilities { band_2ghz: false, ..able() }, "phy0 does not have the band"),
    ];
    for (can, words) in cases {
        let said = advised(FULL, &[can, able(), able()]);
        assert!(said.iter().any(|line| line.contains(words)), "{words}: {said:#?}");
    }
    let said = advised(FULL, &[able(), able(), RadioAbilities { station: false, ..able() }]);
    assert_eq!(said, ["uplink.1.device phy2 cannot join somebody's Wi-Fi."]);
}

#[test]
fn wifi_without_a_radio_says_what_to_buy() {
    let said = advised(FULL, &[]).join("\n");
    assert!(said.contains("wifi.household.enabled No radio found: plug in"), "{said}");
    assert!(said.contains("radio.phy0 There is no radio phy0 here now; there is none."), "{said}");
}

#[test]
fn a_forward_of_the_peers_port_is_advised_against() {
    let text = "[[firewall.forward]]\nname = \"x\"\nprotocol = \"udp\"\nport = 8480\nto = \"192.168.77.9\"";
    assert!(advised(text, &[able()])[0].contains("Neighbours' boxes"));
    assert!(
        advised(&text.replace("udp", "tcp").replace("8480", "80"), &[])[0].contains("The panel")
    );
}
