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
fn a_survey_answers_everybody_who_waits_for_it() {
    let (mut rig, _) = settled();
    let Ok(NetworkReply::Survey(heard)) = rig.ask("ada", NetworkAsk::Survey) else { panic!() };
    let mesh = heard.iter().find(|heard| heard.mesh).unwrap();
    assert_eq!((&*mesh.ssid, mesh.count), ("Valley Mesh", 3));
    assert!(heard.iter().any(|heard| heard.ssid.contains("<img")), "others' names are hostile");
}
