//! What others send, and what is missing: it is said in words, and what worked goes on.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::{Ipv4Net, Ipv6Net};
use kith_link::facts::{Delegated, Offer};
use kith_model::daemon::Program;
use kith_model::network::change::ChangeState;
use kith_model::network::status::DaemonHealth;

use super::bad::GOOD;
use super::lockouts::settled;
use super::reach::cut_off;
use super::rig::Rig;

fn v4(text: &str) -> Option<Ipv4Net> {
    Some(text.parse().unwrap())
}

fn prefix(text: &str) -> Option<Delegated> {
    let prefix: Ipv6Net = text.parse().unwrap();
    Some(Delegated { prefix, preferred_seconds: u32::MAX, valid_seconds: 0 })
}

/// What somebody who plays the provider may come up with.
fn odd_offers() -> Vec<(&'static str, Offer)> {
    let addresses = [
        ("the household's network", "192.168.77.200/24", "192.168.77.1"),
        ("the box's own address", "192.168.77.1/24", "192.168.77.1"),
        ("all of the internet as one network", "10.0.0.5/0", "10.0.0.1"),
        ("a router that is nobody", "192.0.2.5/32", "0.0.0.0"),
        ("addresses of the box itself", "127.0.0.1/8", "127.0.0.2"),
        ("an address of everybody's", "255.255.255.255/24", "224.0.0.1"),
        ("the mesh's network", "10.240.1.1/16", "10.240.1.2"),
    ];
    let prefixes = [
        ("a prefix that is too small", "2001:db8::/72"),
        ("a prefix of neighbours", "fe80::/10"),
        ("a prefix of groups", "ff00::/8"),
        ("the whole of IPv6", "::/0"),
    ];
    let own: Vec<IpAddr> = ["192.168.77.1", "127.0.0.1", "::1", "fe80::1", "0.0.0.0", "ff02::1"]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    let many: Vec<IpAddr> = (0..=255).map(|last| [192, 0, 2, last].into()).collect();
    let names = [("who answers for names is the box, or nobody", own), ("very many who do", many)];
    let usual = || Offer {
        ipv4: v4("192.0.2.5/24"),
        router: Some(Ipv4Addr::new(192, 0, 2, 1)),
        ..Offer::default()
    };
    let at = |(what, net, router): (_, &str, &str)| {
        (what, Offer { ipv4: v4(net), router: router.parse().ok(), ..Offer::default() })
    };
    let of = |(what, net)| (what, Offer { prefix: prefix(net), ..usual() });
    let asks = |(what, dns)| (what, Offer { dns, ..usual() });
    std::iter::once(("nothing at all", Offer::default()))
        .chain(addresses.into_iter().map(at))
        .chain(prefixes.into_iter().map(of))
        .chain(names.into_iter().map(asks))
        .collect()
}

/// Whether the owner reaches the box by cable and Wi-Fi.
fn at_home(rig: &Rig, devices: &[super::reach::Device]) -> bool {
    cut_off(&devices[..2], &rig.world, rig.now).is_empty()
}

#[test]
fn whatever_a_provider_offers_nobody_is_locked_out_and_the_usual_heals_it() {
    for (what, offer) in odd_offers() {
        let (mut rig, devices) = settled();
        rig.world.set_offer(rig.now, offer);
        rig.run(Duration::from_secs(60));
        assert!(at_home(&rig, &devices), "{what}");
        assert_eq!(rig.kept().text, GOOD, "{what}");
        let home: Ipv4Net = "192.168.77.0/24".parse().unwrap();
        for net in rig.world.addresses("wan") {
            let IpAddr::V4(address) = net.addr() else { continue };
            let odd = address.is_loopback() || address.is_multicast() || address.is_broadcast();
            assert!(!odd && !home.contains(&address), "{what}: {net} is taken");
        }
        let usual = Offer {
            ipv4: v4("192.168.178.57/24"),
            router: Some([192, 168, 178, 1].into()),
            ..Offer::default()
        };
        rig.world.set_offer(rig.now, usual);
        rig.run(Duration::from_secs(60));
        assert!(at_home(&rig, &devices), "{what}, then the usual");
        let wan: Vec<String> = rig.world.addresses("wan").map(|net| net.to_string()).collect();
        assert!(wan.contains(&"192.168.178.57/24".to_owned()), "{what}, then the usual: {wan:?}");
    }
}

#[test]
fn a_provider_that_changes_its_mind_all_the_time_starts_nothing_anew_all_the_time() {
    let (mut rig, devices) = settled();
    let pids = |rig: &mut Rig| -> Vec<_> {
        let daemons = rig.status().daemons;
        daemons.into_iter().filter(|d| d.program != "dnsmasq").map(|d| d.pid).collect()
    };
    let before = pids(&mut rig);
    for turn in 0..60_u16 {
        let net = Ipv6Net::new([0x2001, 0xdb8, turn, 0, 0, 0, 0, 0].into(), 56).unwrap();
        let offer = Offer {
            ipv4: v4("192.168.178.57/24"),
            prefix: prefix(&net.to_string()),
            ..Offer::default()
        };
        rig.world.set_offer(rig.now, offer);
        rig.run(Duration::from_secs(1));
    }
    rig.run(Duration::from_secs(10));
    assert!(at_home(&rig, &devices));
    assert_eq!(pids(&mut rig), before);
    let old = rig.world.addresses("br-lan").count();
    assert!(old < 8, "{old} addresses");
}

#[test]
fn a_program_that_is_not_there_is_named_and_all_else_goes_on() {
    for (program, word) in [(Program::Hostapd, "hostapd"), (Program::Dnsmasq, "dnsmasq")] {
        let (mut rig, devices) = settled();
        let pids = |rig: &mut Rig| -> Vec<_> {
            let daemons = rig.status().daemons.into_iter();
            daemons.filter(|d| d.program != word).map(|d| (d.program, d.instance, d.pid)).collect()
        };
        let before = pids(&mut rig);
        rig.world.uninstall(rig.now, program);
        rig.run(Duration::from_secs(60));
        let status = rig.status();
        let said = status.problems.iter().find(|problem| problem.code == "daemon-missing");
        let said = said.unwrap_or_else(|| panic!("{:?}", status.problems));
        assert!(said.message.contains(word), "{said:?}");
        let gone = status.daemons.iter().find(|daemon| daemon.program == word).unwrap();
        assert_eq!(gone.state, DaemonHealth::Missing);
        assert_eq!(pids(&mut rig), before, "nothing else is started anew");
        let by_cable = &devices[..1];
        assert!(cut_off(by_cable, &rig.world, rig.now).is_empty(), "{word}");
        // A change can be tried, and is taken back as ever.
        let token = rig.apply("ada", &GOOD.replace("Mill House\"", "Mill\""), Some(30)).unwrap();
        assert!(token.is_some());
        rig.run(Duration::from_secs(40));
        assert_eq!(rig.change().unwrap().state, ChangeState::Reverted);
        assert_eq!(rig.kept().text, GOOD);
    }
}
