//! Any settings and any facts: all that the types allow, hostile names above all.
#![allow(dead_code, reason = "each test uses its own part")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use kith_link::facts::{Delegated, Facts, Offer, RadioFacts, SetupWifi};
use kith_model::network::status::{Channel, RadioAbilities};
use kith_model::profile::{Port, PortRole, Profile};
use kith_model::settings::values::{
    Country, HostName, InterfaceName, Label, Mac, MeshId, Passphrase, Ssid,
};
use kith_model::settings::{
    AccessPoint, Client, Dhcp, Dns, Firewall, Forward, Guest, Lan, Mesh, Pinhole, Place, Protocol,
    Radio, Security, Settings, Uplink, UplinkAddress, UplinkWifi, Wifi,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

/// A text of a type, from whatever can be parsed as one.
fn text<T>(strategy: impl Strategy<Value = String>) -> impl Strategy<Value = T>
where
    T: std::str::FromStr + std::fmt::Debug,
{
    strategy.prop_filter_map("no value of the type", |text| text.parse().ok())
}

/// What formats trip over, between ordinary characters.
fn nasty() -> impl Strategy<Value = String> {
    let sign = select(vec![
        "\"", "'", "\\", "#", "=", ";", "{", "}", "|id=", "|mac=", "$(x)", "`", "<b>", ",", "/",
        "%s", " ", "  ", "é", "\u{202e}", "\u{2028}", "\u{200b}", "\u{feff}", "日", "a", "B", "7",
        "psk=", "accept", "*",
    ]);
    vec(sign, 1..20).prop_map(|signs| signs.concat())
}

pub(crate) fn ssid() -> impl Strategy<Value = Ssid> {
    text(prop_oneof![nasty(), "[ -~]{1,32}", "\\PC{1,10}"])
}

pub(crate) fn passphrase() -> impl Strategy<Value = Passphrase> {
    text(prop_oneof!["[ -~]{8,63}", "[\"#\\\\ ={}|]{8,20}"])
}

pub(crate) fn label() -> impl Strategy<Value = Label> {
    text(prop_oneof![nasty(), "\\PC{1,80}"])
}

pub(crate) fn host_name() -> impl Strategy<Value = HostName> {
    text(prop_oneof![
        "[a-z0-9]{1,10}",
        "[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\\.[a-z0-9]{1,5}){0,3}",
        select(vec!["ignore", "infinite", "600", "10d", "1.2.3.4", "a", "deprecated", "id"])
            .prop_map(str::to_owned),
    ])
}

fn mesh_id() -> impl Strategy<Value = MeshId> {
    text("[A-Za-z0-9._ -]{1,32}")
}

fn mac() -> impl Strategy<Value = Mac> {
    any::<[u8; 6]>().prop_map(Mac)
}

fn ipv4() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![
        any::<u32>().prop_map(Ipv4Addr::from),
        (0..3_u8, any::<u8>()).prop_map(|(net, host)| Ipv4Addr::new(192, 168, 76 + net, host)),
    ]
}

fn ipv6() -> impl Strategy<Value = Ipv6Addr> {
    prop_oneof![
        any::<u128>().prop_map(Ipv6Addr::from),
        any::<u64>().prop_map(|id| Ipv6Addr::from(u128::from(id))),
    ]
}

fn ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![ipv4().prop_map(IpAddr::V4), ipv6().prop_map(IpAddr::V6)]
}

fn net4() -> impl Strategy<Value = Ipv4Net> {
    (ipv4(), prop_oneof![0..=32_u8, Just(24), Just(24)])
        .prop_map(|(address, size)| Ipv4Net::new_assert(address, size))
}

fn net6() -> impl Strategy<Value = Ipv6Net> {
    (ipv6(), prop_oneof![0..=128_u8, Just(56), Just(64)])
        .prop_map(|(address, size)| Ipv6Net::new_assert(address, size))
}

/// Ports and radios that may be there, and one that never is.
fn device() -> impl Strategy<Value = InterfaceName> {
    text(
        select(vec!["a0", "eth0", "eth1", "eth2", "wan.7", "phy0", "phy1", "nothing"])
            .prop_map(str::to_owned),
    )
}

fn access_point() -> impl Strategy<Value = AccessPoint> {
    let security = select(vec![Security::Transition, Security::Wpa3]);
    (any::<bool>(), of(ssid()), of(passphrase()), security).prop_map(
        |(enabled, ssid, passphrase, security)| AccessPoint { enabled, ssid, passphrase, security },
    )
}

