//! Plans carried out in a small model of kernel, files and daemons that refuses what the real ones would:
//! an address on an interface that is not there, a route by nowhere, a daemon without its file. After a
//! plan the next one is empty, from any box to any other.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail at the first surprise, and its model at the first step it does not know"
)]

mod any;
mod cases;
mod model;

use cases::{bare, cases};
use kith_link::desire::desire;
use kith_link::desired::Desired;
use kith_link::facts::Facts;
use kith_link::plan::plan;
use kith_link::step::Step;
use kith_model::daemon::Program;
use model::World;
use proptest::prelude::*;

/// Plans until nothing is left to do; how many plans that took.
fn settle(world: &mut World, desired: &Desired) -> usize {
    for round in 0..4 {
        let steps = plan(desired, &world.seen);
        if steps.is_empty() {
            return round;
        }
        for step in &steps {
            world.perform(step).unwrap_or_else(|why| panic!("{step}: {why}\n{}", words(&steps)));
        }
    }
    panic!("never done: {}", words(&plan(desired, &world.seen)));
}

fn words(steps: &[Step]) -> String {
    steps.iter().map(|step| format!("{step}\n")).collect()
}

/// Two plans at most: hostapd puts its interfaces into their bridges when it starts, and only then can
/// they be isolated.
const ROUNDS: usize = 2;

#[test]
fn after_a_plan_nothing_is_left_to_do() {
    for case in cases() {
        let mut world = World::new(bare(&case.facts));
        let rounds = settle(&mut world, &case.desired());
        assert!((1..=ROUNDS).contains(&rounds), "{}: {rounds}", case.name);
        world.check(&case.desired());
    }
}

#[test]
fn any_box_becomes_any_other() {
    let all = cases();
    for from in &all {
        for to in &all {
            let mut world = World::new(bare(&from.facts));
            settle(&mut world, &from.desired());
            world.replug(&to.facts);
            let rounds = settle(&mut world, &to.desired());
            assert!(rounds <= ROUNDS, "{} -> {}: {rounds}", from.name, to.name);
            world.check(&to.desired());
        }
    }
}

#[test]
fn the_firewall_comes_first_and_daemons_come_last() {
    for case in cases() {
        let steps = plan(&case.desired(), &bare(&case.facts));
        assert!(matches!(steps.first(), Some(Step::LoadRuleset(_))), "{}", case.name);
        assert!(matches!(steps.last(), Some(Step::WishDaemons(_))), "{}", case.name);
    }
}

#[test]
fn what_the_box_did_not_make_is_left_alone() {
    let case = cases().into_iter().find(|case| case.name == "dual-radio").unwrap();
    let mut world = World::new(bare(&case.facts));
    world.strange("docker0");
    world.strange("wlan0");
    let before = world.seen.clone();
    settle(&mut world, &case.desired());
    for name in ["docker0", "wlan0"] {
        assert_eq!(world.seen.links.get(name), before.links.get(name));
    }
}

#[test]
fn a_new_wifi_name_reloads_hostapd_and_touches_nothing_else() {
    let mut case = cases().into_iter().find(|case| case.name == "dual-radio").unwrap();
    let mut world = World::new(bare(&case.facts));
    settle(&mut world, &case.desired());
    case.settings.wifi.household.ssid = Some("Another name".parse().unwrap());
    let steps = plan(&case.desired(), &world.seen);
    let words: Vec<String> = steps.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "write hostapd-phy0",
            "write hostapd-phy1",
            "let hostapd for phy0 read its file again",
            "let hostapd for phy1 read its file again",
        ]
    );
}

#[test]
fn a_new_name_for_a_device_starts_nothing_anew() {
    let mut case = cases().into_iter().find(|case| case.name == "ethernet-dhcp").unwrap();
    let mut world = World::new(bare(&case.facts));
    settle(&mut world, &case.desired());
    for client in case.settings.client.values_mut() {
        client.name = Some("renamed".parse().unwrap());
    }
    case.settings.dns.upstream = vec!["192.0.2.99".parse().unwrap()];
    let steps = plan(&case.desired(), &world.seen);
    assert!(steps.iter().all(|step| matches!(step, Step::WriteFile { .. })), "{steps:#?}");
    assert_eq!(steps.len(), 3);
}

#[test]
fn a_changed_port_starts_dnsmasq_anew_and_nothing_else() {
    let mut case = cases().into_iter().find(|case| case.name == "dual-radio").unwrap();
    let mut world = World::new(bare(&case.facts));
    settle(&mut world, &case.desired());
    let before = world.seen.daemons.clone();
    case.settings.lan.dhcp.lease_seconds = 600;
    settle(&mut world, &case.desired());
    for (id, daemon) in &world.seen.daemons {
        let same = before.get(id).is_some_and(|before| before.pid == daemon.pid);
        assert_eq!(same, id.program != Program::Dnsmasq, "{id}");
    }
}

#[test]
fn a_mesh_interface_that_went_down_is_rejoined() {
    let case = cases().into_iter().find(|case| case.name == "repeater").unwrap();
    let mut world = World::new(bare(&case.facts));
    settle(&mut world, &case.desired());
    world.seen.links.get_mut("kith-mesh0").unwrap().up = false;
    let words: Vec<String> =
        plan(&case.desired(), &world.seen).iter().map(ToString::to_string).collect();
    let expected = ["switch kith-mesh0 on", "let wpa_supplicant for kith-mesh0 rejoin its mesh"];
    assert_eq!(words, expected);
}

#[test]
fn drift_is_put_right() {
    let case = cases().into_iter().find(|case| case.name == "prefix-delegation").unwrap();
    let mut world = World::new(bare(&case.facts));
    settle(&mut world, &case.desired());
    let whole = world.seen.clone();
    world.seen.ruleset = None;
    world.seen.addresses.pop_first();
    world.seen.routes.pop_first();
    world.seen.files.remove("dnsmasq-lan");
    world.seen.sysctls.insert("ipv4/ip_forward".into(), "0".into());
    world.seen.links.get_mut("eth1").unwrap().master = None;
    world.seen.links.get_mut("br-guest").unwrap().up = false;
    settle(&mut world, &case.desired());
    assert_eq!(world.seen, whole);
}

#[test]
fn addresses_that_routers_give_are_left_alone() {
    let case = cases().into_iter().find(|case| case.name == "ethernet-dhcp").unwrap();
    let mut world = World::new(bare(&case.facts));
    settle(&mut world, &case.desired());
    world.seen.addresses.insert(("eth0".into(), "2001:db8::5/64".parse().unwrap()));
    assert_eq!(plan(&case.desired(), &world.seen), []);
    world.seen.addresses.insert(("eth0".into(), "192.0.2.77/24".parse().unwrap()));
    assert_eq!(plan(&case.desired(), &world.seen).len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever two boxes look like: nothing panics, the steps can be done in their order, and then
    /// nothing is left to do.
    #[test]
    fn whatever_is_wanted_can_be_reached(
        from in any::settings(), to in any::settings(), one in any::facts(), other in any::facts(),
    ) {
        let profile = any::profile();
        let mut world = World::new(bare(&one));
        settle(&mut world, &desire(&from, &profile, &one));
        let other = Facts { ports: one.ports.clone(), ..other };
        let desired = desire(&to, &profile, &other);
        prop_assert!(settle(&mut world, &desired) <= ROUNDS);
        world.check(&desired);
    }
}
