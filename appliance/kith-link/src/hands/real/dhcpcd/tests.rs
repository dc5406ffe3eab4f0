//! Environments of hooks, recorded from dhcpcd 9.4.1 with dnsmasq and ISC dhcpd at the other end.

use std::os::fd::AsFd as _;

use proptest::prelude::*;

use super::*;

const BOUND: &str = "\
interface=up0
protocol=dhcp
reason=BOUND
new_broadcast_address=192.0.2.255
new_classless_static_routes=0.0.0.0/0 192.0.2.1 10.0.0.0/8 192.0.2.9
new_dhcp_lease_time=120
new_dhcp_server_identifier=192.0.2.1
new_domain_name_servers=192.0.2.53 192.0.2.54
new_ip_address=192.0.2.70
new_network_number=192.0.2.0
new_routers=192.0.2.1
new_subnet_cidr=24
new_subnet_mask=255.255.255.0
";

const BOUND6: &str = "\
interface=up0
protocol=dhcp6
reason=BOUND6
new_dhcp6_client_id=00040102030405060708090a0b0c0d0e0f10
new_dhcp6_ia_na1_ia_addr1=2001:db8::200
new_dhcp6_ia_na1_ia_addr1_pltime=300
new_dhcp6_ia_na1_ia_addr1_vltime=600
new_dhcp6_ia_na1_iaid=00000001
new_dhcp6_ia_pd1_iaid=00000002
new_dhcp6_ia_pd1_prefix1=2001:db8:200::
new_dhcp6_ia_pd1_prefix1_length=56
new_dhcp6_ia_pd1_prefix1_pltime=300
new_dhcp6_ia_pd1_prefix1_vltime=600
new_dhcp6_name_servers=2001:db8::53
new_dhcp6_server_id=000100013292f0716e6172542027
";

const ADVERT: &str = "\
interface=up0
protocol=ra
reason=ROUTERADVERT
nd1_acquired=14406
nd1_flags=h
nd1_from=fe80::6c61:72ff:fe54:2027
nd1_hoplimit=64
nd1_lifetime=1800
nd1_mtu=1500
nd1_prefix_information1_flags=LA
nd1_prefix_information1_length=64
nd1_prefix_information1_pltime=4294967295
nd1_prefix_information1_prefix=2001:db8::
nd1_prefix_information1_vltime=4294967295
nd1_rdnss1_lifetime=4294967295
nd1_rdnss1_servers=2001:db8::53
";

/// As it was after the cable was pulled.
const EXPIRE: &str = "\
if_down=true
ifcarrier=down
interface=up0
protocol=dhcp
reason=EXPIRE
old_domain_name_servers=192.0.2.53 192.0.2.54
old_ip_address=192.0.2.70
old_routers=192.0.2.1
old_subnet_cidr=24
";

const NO_CARRIER: &str =
    "if_down=true\nifcarrier=down\ninterface=up0\nprotocol=link\nreason=NOCARRIER\n";

const MAC: Mac = Mac([0x22, 0xf9, 0x6b, 0x2e, 0xdd, 0x33]);

