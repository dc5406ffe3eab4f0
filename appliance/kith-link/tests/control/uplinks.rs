//! Which way to the internet is taken, and what is said about it.

use std::time::Duration;

use kith_model::network::ask::{NetworkAsk, NetworkReply};
use kith_model::network::status::{Internet, NetworkStatus, Uplink};

use super::bad::GOOD;
use super::lockouts::settled;
use super::rig::Rig;

fn uplink<'a>(status: &'a NetworkStatus, device: &str) -> &'a Uplink {
    status.uplinks.iter().find(|uplink| uplink.device == device).unwrap()
}

#[test]
fn a_way_that_works_is_taken_and_measured() {
    let (mut rig, _) = settled();
    rig.run(Duration::from_secs(60));
    let status = rig.status();
    assert_eq!(status.internet, Internet::Own);
    let wan = uplink(&status, "wan");
    assert!(wan.healthy && wan.in_use && wan.rtt_us.is_some(), "{wan:?}");
    assert_eq!(wan.lost_percent, 0);
}

#[test]
fn when_nobody_answers_any_more_the_mesh_is_taken_and_the_own_way_comes_back_late() {
    let (mut rig, _) = settled();
    rig.world.set_internet(false);
    rig.run(Duration::from_secs(60));
    let status = rig.status();
    assert_eq!(status.internet, Internet::Shared);
    let wan = uplink(&status, "wan");
    assert_eq!(wan.error.as_deref(), Some("its router answers, but nothing behind it does"));
    assert!(!wan.healthy && !wan.in_use);
    rig.world.set_internet(true);
    rig.run(Duration::from_secs(15));
    assert_eq!(rig.status().internet, Internet::Shared, "one good check is not enough");
    rig.run(Duration::from_secs(90));
    assert_eq!(rig.status().internet, Internet::Own);
}

#[test]
fn a_plug_that_is_pulled_is_said_and_one_that_is_put_in_works() {
    let (mut rig, _) = settled();
    rig.world.plug(rig.now, "wan", false);
    rig.run(Duration::from_secs(3));
    let status = rig.status();
    assert_eq!(status.internet, Internet::Shared);
    assert_eq!(
        uplink(&status, "wan").error.as_deref(),
        Some("no plug is in, or there is no signal")
    );
    rig.world.plug(rig.now, "wan", true);
    rig.run(Duration::from_secs(20));
    assert_eq!(rig.status().internet, Internet::Own);
}

#[test]
fn without_mesh_and_plug_there_is_no_internet_and_nothing_spins() {
    let mut rig = Rig::fresh(34);
    rig.run(Duration::from_secs(2));
    rig.identify();
    rig.settle(&GOOD.replace("enabled = true\nid", "enabled = false\nid"));
    rig.world.plug(rig.now, "wan", false);
    rig.run(Duration::from_secs(60));
    assert_eq!(rig.status().internet, Internet::None);
    rig.outputs = 0;
    rig.run(Duration::from_secs(600));
    assert!(rig.outputs < 900, "{} jobs in ten minutes", rig.outputs);
}

#[test]
fn a_day_is_1440_samples_of_each_curve_and_gaps_are_gaps() {
    let (mut rig, _) = settled();
    rig.run(Duration::from_secs(3_600));
    rig.world.set_internet(false);
    rig.run(Duration::from_secs(25 * 3_600));
    let Ok(NetworkReply::Graphs(graphs)) = rig.ask("ada", NetworkAsk::Graphs) else { panic!() };
    let names: Vec<&str> = graphs.iter().map(|graph| &*graph.name).collect();
    assert_eq!(names, ["internet", "wifi", "mesh", "health"]);
    assert!(graphs.iter().all(|graph| graph.samples.len() == 1_440 && graph.step_ms == 60_000));
    assert!(graphs[0].samples.iter().all(Option::is_none), "nobody answers");
    assert!(graphs[1].samples.iter().flatten().all(|devices| *devices >= 1.0));
}