fn radio() -> impl Strategy<Value = Radio> {
    let width = select(vec![20, 40, 80, 0, 160]);
    (any::<[bool; 3]>(), of(0..200_u16), width).prop_map(
        |([enabled, mesh, serves], channel, width_mhz)| Radio {
            enabled,
            mesh,
            access_point: serves,
            channel,
            width_mhz,
            power_dbm: None,
        },
    )
}

fn uplink() -> impl Strategy<Value = Uplink> {
    let fixed = (net4(), ipv4(), vec(ip(), 0..3))
        .prop_map(|(address, router, dns)| UplinkAddress { address, router, dns });
    let wifi =
        (ssid(), of(passphrase())).prop_map(|(ssid, passphrase)| UplinkWifi { ssid, passphrase });
    (device(), of(wifi), of(fixed), any::<bool>()).prop_map(|(device, wifi, fixed, ipv6)| Uplink {
        device,
        wifi,
        fixed,
        ipv6,
    })
}

fn protocol() -> impl Strategy<Value = Protocol> {
    select(vec![Protocol::Tcp, Protocol::Udp])
}

fn firewall() -> impl Strategy<Value = Firewall> {
    let forward = (label(), protocol(), any::<u16>(), ipv4(), of(any::<u16>())).prop_map(
        |(name, protocol, port, to, to_port)| Forward { name, protocol, port, to, to_port },
    );
    let pinhole = (label(), protocol(), any::<u16>(), ipv6())
        .prop_map(|(name, protocol, port, to)| Pinhole { name, protocol, port, to });
    (vec(forward, 0..4), vec(pinhole, 0..4))
        .prop_map(|(forward, pinhole)| Firewall { forward, pinhole })
}

fn mesh() -> impl Strategy<Value = Mesh> {
    (any::<[bool; 2]>(), of(mesh_id()), of(passphrase()), vec(device(), 0..2), any::<[u32; 2]>())
        .prop_map(|([enabled, share_uplink], id, secret, ports, [down, up])| Mesh {
            enabled,
            id,
            secret,
            ports,
            share_uplink,
            share_down_kbit: down,
            share_up_kbit: up,
        })
}

fn lan() -> impl Strategy<Value = Lan> {
    let dhcp = (any::<bool>(), of(ipv4()), of(ipv4()), any::<u32>()).prop_map(
        |(enabled, first, last, lease_seconds)| Dhcp { enabled, first, last, lease_seconds },
    );
    (net4(), dhcp, of(net6()), of(vec(device(), 0..3)))
        .prop_map(|(address, dhcp, ula, ports)| Lan { address, dhcp, ula, ports })
}

fn client() -> impl Strategy<Value = Client> {
    (of(host_name()), of(ipv4()), any::<bool>()).prop_map(|(name, address, paused)| Client {
        name,
        address,
        paused,
    })
}

/// Any settings.
pub(crate) fn settings() -> impl Strategy<Value = Settings> {
    let country = of(text::<Country>("[A-Z]{2}"));
    let guest = (net4(), any::<bool>(), of(any::<u32>()))
        .prop_map(|(address, internet, rate_kbit)| Guest { address, internet, rate_kbit });
    let dns = (vec(ip(), 0..3), vec(host_name(), 0..3))
        .prop_map(|(upstream, rebind_exceptions)| Dns { upstream, rebind_exceptions });
    let wifi =
        (access_point(), access_point()).prop_map(|(household, guest)| Wifi { household, guest });
    let radios = btree_map(select(vec!["phy0".to_owned(), "phy1".to_owned()]), radio(), 0..3);
    let clients = btree_map(mac(), client(), 0..5);
    let first = (country, any::<bool>(), lan(), guest, mesh(), wifi);
    let second = (radios, vec(uplink(), 0..3), dns, firewall(), clients);
    (first, second).prop_map(|(first, second)| {
        let (country, outdoors, lan, guest, mesh, wifi) = first;
        let (radio, uplink, dns, firewall, client) = second;
        let place = Place { outdoors, ..Place::default() };
        Settings {
            country,
            place,
            lan,
            guest,
            mesh,
            wifi,
            radio,
            uplink,
            dns,
            firewall,
            client,
            ..Settings::default()
        }
    })
}

