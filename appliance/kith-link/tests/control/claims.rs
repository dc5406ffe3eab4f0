//! Addresses in the mesh: asked for before they are used, given up when somebody else has them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use kith_model::settings::edit::set;
use kith_model::settings::values::Mac;

use super::bad::GOOD;
use super::lockouts::settled;
use super::rig::{BOOT, Fault, Rig};

const OTHER: Mac = Mac([0x02, 0x76, 0x61, 0, 0, 0x42]);

/// The box's IPv4 addresses in the mesh of this size.
fn in_mesh(rig: &Rig, prefix: u8) -> Vec<Ipv4Addr> {
    let of_size = rig.world.addresses("bat0").filter(|net| net.prefix_len() == prefix);
    let ipv4 = |net: ipnet::IpNet| match net.addr() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    };
    of_size.filter_map(ipv4).collect()
}

#[test]
fn an_address_is_used_after_nobody_has_answered() {
    let (mut rig, _) = settled();
    let before = in_mesh(&rig, 16);
    rig.asked_for.clear();
    rig.apply("ada", &GOOD.replace("Valley Mesh", "Hill Mesh"), None).unwrap();
    let mut asked = None;
    for _ in 0..100 {
        rig.run(Duration::from_millis(100));
        asked = asked.or((!rig.asked_for.is_empty()).then_some(rig.now));
        let now = in_mesh(&rig, 16);
        if !now.is_empty() && now != before {
            let waited = rig.now.since(asked.expect("not without asking"));
            assert!((3_900..6_000).contains(&waited.as_millis()), "{waited:?}");
            assert!(rig.asked_for.contains(&now[0]));
            return;
        }
    }
    panic!("it never has one");
}

/// The box is started again while another one has its address; whether it ever took it.
fn started_beside(other: Option<Mac>) -> (Rig, Ipv4Addr, bool) {
    let (mut rig, _) = settled();
    let own = in_mesh(&rig, 16)[0];
    rig.strike(Fault::Reboot);
    rig.world.set_other(rig.now, own, other);
    rig.steps.clear();
    rig.run(BOOT + Duration::from_secs(30));
    let took = rig.steps.iter().any(|step| *step == format!("give bat0 the address {own}/16"));
    (rig, own, took)
}

#[test]
fn an_address_of_somebody_else_s_is_never_taken_and_it_is_said() {
    let (mut rig, own, took) = started_beside(Some(OTHER));
    let now = in_mesh(&rig, 16);
    assert!(now.len() == 1 && now[0] != own, "{now:?}");
    let repairs = rig.status().repairs;
    let said = repairs.iter().find(|repair| repair.what.contains(&own.to_string()));
    assert!(said.unwrap().what.contains(&OTHER.to_string()), "{repairs:?}");
    assert!(said.unwrap().what.contains(&now[0].to_string()), "{repairs:?}");
    assert!(!took);
}

#[test]
fn control_without_anybody_else_it_is_the_same_again() {
    let (rig, own, took) = started_beside(None);
    assert_eq!((in_mesh(&rig, 16), took), (vec![own], true));
}

#[test]
fn when_two_meshes_meet_an_address_in_use_is_given_up() {
    let (mut rig, devices) = settled();
    let own = in_mesh(&rig, 16)[0];
    rig.run(Duration::from_secs(10));
    assert_eq!(in_mesh(&rig, 16), [own]);
    rig.world.set_other(rig.now, own, Some(OTHER));
    rig.run(Duration::from_secs(10));
    let now = in_mesh(&rig, 16);
    assert!(now.len() == 1 && now[0] != own, "{now:?}");
    let at_home = &devices[..2];
    assert!(super::reach::cut_off(at_home, &rig.world, rig.now).is_empty());
}

#[test]
fn a_gateway_that_could_not_be_found_does_not_call_itself_one() {
    let (mut rig, _) = settled();
    let shared = set(GOOD, &[("mesh.share_uplink".to_owned(), Some("true".to_owned()))]).unwrap();
    rig.settle(&shared);
    rig.run(Duration::from_secs(60));
    let found_under = in_mesh(&rig, 32);
    assert!(!found_under.is_empty() && rig.status().mesh.sharing);
    for address in &found_under {
        rig.world.set_other(rig.now, *address, Some(OTHER));
    }
    rig.run(Duration::from_secs(10));
    let status = rig.status();
    assert!(in_mesh(&rig, 32).is_empty() && !status.mesh.sharing);
    let said = status.problems.iter().find(|problem| problem.code == "mesh-gateway-taken");
    assert!(said.unwrap().message.contains(&OTHER.to_string()), "{said:?}");
    for address in &found_under {
        rig.world.set_other(rig.now, *address, None);
    }
    rig.run(Duration::from_secs(90));
    assert!(in_mesh(&rig, 32) == found_under && rig.status().mesh.sharing);
}
