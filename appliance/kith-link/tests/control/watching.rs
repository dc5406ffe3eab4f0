//! What is put right by itself: drift, hung daemons, meshes that do not come back.

use std::time::Duration;

use kith_link::names::BRIDGE_NETFILTER;
use kith_link::step::Step;
use kith_model::daemon::{DaemonId, Program};
use kith_model::network::ask::{NetworkAsk, NetworkReply};
use kith_model::network::status::DaemonHealth;

use super::lockouts::settled;
use super::rig::Fault;

fn daemon(program: Program, instance: &str) -> DaemonId {
    DaemonId { program, instance: instance.parse().unwrap() }
}

#[test]
fn what_somebody_else_changes_is_put_right_and_remembered() {
    let (mut rig, _) = settled();
    assert!(rig.status().repairs.is_empty(), "own writes are no drift");
    let address = "192.168.77.1/24".parse().unwrap();
    let meddled = Step::RemoveAddress { device: "br-lan".into(), address };
    rig.world.meddle(rig.now, &meddled).unwrap();
    rig.run(Duration::from_millis(400));
    assert!(rig.world.addresses("br-lan").any(|net| net == address));
    let repairs = rig.status().repairs;
    assert_eq!(repairs.len(), 1, "{repairs:?}");
    assert_eq!(repairs[0].what, "give br-lan the address 192.168.77.1/24");
}

#[test]
fn bridges_show_the_firewall_nothing_even_if_somebody_loads_the_module_for_it() {
    let (mut rig, _) = settled();
    assert_eq!(BRIDGE_NETFILTER.map(|path| rig.world.sysctl(path)), [None; 3], "nothing to set");
    rig.world.load_bridge_netfilter();
    assert_eq!(BRIDGE_NETFILTER.map(|path| rig.world.sysctl(path)), [Some("1"); 3]);
    rig.run(Duration::from_secs(31));
    assert_eq!(BRIDGE_NETFILTER.map(|path| rig.world.sysctl(path)), [Some("0"); 3]);
    rig.run(Duration::from_secs(60));
    rig.world.load_bridge_netfilter();
    rig.run(Duration::from_secs(31));
    assert_eq!(BRIDGE_NETFILTER.map(|path| rig.world.sysctl(path)), [Some("0"); 3], "drift");
    assert!(rig.status().repairs.iter().any(|repair| repair.what.contains("bridge-nf-call")));
}

#[test]
fn drift_that_nobody_reports_is_found_within_half_a_minute() {
    let (mut rig, _) = settled();
    rig.world.perform(rig.now, &Step::LoadRuleset("table inet kith {}".into())).unwrap();
    rig.run(Duration::from_secs(31));
    assert_eq!(rig.status().repairs[0].what, "load the firewall");
}

#[test]
fn a_role_that_is_started_again_touches_nothing() {
    let (mut rig, _) = settled();
    rig.strike(Fault::Kill);
    rig.steps.clear();
    rig.run(Duration::from_secs(60));
    assert_eq!(rig.steps, Vec::<String>::new());
}

#[test]
fn a_daemon_that_hangs_is_reported_after_two_silences_and_comes_back() {
    let (mut rig, _) = settled();
    let hostapd = daemon(Program::Hostapd, "phy0");
    rig.world.hang(&hostapd);
    rig.run(Duration::from_secs(9));
    assert!(rig.hung.is_empty(), "one silence may be bad luck");
    rig.run(Duration::from_secs(13));
    assert_eq!(rig.hung, ["hostapd for phy0"]);
    rig.run(Duration::from_secs(30));
    let status = rig.status();
    let of_it = status.daemons.iter().find(|d| d.program == "hostapd" && d.instance == "phy0");
    assert_eq!(of_it.unwrap().state, DaemonHealth::Running);
    assert_eq!(of_it.unwrap().restarts, 1);
}

#[test]
fn a_mesh_interface_that_went_down_rejoins() {
    let (mut rig, _) = settled();
    assert_eq!(rig.world.neighbours(rig.now).len(), 3);
    let down = |up| Step::SetUp { name: "kith-mesh0".into(), up };
    rig.world.perform(rig.now, &down(false)).unwrap();
    rig.world.meddle(rig.now, &down(true)).unwrap();
    rig.run(Duration::from_secs(10));
    assert!(rig.world.neighbours(rig.now).is_empty(), "it never does by itself");
    rig.run(Duration::from_secs(30));
    assert_eq!(rig.world.neighbours(rig.now).len(), 3);
    let repairs = rig.status().repairs;
    assert!(repairs.iter().any(|repair| repair.what.contains("rejoin")), "{repairs:?}");
}

#[test]
fn whoever_aims_sees_the_neighbours_once_a_second() {
    let (mut rig, _) = settled();
    rig.ask("ada", NetworkAsk::Aim).unwrap();
    rig.outputs = 0;
    rig.run(Duration::from_secs(50));
    assert!(rig.outputs >= 45, "{}", rig.outputs);
    let revision = rig.status().revision;
    rig.run(Duration::from_secs(5));
    assert!(rig.status().revision > revision, "signals move");
}

#[test]
fn a_box_of_the_mesh_is_asked_a_few_times_and_another_has_to_wait() {
    let (mut rig, _) = settled();
    let node = rig.status().mesh.nodes[0].clone();
    let mac = node.mac.parse().unwrap();
    assert!(matches!(rig.ask("ada", NetworkAsk::Ping { mac }), Ok(NetworkReply::Done)));
    rig.run(Duration::from_secs(30));
    let pinged = rig.status().pinged.unwrap();
    assert_eq!((&*pinged.mac, pinged.running, pinged.rtt_us.len()), (&*node.mac, false, 5));
    assert!(pinged.rtt_us.iter().any(Option::is_some), "{pinged:?}");
    let stranger = "02:00:00:00:99:99".parse().unwrap();
    assert!(rig.ask("ada", NetworkAsk::Ping { mac: stranger }).is_err());
}

#[test]
fn a_survey_is_begun_at_once_and_its_result_kept() {
    let (mut rig, _) = settled();
    let Ok(NetworkReply::Surveyed(first)) = rig.ask("ada", NetworkAsk::Survey) else { panic!() };
    assert!(first.listening && first.at.is_none() && first.heard.is_empty(), "{first:?}");
    rig.run(Duration::from_secs(15));
    let Ok(NetworkReply::Surveyed(then)) = rig.ask("bob", NetworkAsk::Surveyed) else { panic!() };
    assert!(!then.listening && then.at.is_some(), "{then:?}");
    let heard = then.heard;
    let mesh = heard.iter().find(|heard| heard.mesh).unwrap();
    assert_eq!((&*mesh.ssid, mesh.count), ("Valley Mesh", 3));
    assert!(heard.iter().any(|heard| heard.ssid.contains("<img")), "others' names are hostile");
}