fn radio_facts() -> impl Strategy<Value = RadioFacts> {
    let channel =
        (0..200_u16, any::<[bool; 3]>()).prop_map(|(number, [disabled, listen_only, radar])| {
            let base = if number < 15 { 2_407 } else { 5_000 };
            Channel {
                number,
                frequency_mhz: base + 5 * u32::from(number),
                disabled,
                listen_only,
                radar,
                max_dbm: 20,
            }
        });
    let usual = select(vec![1, 6, 11, 36, 40, 44, 48_u16]).prop_map(|number| Channel {
        number,
        frequency_mhz: if number < 15 { 2_407 } else { 5_000 } + 5 * u32::from(number),
        ..Channel::default()
    });
    let channels = vec(prop_oneof![channel, usual], 0..12);
    (any::<[bool; 7]>(), 0..4_u8, channels, of(0..60_u16), of(0..60_u16)).prop_map(
        |(
            [access_point, mesh_point, both, station, sae, two, five],
            access_points,
            channels,
            quiet,
            mesh_heard,
        )| {
            let can = RadioAbilities {
                access_point,
                mesh_point,
                both,
                access_points,
                station,
                sae,
                pmf: sae,
                band_2ghz: two,
                band_5ghz: five,
                band_6ghz: false,
            };
            RadioFacts { can, channels, quiet, mesh_heard }
        },
    )
}

fn offer() -> impl Strategy<Value = Offer> {
    let prefix = of(net6().prop_map(|prefix| Delegated {
        prefix,
        preferred_seconds: 3_600,
        valid_seconds: 7_200,
    }));
    let router6 =
        of(any::<u64>().prop_map(|id| Ipv6Addr::from(0xfe80_u128 << 112 | u128::from(id))));
    (of(net4()), of(ipv4()), vec(net6(), 0..2), router6, prefix, vec(ip(), 0..3)).prop_map(
        |(ipv4, router, ipv6, router6, prefix, dns)| Offer {
            ipv4,
            router,
            ipv6,
            router6,
            prefix,
            dns,
        },
    )
}

/// Any facts.
pub(crate) fn facts() -> impl Strategy<Value = Facts> {
    let port = select(vec!["a0", "eth0", "eth1", "eth2", "wan.7", "bad\" name", "*", ""]);
    let ports = btree_set(port.prop_map(str::to_owned), 0..5);
    let radios = btree_map(select(vec!["phy0".to_owned(), "phy1".to_owned()]), radio_facts(), 0..3);
    let way = select(vec!["eth0", "eth1", "wan.7", "kith-wan0", "phy1", "bat0", "nothing"]);
    let offers = btree_map(way.clone().prop_map(str::to_owned), offer(), 0..3);
    let setup = of(of(passphrase()).prop_map(|passphrase| SetupWifi { passphrase }));
    let first = (any::<[u8; 32]>(), "\\PC{0,20}", any::<[bool; 4]>(), setup, ports, radios);
    let second = (
        offers,
        of(way),
        of(ipv4()),
        any::<u8>(),
        any::<[u16; 2]>(),
        of(net4()),
        vec(net6(), 0..3),
    );
    (first, second).prop_map(|(first, second)| {
        let (node_key, host_name, [claimed, safe, storm, pages], setup_wifi, ports, radios) = first;
        let (offers, way_out, mesh_router, retries, [panel_port, peer_port], old_lan, former) =
            second;
        Facts {
            node_key,
            host_name,
            claimed,
            safe_mode: safe && node_key[0].is_multiple_of(4),
            setup_wifi,
            ports: ports.into_iter().collect::<BTreeSet<_>>(),
            radios: radios.into_iter().collect::<BTreeMap<_, _>>(),
            offers,
            way_out: way_out.map(str::to_owned),
            mesh_router,
            mesh_address_retries: retries,
            panel_port,
            peer_port,
            old_lan,
            lease_storm: storm,
            visitor_pages: pages,
            former_prefixes: former,
            bridge_netfilter: retries.is_multiple_of(2),
            ..Facts::default()
        }
    })
}

/// A board with one port each way and room for more.
pub(crate) fn profile() -> Profile {
    let port = |device: &str, role| Port {
        device: device.parse().unwrap(),
        label: device.parse().unwrap(),
        role,
        found_by: None,
    };
    Profile {
        name: "any".into(),
        title: "Any board".into(),
        port: vec![port("eth0", PortRole::Wan), port("eth1", PortRole::Lan)],
        other_ports_lan: true,
        memory_mb: 512,
        ..Profile::default()
    }
}