fn environment(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn event(text: &str) -> DhcpEvent {
    read(&environment(text)).unwrap()
}

#[test]
fn the_parts_of_an_offer_come_together() {
    let mut offers = Offers::default();
    offers.take(event(ADVERT), Some(MAC));
    offers.take(event(BOUND6), Some(MAC));
    let (device, offer) = offers.take(event(BOUND), Some(MAC));
    assert_eq!(device, "up0");
    assert_eq!(offer.ipv4, Some("192.0.2.70/24".parse().unwrap()));
    assert_eq!(offer.router, Some("192.0.2.1".parse().unwrap()));
    assert_eq!(offer.router6, Some("fe80::6c61:72ff:fe54:2027".parse().unwrap()));
    let delegated = offer.prefix.unwrap();
    assert_eq!(delegated.prefix, "2001:db8:200::/56".parse().unwrap());
    assert_eq!((delegated.preferred_seconds, delegated.valid_seconds), (300, 600));
    let dns: Vec<String> = offer.dns.iter().map(ToString::to_string).collect();
    assert_eq!(dns, ["192.0.2.53", "192.0.2.54", "2001:db8::53"]);
    let [given, made] = &offer.ipv6[..] else { panic!("{:?}", offer.ipv6) };
    assert_eq!(*given, "2001:db8::200/128".parse().unwrap());
    let prefix: Ipv6Net = "2001:db8::/64".parse().unwrap();
    assert!(prefix.contains(&made.addr()) && made.prefix_len() == 64);
    assert_ne!(made.addr(), prefix.network());
}

#[test]
fn what_is_lost_is_taken_back_and_the_rest_stays() {
    let mut offers = Offers::default();
    for text in [BOUND, BOUND6, ADVERT] {
        offers.take(event(text), Some(MAC));
    }
    let (_, offer) = offers.take(event(EXPIRE), Some(MAC));
    assert_eq!((offer.ipv4, offer.router), (None, None));
    assert!(offer.prefix.is_some() && offer.router6.is_some());
    let (_, offer) = offers.take(event(NO_CARRIER), Some(MAC));
    assert_eq!(offer, Offer::default());
}

#[test]
fn another_routers_advert_without_lifetime_is_no_way_out() {
    let gone = event(&ADVERT.replace("nd1_lifetime=1800", "nd1_lifetime=0"));
    let Told::Advert(part) = gone.told else { panic!("an advert") };
    assert_eq!((part.router, part.prefixes.len()), (None, 1));
    let nothing = event("reason=ROUTERADVERT\ninterface=up0\nprotocol=ra\n");
    assert_eq!(nothing.told, Told::Advert(AdvertPart::default()));
}

#[test]
fn option_121_without_a_default_means_none() {
    let routes = "new_classless_static_routes=10.0.0.0/8 192.0.2.9";
    let text = BOUND
        .replace("new_classless_static_routes=0.0.0.0/0 192.0.2.1 10.0.0.0/8 192.0.2.9", routes);
    let Told::Ipv4(part) = event(&text).told else { panic!("DHCP") };
    assert_eq!(part.router, None);
    let without: String =
        BOUND.lines().filter(|l| !l.contains("classless")).map(|l| format!("{l}\n")).collect();
    let Told::Ipv4(part) = event(&without).told else { panic!("DHCP") };
    assert_eq!(part.router, Some("192.0.2.1".parse().unwrap()));
}

#[test]
fn hostile_values_are_nothing() {
    for (from, to) in [
        ("new_ip_address=192.0.2.70", "new_ip_address=127.0.0.1"),
        ("new_ip_address=192.0.2.70", "new_ip_address=$(reboot)"),
        ("new_subnet_cidr=24\nnew_subnet_mask=255.255.255.0\n", "new_subnet_cidr=99\n"),
    ] {
        assert_eq!(event(&BOUND.replace(from, to)).told, Told::Ipv4(Ipv4Part::default()), "{to}");
    }
    for (from, to) in
        [("=56", "=120"), ("_vltime=600", "_vltime=0"), ("=2001:db8:200::", "=ff02::1")]
    {
        let Told::Dhcp6(part) = event(&BOUND6.replace(from, to)).told else { panic!("DHCPv6") };
        assert_eq!(part.prefix, None, "{to}");
    }
    assert_eq!(read(&environment(&BOUND.replace("up0", "../../etc"))), None);
    assert_eq!(read(&environment("reason=PREINIT\ninterface=up0\n")), None);
    assert_eq!(read(&environment("")), None);
}

#[tokio::test]
async fn the_hook_tells_the_hands() {
    let run = tempfile::tempdir().unwrap();
    let link = run.path().join("link");
    std::fs::create_dir(&link).unwrap();
    let (environment, called) = (environment(BOUND6), run.path().join(crate::names::DHCP_HOOK));
    assert!(hook(&called, &environment).is_err(), "nobody listens");
    let folder = std::fs::File::open(&link).unwrap();
    for _ in 0..2 {
        let socket = DhcpSocket::bind(folder.as_fd()).unwrap();
        let stranger = StdDatagram::unbound().unwrap();
        stranger.send_to(b"riddle", link.join(DHCP_SOCKET)).unwrap();
        hook(&called, &environment).unwrap();
        assert_eq!(socket.receive().await.unwrap(), event(BOUND6));
    }
}

proptest! {
    #[test]
    fn any_environment_is_read_without_harm_and_fits(
        reason in "BOUND|BOUND6|ROUTERADVERT", value in ".{0,60}", size in any::<u32>(),
    ) {
        let mut environment = environment(&format!("interface=up0\nreason={reason}\n"));
        for text in [BOUND, BOUND6, ADVERT] {
            for (name, _) in text.lines().filter_map(|line| line.split_once('=')).skip(3) {
                let number = name.ends_with("length") || name.ends_with("time");
                let value = if number { size.to_string() } else { value.clone() };
                environment.insert(name.to_owned(), value);
            }
        }
        if let Some(event) = read(&environment) {
            prop_assert!(cbor::encode(&event).len() <= LARGEST);
        }
    }

    #[test]
    fn a_full_offer_fits_and_comes_through(last in any::<u16>()) {
        let ips: Vec<String> = (0..200_u16).map(|n| format!("2001:db8::{:x}:{n:x}", last | 1)).collect();
        let mut environment = environment(BOUND6);
        environment.insert("new_dhcp6_name_servers".into(), ips[..20].join(" "));
        for (association, n) in (1..20).flat_map(|a| (1..20).map(move |n| (a, n))) {
            let name = format!("new_dhcp6_ia_na{association}_ia_addr{n}");
            environment.insert(name, ips[n].clone());
        }
        let event = read(&environment).unwrap();
        let bytes = cbor::encode(&event);
        prop_assert!(bytes.len() <= LARGEST);
        prop_assert_eq!(cbor::decode::<DhcpEvent>(&bytes, LARGEST).unwrap(), event);
    }
}
